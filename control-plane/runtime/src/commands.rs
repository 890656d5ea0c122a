use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;
use weir_core::actor::{Actor, Role};
use weir_core::change::Streams;
use weir_core::json::Object;
use weir_core::page::{After, ListRequest};
use weir_core::resource::Stored;
use weir_core::tenant::{GatewaySettings, UserSettings};
use weir_core::ways_in::WaysIn;
use weir_store::{Store, StoreError};

use crate::database::{Schema, connect, connect_and_see_to};
use crate::settings::DatabaseSettings;

/// Brings the database's schema up to date, waiting for Postgres if need be.
pub async fn migrate(settings: &DatabaseSettings) -> anyhow::Result<()> {
    connect_and_see_to(settings, Schema::Migrate).await?.close().await;
    Ok(())
}

/// Encrypts everything anew that is not under the first master key. Says what has become of it; fails if something cannot be read.
pub async fn rekey(settings: &DatabaseSettings) -> anyhow::Result<String> {
    let store = connect(settings).await?;
    let rekeyed = store.rekey().await;
    store.close().await;
    let rekeyed = rekeyed?;
    if !rekeyed.unreadable.is_empty() {
        let ids: Vec<String> = rekeyed.unreadable.iter().map(Uuid::to_string).collect();
        anyhow::bail!(
            "no master key of the ring reads the credentials of the providers {}; set them anew",
            ids.join(", ")
        );
    }
    Ok(format!("{} rows are encrypted anew, {} were under the first key already", rekeyed.rewritten, rekeyed.current))
}

/// Makes a platform administrator.
pub async fn create_admin(settings: &DatabaseSettings, email: String, password: SecretString) -> anyhow::Result<()> {
    if let Err(reason) = weir_api::check_password(password.expose_secret(), Some(&email)) {
        anyhow::bail!("the password {reason}");
    }
    let hash = weir_api::hash_password(password).await.context("the password was not accepted")?;
    let store = connect(settings).await?;
    let user = UserSettings::new(email, Role::PlatformAdmin);
    let created = store.create_user(&Actor::system(), None, user, &hash, None).await;
    store.close().await;
    created.map_err(explain)?;
    Ok(())
}

/// Makes a gateway, and gives its token: it is shown this once.
pub async fn create_gateway(
    settings: &DatabaseSettings,
    name: String,
    tenant_id: Option<Uuid>,
) -> anyhow::Result<String> {
    let store = connect(settings).await?;
    let created = store
        .create_gateway(
            &Actor::system(),
            tenant_id,
            GatewaySettings { name, trusted_hops: 0, trusts_forwarded_certificates: false, ways_in: WaysIn::default() },
            None,
        )
        .await;
    store.close().await;
    Ok(created.map_err(explain)?.secret)
}

/// A gateway, as it is listed.
#[derive(Debug)]
pub struct GatewayLine {
    /// What it is called.
    pub name: String,
    /// Its id.
    pub id: Uuid,
    /// The only tenant that it serves; `None`: it serves all.
    pub tenant_id: Option<Uuid>,
    /// Until when former tokens are accepted; empty: none is.
    pub former_tokens_until: String,
}

/// All gateways, oldest first.
pub async fn list_gateways(settings: &DatabaseSettings) -> anyhow::Result<Vec<GatewayLine>> {
    let store = connect(settings).await?;
    let mut lines = Vec::new();
    let mut after = None;
    loop {
        let page = store.list(weir_store::GATEWAY, &Actor::system(), page(None, after)).await?;
        lines.extend(page.items.into_iter().map(|gateway| GatewayLine {
            name: text(&gateway.spec, "name"),
            id: gateway.id,
            tenant_id: gateway.tenant_id,
            former_tokens_until: text(&gateway.status, "former_tokens_until"),
        }));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    store.close().await;
    Ok(lines)
}

/// Gives a gateway another token: it is shown this once. The one before is accepted for so many seconds more.
pub async fn rotate_gateway(settings: &DatabaseSettings, name: &str, overlap_seconds: u64) -> anyhow::Result<String> {
    let store = connect(settings).await?;
    let gateway = gateway_of_name(&store, name).await?;
    let rotated = store.rotate_gateway(&Actor::system(), gateway.id, overlap_seconds, None).await;
    store.close().await;
    Ok(rotated.map_err(explain)?.secret)
}

/// The file from which Envoy's bootstrap reads a gateway's token: an SDS resource, in JSON, which is YAML too.
pub fn token_file(token: &str) -> String {
    serde_json::json!({"resources": [{
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": "weir_gateway_token",
        "generic_secret": {"secret": {"inline_string": token}},
    }]})
    .to_string()
}

/// Deletes a gateway: its tokens are refused from now on.
pub async fn delete_gateway(settings: &DatabaseSettings, name: &str) -> anyhow::Result<()> {
    let store = connect(settings).await?;
    let gateway = gateway_of_name(&store, name).await?;
    let deleted =
        store.delete(weir_store::GATEWAY, &Actor::system(), gateway.id, gateway.revision, Streams::Finish).await;
    store.close().await;
    deleted.map_err(explain)?;
    Ok(())
}

pub(crate) async fn gateway_of_name(store: &Store, name: &str) -> anyhow::Result<Stored> {
    let named = store.list(weir_store::GATEWAY, &Actor::system(), page(Some(name), None)).await?;
    named.items.into_iter().next().with_context(|| format!("there is no gateway called {name}"))
}

fn page(name: Option<&str>, after: Option<After>) -> ListRequest {
    ListRequest { limit: 200, after, name: name.map(str::to_owned), ..ListRequest::default() }
}

fn text(fields: &Object, name: &str) -> String {
    fields.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
}

/// The admin API's OpenAPI document.
pub fn openapi() -> String {
    weir_api::openapi()
}

/// The roles that always exist, and what each operation of the admin API takes, in Markdown.
pub fn roles() -> String {
    weir_api::roles()
}

/// Names the fields that a rule is broken in.
fn explain(error: StoreError) -> anyhow::Error {
    match &error {
        StoreError::Invalid(fields) => {
            let reasons: Vec<String> = fields.iter().map(|one| format!("{}: {}", one.field, one.reason)).collect();
            anyhow::anyhow!(reasons.join("; "))
        }
        _ => error.into(),
    }
}
