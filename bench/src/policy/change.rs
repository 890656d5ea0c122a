//! The changes that an administrator makes, and what each changes for a client.

use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use serde_json::{Value, json};
use weir_dev::admin::{Admin, text};

use super::probe::{Behaviour, Question};
use super::provider::says;

/// A limit that nobody reaches.
const PLENTY: u64 = 1_000_000;

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    RevokedKey,
    NewKey,
    Pool,
    Guardrails,
    Credential,
    Quota,
    NewModel,
}

impl Kind {
    /// All of them, in the order in which they take turns.
    pub(crate) const ALL: [Self; 7] =
        [Self::RevokedKey, Self::Pool, Self::NewKey, Self::Guardrails, Self::Credential, Self::Quota, Self::NewModel];

    /// For the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RevokedKey => "key revoked",
            Self::NewKey => "key made",
            Self::Pool => "pool's member replaced",
            Self::Guardrails => "guardrail profile changed",
            Self::Credential => "provider's credential rotated",
            Self::Quota => "key's limit raised",
            Self::NewModel => "model made",
        }
    }
}

/// A tenant, and its policies as they are now.
pub(crate) struct Tenant {
    admin: Admin,
    id: String,
    provider: Value,
    credential: String,
    pool: Value,
    upstream_model: String,
    profile: Value,
    is_blocking: bool,
    secret: String,
    number: u64,
}

/// A change to come: what to ask, and how it is answered before and after.
pub(crate) struct Change {
    pub(crate) kind: Kind,
    pub(crate) question: Question,
    pub(crate) before: Behaviour,
    pub(crate) after: Behaviour,
    /// The key that is to be revoked, or limited less.
    target: Value,
}

/// A change that was saved.
pub(crate) struct Saved {
    pub(crate) asked: Instant,
    pub(crate) answered: Instant,
    /// What to ask now, where only the answer tells: a key that was made.
    pub(crate) question: Option<Question>,
}

impl Tenant {
    /// Makes it, with `provider` behind its only model.
    pub(crate) async fn create(mut admin: Admin, provider: std::net::SocketAddr) -> Result<Self> {
        let tenant = admin.create("tenants", &json!({"name": "bench"})).await?;
        let id = text(&tenant, "id")?.to_owned();
        let credential = "sk-bench-0".to_owned();
        let fields = json!({"tenant_id": id, "name": "provider", "schema": "openai",
            "base_url": format!("http://{provider}"), "credential": credential});
        let provider = admin.create("providers", &fields).await?;
        let upstream_model = "upstream-0".to_owned();
        let members = members(&provider, &upstream_model)?;
        let pool = admin.create("pools", &json!({"tenant_id": id, "name": "pool", "members": members})).await?;
        let fields = json!({"tenant_id": id, "name": "model", "pool_id": text(&pool, "id")?});
        admin.create("models", &fields).await?;
        let fields = json!({"tenant_id": id, "name": "profile", "rules": rules(false)});
        let profile = admin.create("guardrails/profiles", &fields).await?;
        let mut tenant = Self {
            admin,
            id,
            provider,
            credential,
            pool,
            upstream_model,
            profile,
            is_blocking: false,
            secret: String::new(),
            number: 0,
        };
        let key = tenant.new_key("main").await?;
        tenant.secret = text(&key, "key")?.to_owned();
        Ok(tenant)
    }

    /// The session, for waiting until what was written is applied.
    pub(crate) fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Prepares a change of this kind. What it needs may have to be applied first.
    pub(crate) async fn prepare(&mut self, kind: Kind) -> Result<Change> {
        self.number += 1;
        let question = |key: &str, model: &str| Question { key: key.to_owned(), body: body(model) };
        let served = Behaviour::answers(says(&self.upstream_model, &self.credential));
        let mut change = Change {
            kind,
            question: question(&self.secret, "model"),
            before: served.clone(),
            after: served.clone(),
            target: Value::Null,
        };
        match kind {
            Kind::RevokedKey => {
                change.target = self.new_key(&format!("revoked-{}", self.number)).await?;
                change.question = question(text(&change.target, "key")?, "model");
                change.after = Behaviour::refuses(401, "invalid_api_key");
            }
            Kind::NewKey => {
                change.question = question("weir_no_such_key_yet", "model");
                change.before = Behaviour::refuses(401, "invalid_api_key");
            }
            Kind::Pool => {
                change.after = Behaviour::answers(says(&self.next_upstream_model(), &self.credential));
            }
            Kind::Credential => {
                change.after = Behaviour::answers(says(&self.upstream_model, &self.next_credential()));
            }
            Kind::Guardrails => {
                let blocked = Behaviour::refuses(400, "content_blocked");
                *(if self.is_blocking { &mut change.before } else { &mut change.after }) = blocked;
            }
            // Of a limit that is lowered, Envoys may spend what they hold until the minute ends; a raised one holds at once.
            Kind::Quota => {
                change.target = self.limited_key(&format!("limited-{}", self.number), 1).await?;
                change.question = question(text(&change.target, "key")?, "model");
                change.before = Behaviour::refuses(429, "rate_limit_exceeded");
            }
            Kind::NewModel => {
                change.question = question(&self.secret, &format!("model-{}", self.number));
                change.before = Behaviour::refuses(404, "model_not_found");
            }
        }
        Ok(change)
    }

    /// Saves it.
    pub(crate) async fn save(&mut self, change: &Change) -> Result<Saved> {
        let asked = Instant::now();
        let mut question = None;
        match change.kind {
            Kind::RevokedKey => drop(self.admin.revoke(&change.target).await?),
            Kind::NewKey => {
                let made = self.new_key(&format!("made-{}", self.number)).await?;
                question = Some(Question { key: text(&made, "key")?.to_owned(), body: change.question.body.clone() });
            }
            Kind::Pool => {
                self.upstream_model = self.next_upstream_model();
                let fields = json!({"members": members(&self.provider, &self.upstream_model)?});
                self.pool = self.admin.change("pools", &self.pool, &fields).await?;
            }
            Kind::Credential => {
                self.credential = self.next_credential();
                let fields = json!({"credential": self.credential});
                self.provider = self.admin.change("providers", &self.provider, &fields).await?;
            }
            Kind::Guardrails => {
                self.is_blocking = !self.is_blocking;
                let fields = json!({"rules": rules(self.is_blocking)});
                self.profile = self.admin.change("guardrails/profiles", &self.profile, &fields).await?;
            }
            Kind::Quota => {
                let fields = json!({"requests_per_minute": PLENTY});
                self.admin.change("api-keys", &change.target, &fields).await?;
            }
            Kind::NewModel => {
                let fields = json!({"tenant_id": self.id, "name": format!("model-{}", self.number),
                    "pool_id": text(&self.pool, "id")?});
                self.admin.create("models", &fields).await?;
            }
        }
        Ok(Saved { asked, answered: Instant::now(), question })
    }

    /// Whether a policy is such that other changes could not be seen.
    pub(crate) fn must_undo(&self) -> Option<Kind> {
        self.is_blocking.then_some(Kind::Guardrails)
    }

    async fn new_key(&mut self, name: &str) -> Result<Value> {
        self.limited_key(name, PLENTY).await
    }

    async fn limited_key(&mut self, name: &str, limit: u64) -> Result<Value> {
        let key = json!({"tenant_id": self.id, "name": name, "requests_per_minute": limit,
            "guardrail_profile_id": text(&self.profile, "id")?});
        self.admin.create("api-keys", &key).await
    }

    fn next_upstream_model(&self) -> String {
        format!("upstream-{}", self.number)
    }

    fn next_credential(&self) -> String {
        format!("sk-bench-{}", self.number)
    }
}

fn members(provider: &Value, model: &str) -> Result<Value> {
    let price = json!({"input_microusd_per_million": 2_500_000, "cached_input_microusd_per_million": 1_250_000,
        "output_microusd_per_million": 10_000_000});
    Ok(json!([{"provider_id": text(provider, "id")?, "model": model, "price": price}]))
}

fn rules(is_blocking: bool) -> Value {
    json!([{"type": "EMAIL", "action": if is_blocking { "block" } else { "redact" }, "direction": "input"}])
}

/// A question that holds what the guardrails look for.
fn body(model: &str) -> Bytes {
    let messages = json!([{"role": "user", "content": "Write to jane.doe@example.com that the release is out."}]);
    Bytes::from(json!({"model": model, "messages": messages}).to_string())
}
