//! What a first run puts into the control plane: a tenant, providers, models with prices, a key.

use anyhow::Result;
use serde_json::{Value, json};

use crate::admin::{Admin, text};
use crate::settings::{LOOPBACK, Settings};
use crate::state::Seeded;

/// A provider to register.
#[derive(Debug, Clone, PartialEq)]
struct Provider {
    name: &'static str,
    schema: &'static str,
    base_url: String,
    credential: String,
}

/// A model, its provider's schema, and its price in micro-dollars for a million tokens: input, cached input, output.
struct Model {
    name: &'static str,
    schema: &'static str,
    prices: [u64; 3],
}

const MODELS: [Model; 4] = [
    Model { name: "gpt-4o", schema: "openai", prices: [2_500_000, 1_250_000, 10_000_000] },
    Model { name: "gpt-4o-mini", schema: "openai", prices: [150_000, 75_000, 600_000] },
    Model { name: "claude-sonnet-5", schema: "anthropic", prices: [3_000_000, 300_000, 15_000_000] },
    Model { name: "text-embedding-3-small", schema: "openai", prices: [20_000, 20_000, 0] },
];

/// Whether the demo provider serves, rather than real ones.
pub fn is_demo(settings: &Settings) -> bool {
    settings.openai_api_key.is_none() && settings.anthropic_api_key.is_none()
}

/// Makes what is not there yet.
pub async fn seed(admin: &mut Admin, settings: &Settings, demo_port: u16) -> Result<Seeded> {
    let providers = providers(settings, demo_port);
    let tenant = admin.ensure("tenants", &json!({"name": "demo"})).await?;
    let tenant = text(&tenant, "id")?;
    let mut first_model = None;
    for provider in &providers {
        let fields = json!({"tenant_id": tenant, "name": provider.name, "schema": provider.schema,
            "base_url": provider.base_url, "credential": provider.credential});
        let made = admin.ensure("providers", &fields).await?;
        for model in MODELS.iter().filter(|model| model.schema == provider.schema) {
            let pool = admin.ensure("pools", &pool(tenant, text(&made, "id")?, model)).await?;
            let fields = json!({"tenant_id": tenant, "name": model.name, "pool_id": text(&pool, "id")?});
            admin.ensure("models", &fields).await?;
            first_model.get_or_insert(model.name);
        }
    }
    let key = admin.create("api-keys", &json!({"tenant_id": tenant, "name": "first key"})).await?;
    let first_model = first_model.unwrap_or_default().to_owned();
    Ok(Seeded { api_key: text(&key, "key")?.to_owned(), first_model, demo: is_demo(settings) })
}

/// Points the demo providers of an earlier run at this run's port. Other providers are the admin's own business.
pub async fn follow_demo_port(admin: &mut Admin, demo_port: u16) -> Result<()> {
    let base_url = demo_url(demo_port);
    for provider in admin.list("providers", "").await? {
        let demo = DEMO_NAMES.iter().find(|(name, _)| provider["name"] == *name);
        if let Some((name, _)) = demo
            && provider["base_url"] != *base_url
        {
            // A credential goes to another server only if it is given again.
            let fields = json!({"base_url": base_url, "credential": demo_credential(name)});
            admin.align("providers", &provider, &fields).await?;
        }
    }
    Ok(())
}

/// Base URL of the demo provider.
pub fn demo_url(port: u16) -> String {
    format!("http://{LOOPBACK}:{port}")
}

fn demo_credential(name: &str) -> String {
    format!("{name}-credential")
}

const DEMO_NAMES: [(&str, &str); 2] = [("demo-openai", "openai"), ("demo-anthropic", "anthropic")];

fn providers(settings: &Settings, demo_port: u16) -> Vec<Provider> {
    if is_demo(settings) {
        let demo = |(name, schema)| Provider {
            name,
            schema,
            base_url: demo_url(demo_port),
            credential: demo_credential(name),
        };
        return DEMO_NAMES.map(demo).to_vec();
    }
    let real = [
        ("openai", "https://api.openai.com", &settings.openai_api_key),
        ("anthropic", "https://api.anthropic.com", &settings.anthropic_api_key),
    ];
    let with_credential = real.into_iter().filter_map(|(name, base_url, credential)| {
        Some(Provider { name, schema: name, base_url: base_url.into(), credential: credential.clone()? })
    });
    with_credential.collect()
}

fn pool(tenant: &str, provider: &str, model: &Model) -> Value {
    let [input, cached_input, output] = model.prices;
    json!({"tenant_id": tenant, "name": model.name, "members": [{"provider_id": provider, "model": model.name,
        "price": {"input_microusd_per_million": input, "cached_input_microusd_per_million": cached_input,
                  "output_microusd_per_million": output}}]})
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        settings: Settings,
    }

    #[track_caller]
    fn check(openai: &str, anthropic: &str, expect: &[(&str, &str)]) {
        let arguments = ["", "--openai-api-key", openai, "--anthropic-api-key", anthropic];
        let settings = Command::parse_from(arguments).settings.normalised();
        let providers = providers(&settings, 7);
        let found: Vec<_> = providers.iter().map(|it| (it.name, it.base_url.as_str())).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn a_real_credential_in_the_environment_replaces_the_demo_provider() {
        let demo = "http://127.0.0.1:7";
        check("", "", &[("demo-openai", demo), ("demo-anthropic", demo)]);
        check("sk-1", "", &[("openai", "https://api.openai.com")]);
        check("sk-1", "sk-2", &[("openai", "https://api.openai.com"), ("anthropic", "https://api.anthropic.com")]);
    }
}
