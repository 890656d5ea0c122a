//! `weir demo seed`: tenants with what they have, and thirty days of their usage, to look at the console with.
//!
//! The same on every run, but for ids and for today's date. Nothing of it serves a request: the providers' credentials are made up.

mod requests;

use anyhow::{Context as _, Result, bail};
use chrono::{DurationRound as _, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;
use weir_config::Price;
use weir_core::actor::Actor;
use weir_core::json::Object;
use weir_core::page::ListRequest;
use weir_core::resource::Stored;
use weir_core::routing::PoolSettings;
use weir_store::{API_KEY, GATEWAY, GUARDRAIL_PROFILE, Kind, MODEL, POOL, PROVIDER, SecretChange, Store, TENANT};

use crate::database::{Schema, connect_and_see_to};
use crate::settings::DatabaseSettings;

/// The days of usage.
const DAYS: i64 = 30;
/// Records that are stored at a time.
const AT_ONCE: usize = 2_000;

/// A tenant, its time zone, its share of all requests, and the names of its keys.
struct Tenant {
    name: &'static str,
    time_zone: &'static str,
    requests_a_day: u64,
    keys: &'static [&'static str],
    profile: &'static [(&'static str, &'static str)],
}

const TENANTS: [Tenant; 4] = [
    Tenant {
        name: "Northwind Bank",
        time_zone: "Europe/Berlin",
        requests_a_day: 620,
        keys: &["support assistant", "contract review", "code assistant", "fraud notes"],
        profile: &[("CREDIT_CARD", "block"), ("EMAIL", "redact")],
    },
    Tenant {
        name: "Contoso Health",
        time_zone: "America/New_York",
        requests_a_day: 430,
        keys: &["discharge letters", "intake chat", "research"],
        profile: &[("EMAIL", "redact")],
    },
    Tenant {
        name: "Fabrikam Retail",
        time_zone: "Asia/Kolkata",
        requests_a_day: 780,
        keys: &["product search", "shop chat", "review summaries", "catalogue import"],
        profile: &[("CREDIT_CARD", "redact")],
    },
    Tenant {
        name: "Tailspin Labs",
        time_zone: "UTC",
        requests_a_day: 170,
        keys: &["nightly evaluation", "notebooks"],
        profile: &[],
    },
];

/// A model, the provider that has it, and its price in micro-dollars for a million tokens: input, cached input, output.
struct Model {
    name: &'static str,
    provider: &'static str,
    prices: [u64; 3],
}

const PROVIDERS: [(&str, &str, &str); 2] =
    [("openai", "openai", "https://api.openai.com"), ("anthropic", "anthropic", "https://api.anthropic.com")];

const MODELS: [Model; 4] = [
    Model { name: "gpt-4o", provider: "openai", prices: [2_500_000, 1_250_000, 10_000_000] },
    Model { name: "gpt-4o-mini", provider: "openai", prices: [150_000, 75_000, 600_000] },
    Model { name: "claude-sonnet-5", provider: "anthropic", prices: [3_000_000, 300_000, 15_000_000] },
    Model { name: "text-embedding-3-small", provider: "openai", prices: [20_000, 20_000, 0] },
];

/// What requests of one tenant can use.
struct Furnished {
    tenant: &'static Tenant,
    tenant_id: Uuid,
    keys: Vec<Uuid>,
    models: Vec<FurnishedModel>,
}

/// A model with the members of its pool in order.
struct FurnishedModel {
    name: &'static str,
    pool_id: Uuid,
    members: Vec<Member>,
    revision: u64,
}

#[derive(Clone)]
struct Member {
    deployment_id: Uuid,
    provider_id: Uuid,
    model: String,
    price: Price,
}

/// Makes all of it. Refuses a database in which somebody has worked, unless `force`; one that has it already stays as it is.
/// Gives the number of requests.
pub async fn seed_demo(settings: &DatabaseSettings, force: bool) -> Result<usize> {
    let store = connect_and_see_to(settings, Schema::Migrate).await?;
    let seeded = seed(&store, force).await;
    store.close().await;
    seeded
}

async fn seed(store: &Store, force: bool) -> Result<usize> {
    let tenants = names(store, TENANT).await?;
    if tenants.iter().any(|name| name == TENANTS[0].name) {
        return Ok(0);
    }
    if !force && (!tenants.is_empty() || !names(store, PROVIDER).await?.is_empty() || store.has_usage().await?) {
        bail!("this database has tenants, providers or usage of its own; --force puts the demo's beside them");
    }
    let mut all = Vec::new();
    for tenant in &TENANTS {
        all.push(furnish(store, tenant).await.with_context(|| format!("the tenant {}", tenant.name))?);
    }
    let gateway = make(store, GATEWAY, None, json!({"name": "demo"})).await?;
    let today = Utc::now().duration_trunc(TimeDelta::days(1))?;
    let mut dice = requests::Dice::new();
    let mut stored = 0;
    for day in 0..DAYS {
        let begin = today - TimeDelta::days(DAYS - 1 - day);
        let mut records = requests::of_day(&all, begin, DAYS - 1 - day, &mut dice);
        records.retain(|record| record.started_at < Utc::now());
        stored += records.len();
        for part in records.chunks(AT_ONCE) {
            store.import_usage(gateway.id, part.to_vec()).await?;
        }
    }
    Ok(stored)
}

async fn names(store: &Store, kind: &dyn Kind) -> Result<Vec<String>> {
    let request = ListRequest { limit: 200, ..ListRequest::default() };
    let page = store.list(kind, &Actor::system(), request).await?;
    Ok(page.items.iter().map(|stored| stored.text("name").to_owned()).collect())
}

async fn furnish(store: &Store, tenant: &'static Tenant) -> Result<Furnished> {
    let made = make(store, TENANT, None, json!({"name": tenant.name, "time_zone": tenant.time_zone})).await?;
    let tenant_id = made.id;
    let of_tenant = Some(tenant_id);
    let profile_id = match tenant.profile {
        [] => None,
        rules => {
            let rules: Vec<Value> =
                rules.iter().map(|(finding, action)| json!({"type": finding, "action": action})).collect();
            let profile = json!({"name": "personal data", "rules": rules});
            Some(make(store, GUARDRAIL_PROFILE, of_tenant, profile).await?.id)
        }
    };
    let mut providers = Vec::new();
    for (name, schema, base_url) in PROVIDERS {
        let spec = object(json!({"name": name, "schema": schema, "base_url": base_url}));
        let secret = SecretChange::Set("made-up-credential-of-the-demo".into());
        let made = store.create(PROVIDER, &Actor::system(), of_tenant, spec, secret, None).await?;
        providers.push((name, made.stored.id));
    }
    let mut models = Vec::new();
    for model in &MODELS {
        models.push(furnish_model(store, tenant_id, model, &providers).await?);
    }
    let mut keys = Vec::new();
    for (number, name) in tenant.keys.iter().enumerate() {
        let limit = (number == 1).then_some(60);
        let key = json!({"name": name, "requests_per_minute": limit, "guardrail_profile_id": profile_id});
        keys.push(make(store, API_KEY, of_tenant, key).await?.id);
    }
    Ok(Furnished { tenant, tenant_id, keys, models })
}

async fn furnish_model(
    store: &Store,
    tenant_id: Uuid,
    model: &'static Model,
    providers: &[(&str, Uuid)],
) -> Result<FurnishedModel> {
    let price = |[input, cached_input, output]: [u64; 3]| {
        json!({"input_microusd_per_million": input, "cached_input_microusd_per_million": cached_input,
            "output_microusd_per_million": output})
    };
    // A large chat model has one of the other provider's behind it, for when its own fails.
    let fallback = MODELS.iter().find(|other| other.provider != model.provider && other.prices[2] >= 10_000_000);
    let fallback = fallback.filter(|_| model.prices[2] >= 10_000_000);
    let members: Vec<Value> = [Some(model), fallback]
        .into_iter()
        .flatten()
        .map(|member| {
            let provider = providers.iter().find(|(name, _)| *name == member.provider).map(|(_, id)| *id);
            json!({"provider_id": provider, "model": member.name, "price": price(member.prices)})
        })
        .collect();
    let of_tenant = Some(tenant_id);
    let pool = make(store, POOL, of_tenant, json!({"name": model.name, "members": members})).await?;
    make(store, MODEL, of_tenant, json!({"name": model.name, "pool_id": pool.id})).await?;
    let settings: PoolSettings = serde_json::from_value(pool.spec.clone().into()).context("a pool's settings")?;
    let ids = pool.status.get("members").and_then(Value::as_array).cloned().unwrap_or_default();
    let members = settings.members.into_iter().zip(ids).filter_map(|(member, shown)| {
        let price = member.price?.versioned(format!("r{}", pool.revision));
        let deployment_id = shown["id"].as_str()?.parse().ok()?;
        Some(Member { deployment_id, provider_id: member.provider_id, model: member.model, price })
    });
    Ok(FurnishedModel { name: model.name, pool_id: pool.id, members: members.collect(), revision: pool.revision })
}

async fn make(store: &Store, kind: &dyn Kind, tenant_id: Option<Uuid>, spec: Value) -> Result<Stored> {
    let actor = Actor::system();
    let made = store.create(kind, &actor, tenant_id, object(spec), SecretChange::Keep, None).await?;
    Ok(store.get(kind, &actor, made.stored.id).await?)
}

fn object(spec: Value) -> Object {
    match spec {
        Value::Object(mut fields) => {
            fields.retain(|_, value| !value.is_null());
            fields
        }
        _ => Object::new(),
    }
}
