//! The API with a database of its own, and callers of every kind.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use chrono::{TimeDelta, Utc};
use futures::StreamExt;
use serde_json::{Value, json};
use sqlx::Connection;
use tokio::sync::watch;
use tower::ServiceExt;
use uuid::Uuid;
use weir_api::{ApiState, Console, router};
use weir_core::actor::{Actor, Role};
use weir_core::destination::AllowedHosts;
use weir_core::encryption::Encryption;
use weir_core::gateway::Gateway;
use weir_core::secret::sha256;
use weir_core::tenant::UserSettings;
use weir_store::Store;

use crate::postgres::migrated_database;

pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) database_url: String,
    /// Says that the process ends.
    pub(crate) stop: watch::Sender<bool>,
    router: Router,
}

/// Somebody who calls the API.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    router: Router,
    token: Option<String>,
}

/// What the API answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

pub(crate) async fn app() -> App {
    app_on(migrated_database(encryption()).await).await
}

fn encryption() -> Encryption {
    Encryption::new(&[7; 32]).unwrap()
}

/// The API with this database, which it migrates.
pub(crate) async fn app_on(database_url: String) -> App {
    let store = Store::connect(&database_url, encryption()).await.unwrap();
    let allowed = ["*.allowed.internal", "10.7.7.7"].map(|host| host.parse().unwrap());
    let store = store.with_allowed_hosts(AllowedHosts::new(allowed.to_vec()));
    store.migrate().await.unwrap();
    let (stop, _) = watch::channel(false);
    let router = api(&store, None, stop.subscribe());
    App { store, database_url, stop, router }
}

/// The API itself.
fn api(store: &Store, gateway: Option<weir_api::Gateway>, stopping: watch::Receiver<bool>) -> Router {
    router(ApiState {
        store: store.clone(),
        metrics: Some(std::sync::Arc::new(|| "weir_up 1\n".into())),
        trusted_proxies: 1,
        console: Console::default(),
        stopping,
        upstream_ca_file: None,
        gateway,
    })
}

impl App {
    /// The same with a gateway for its playground.
    pub(crate) fn with_gateway(self, gateway: weir_api::Gateway) -> App {
        App { router: api(&self.store, Some(gateway), self.stop.subscribe()), ..self }
    }

    /// Writes past the API what no request can bring about.
    pub(crate) async fn sql(&self, statement: &'static str) {
        let database = sqlx::PgPool::connect(&self.database_url).await.unwrap();
        sqlx::query(statement).execute(&database).await.unwrap();
        database.close().await;
    }

    /// A connection of its own to the database.
    pub(crate) async fn connection(&self) -> sqlx::PgConnection {
        sqlx::PgConnection::connect(&self.database_url).await.unwrap()
    }

    /// What a statement counts.
    pub(crate) async fn count(&self, statement: &'static str) -> i64 {
        let database = sqlx::PgPool::connect(&self.database_url).await.unwrap();
        let (count,): (i64,) = sqlx::query_as(statement).fetch_one(&database).await.unwrap();
        database.close().await;
        count
    }

    /// What answers.
    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    /// Somebody without a session.
    pub(crate) fn nobody(&self) -> Client {
        Client { router: self.router.clone(), token: None }
    }

    /// A platform admin.
    pub(crate) async fn platform(&self) -> Client {
        self.user(Role::PlatformAdmin, None).await
    }

    /// A user with a session.
    pub(crate) async fn user(&self, role: Role, tenant_id: Option<Uuid>) -> Client {
        let email = format!("{}@weir.example", Uuid::now_v7());
        let settings = UserSettings::new(email.clone(), role);
        let user = self.store.create_user(&Actor::system(), tenant_id, settings, "no hash", None).await.unwrap();
        let actor = Actor::user(user.id, email.clone(), role, tenant_id);
        self.store.create_session(&actor, &sha256(&email), Utc::now() + TimeDelta::hours(1), None).await.unwrap();
        Client { router: self.router.clone(), token: Some(email) }
    }

    /// Somebody of a tenant, of the role `user`, with these grants besides.
    pub(crate) async fn granted(&self, tenant_id: Uuid, grants: Value) -> Client {
        let email = format!("{}@weir.example", Uuid::now_v7());
        let grants = serde_json::from_value(grants).unwrap();
        let settings = UserSettings { grants, ..UserSettings::new(email.clone(), Role::User) };
        let user = self.store.create_user(&Actor::system(), Some(tenant_id), settings, "no hash", None).await.unwrap();
        let actor = Actor::user(user.id, email.clone(), Role::User, Some(tenant_id));
        self.store.create_session(&actor, &sha256(&email), Utc::now() + TimeDelta::hours(1), None).await.unwrap();
        Client { router: self.router.clone(), token: Some(email) }
    }

    /// A gateway of a tenant, or of all.
    pub(crate) async fn gateway(&self, tenant_id: Option<Uuid>) -> Gateway {
        let platform = self.platform().await;
        let body = json!({"name": Uuid::now_v7(), "tenant_id": tenant_id});
        let made = platform.post("gateways", body).await.expect(201);
        let token = made.json["token"].as_str().unwrap();
        self.store.gateway_by_token(&sha256(token)).await.unwrap().unwrap().gateway
    }
}

impl Client {
    pub(crate) fn with_token(&self, token: &str) -> Client {
        Client { token: Some(token.to_owned()), ..self.clone() }
    }

    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().expect("a session")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, &admin(path), &[], None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, &admin(path), &[], Some(body.to_string())).await
    }

    pub(crate) async fn patch(&self, path: &str, revision: &Value, body: Value) -> Answer {
        self.send(Method::PATCH, &admin(path), &[("if-match", &etag(revision))], Some(body.to_string())).await
    }

    pub(crate) async fn delete(&self, path: &str, revision: &Value) -> Answer {
        self.send(Method::DELETE, &admin(path), &[("if-match", &etag(revision))], None).await
    }

    /// Makes something and gives it as it was answered.
    pub(crate) async fn make(&self, path: &str, body: Value) -> Value {
        self.post(path, body).await.expect(201).json
    }

    /// Opens the stream of events.
    pub(crate) async fn events(&self, query: &str, headers: &[(&str, &str)]) -> axum::response::Response {
        let mut request = Request::builder().uri(admin(&format!("events{query}")));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.map_or_else(Body::empty, Body::from)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = match parts.headers.get("content-type") {
            // Its end never comes.
            Some(kind) if kind == "text/event-stream" => body.into_data_stream().next().await.unwrap().unwrap(),
            _ => axum::body::to_bytes(body, usize::MAX).await.unwrap(),
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, text, json }
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// A problem document with this code.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Answer {
        let answer = self.expect(status);
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{}", answer.text);
        assert_eq!(answer.json["code"], code, "{}", answer.text);
        assert_eq!(answer.json["status"], status);
        assert_eq!(answer.json["type"], format!("urn:weir:problem:{code}"));
        answer
    }

    /// A problem document that names this field.
    #[track_caller]
    pub(crate) fn field(self, field: &str) -> Answer {
        let fields: Vec<&str> =
            self.json["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
        assert!(fields.contains(&field), "{field} is not in {}", self.text);
        self
    }
}

pub(crate) fn admin(path: &str) -> String {
    format!("/api/v1/admin/{path}")
}

pub(crate) fn etag(revision: &Value) -> String {
    format!("\"{revision}\"")
}

pub(crate) fn id(resource: &Value) -> Uuid {
    resource["id"].as_str().unwrap().parse().unwrap()
}

/// A tenant with one of everything, made by a platform admin.
#[derive(Clone)]
pub(crate) struct Furnished {
    pub(crate) tenant: Value,
    pub(crate) api_key: Value,
    pub(crate) provider: Value,
    pub(crate) pool: Value,
    pub(crate) model: Value,
    pub(crate) profile: Value,
    pub(crate) user: Value,
    pub(crate) service_token: Value,
    pub(crate) department: Value,
    pub(crate) role: Value,
    pub(crate) service_account: Value,
    pub(crate) sign_in_provider: Value,
    pub(crate) limit: Value,
    pub(crate) token_issuer: Value,
    pub(crate) identity_rule: Value,
    pub(crate) currency_rate: Value,
}

pub(crate) const CREDENTIAL: &str = "sk-provider-credential-in-clear";

pub(crate) async fn furnish(platform: &Client, name: &str) -> Furnished {
    let tenant = platform.make("tenants", json!({"name": name})).await;
    let tenant_id = &tenant["id"];
    let profile = platform
        .make(
            "guardrails/profiles",
            json!({"tenant_id": tenant_id, "name": "p", "rules": [{"type": "EMAIL", "action": "block"}]}),
        )
        .await;
    let provider = platform.make("providers", provider_body(tenant_id, "openai")).await;
    let pool = platform.make("pools", pool_body(tenant_id, "pool", &provider)).await;
    let model = platform.make("models", json!({"tenant_id": tenant_id, "name": "gpt", "pool_id": pool["id"]})).await;
    let api_key =
        platform.make("api-keys", json!({"tenant_id": tenant_id, "name": "app", "requests_per_minute": 5})).await;
    let user = json!({"tenant_id": tenant_id, "email": format!("{name}@weir.example"), "role": "viewer",
        "password": "a long password"});
    let user = platform.make("users", user).await;
    let token =
        json!({"tenant_id": tenant_id, "name": "pipeline", "role": "viewer", "expires_at": "2100-01-01T00:00:00Z"});
    let service_token = platform.make("service-tokens", token).await;
    let department = platform.make("departments", json!({"tenant_id": tenant_id, "name": "research"})).await;
    let role = json!({"tenant_id": tenant_id, "name": "auditor", "permissions": ["audit.read"]});
    let role = platform.make("roles", role).await;
    let account = json!({"tenant_id": tenant_id, "name": "bot", "department_id": department["id"]});
    let service_account = platform.make("service-accounts", account).await;
    let sign_in_provider = platform.make("sign-in-providers", sign_in_provider_body(tenant_id, "Company")).await;
    let limit = platform.make("limits", limit_body(tenant_id, "budget", &department)).await;
    let token_issuer = platform.make("token-issuers", token_issuer_body(tenant_id, "company", name)).await;
    let identity_rule = platform.make("identity-rules", identity_rule_body(tenant_id, "apps", &token_issuer)).await;
    // The platform's, of a currency that is for tests.
    let rate = json!({"name": format!("rate {name}"), "currency": "XTS", "rate": "2", "valid_from": "2026-01-01"});
    let currency_rate = platform.make("currency-rates", rate).await;
    Furnished {
        tenant,
        api_key,
        provider,
        pool,
        model,
        profile,
        user,
        service_token,
        department,
        role,
        service_account,
        sign_in_provider,
        limit,
        token_issuer,
        identity_rule,
        currency_rate,
    }
}

pub(crate) fn limit_body(tenant_id: &Value, name: &str, department: &Value) -> Value {
    json!({"tenant_id": tenant_id, "name": name, "subject": {"kind": "department", "id": department["id"]},
        "unit": "cost_microusd", "window": {"kind": "calendar", "period": "month", "time_zone": "Europe/Berlin", "start_day": 1},
        "amount": 1_000_000, "action": "refuse"})
}

/// `issuer` tells it from those of others.
pub(crate) fn token_issuer_body(tenant_id: &Value, name: &str, issuer: &str) -> Value {
    json!({"tenant_id": tenant_id, "name": name, "issuer": format!("https://{issuer}.example.com"), "audiences": ["weir"],
        "jwks_url": "https://login.example.com/keys"})
}

pub(crate) fn identity_rule_body(tenant_id: &Value, name: &str, issuer: &Value) -> Value {
    json!({"tenant_id": tenant_id, "name": name, "token_issuer_id": issuer["id"],
        "claims": [{"path": "team", "equals": "research"}]})
}

pub(crate) fn provider_body(tenant_id: &Value, name: &str) -> Value {
    json!({"tenant_id": tenant_id, "name": name, "schema": "openai", "base_url": "https://api.openai.com/v1",
        "credential": CREDENTIAL})
}

pub(crate) fn sign_in_provider_body(tenant_id: &Value, name: &str) -> Value {
    json!({"tenant_id": tenant_id, "name": name, "issuer": "https://login.example.com", "client_id": "weir",
        "client_secret": CREDENTIAL, "rules": [{"group": "staff", "role": "viewer"}], "creates_users": true})
}

pub(crate) fn pool_body(tenant_id: &Value, name: &str, provider: &Value) -> Value {
    json!({"tenant_id": tenant_id, "name": name, "members": [{"provider_id": provider["id"], "model": "gpt-4o",
        "price": {"input_microusd_per_million": 1, "cached_input_microusd_per_million": 2,
                  "output_microusd_per_million": 3}}]})
}
