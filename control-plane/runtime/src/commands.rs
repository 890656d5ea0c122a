use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;
use weir_core::actor::{Actor, Role};
use weir_core::tenant::{GatewaySettings, UserSettings};
use weir_store::StoreError;

use crate::database::{Schema, connect, connect_and_see_to};
use crate::settings::DatabaseSettings;

/// As in the admin API.
const SHORTEST_PASSWORD: usize = 12;

/// Brings the database's schema up to date, waiting for Postgres if need be.
pub async fn migrate(settings: &DatabaseSettings) -> anyhow::Result<()> {
    connect_and_see_to(settings, Schema::Migrate).await?.close().await;
    Ok(())
}

/// Encrypts everything anew that is not under the first master key. Says what has become of it; fails if something cannot be read.
pub async fn rekey(settings: &DatabaseSettings) -> anyhow::Result<String> {
    let store = connect(settings).await?;
    store.check_schema().await?;
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
    if password.expose_secret().chars().count() < SHORTEST_PASSWORD {
        anyhow::bail!("the password must have at least {SHORTEST_PASSWORD} characters");
    }
    let hash = weir_api::hash_password(password).await.context("the password was not accepted")?;
    let store = connect(settings).await?;
    let user = UserSettings { email, role: Role::PlatformAdmin };
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
    let created = store.create_gateway(&Actor::system(), tenant_id, GatewaySettings { name }, None).await;
    store.close().await;
    Ok(created.map_err(explain)?.secret)
}

/// The admin API's OpenAPI document.
pub fn openapi() -> String {
    weir_api::openapi()
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
