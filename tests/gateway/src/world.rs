use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use weir_config::Deployment;
use weir_test_proxy::{Endpoint, Envoy, Received, Request};

use crate::provider::Upstream;

/// The schemas that clients and providers of chat have.
pub const SCHEMAS: [&str; 2] = ["openai", "anthropic"];

const KEY: &str = "weir_a-key-of-the-tests";

/// One tenant, its key and its models. The gateway is made with the first request; models come before.
#[derive(Debug, Default)]
pub struct World {
    models: Vec<(String, Vec<Endpoint>)>,
    guardrail_profile: Option<Value>,
    envoy: Option<Envoy>,
}

/// Where a client of this schema asks for a whole chat; Gemini's path names the model, too.
pub fn path_of(schema: &str) -> &'static str {
    match schema {
        "gemini" => "/v1beta/models/m:generateContent",
        "openai" => "/v1/chat/completions",
        "openai_responses" => "/v1/responses",
        _ => "/v1/messages",
    }
}

/// A record's pico-dollars as a client is told them: dollars, exactly, with at least six decimals.
///
/// # Panics
/// If it is no number.
pub fn dollars(picousd: &Value) -> String {
    let picousd = picousd.as_u64().expect("a cost");
    let decimals = format!("{:012}", picousd % 1_000_000_000_000);
    let (micro, rest) = decimals.split_at(6);
    format!("{}.{micro}{}", picousd / 1_000_000_000_000, rest.trim_end_matches('0'))
}

/// The smallest chat request of a schema, with more fields or other ones.
///
/// # Panics
/// If `fields` are no object.
pub fn ask(schema: &str, model: &str, fields: Value) -> Value {
    let question = json!([{"role": "user", "content": "Hello"}]);
    let mut body = match schema {
        "openai" => json!({"model": model, "messages": question}),
        "openai_responses" => json!({"model": model, "input": question}),
        "gemini" => json!({"model": model, "contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}),
        _ => json!({"model": model, "messages": question, "max_tokens": 100}),
    };
    let body_fields = body.as_object_mut().expect("an object");
    body_fields.extend(fields.as_object().expect("fields").clone());
    body
}

impl World {
    /// Without models, without guardrails.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its key is under a guardrail profile with these rules of type, action and direction.
    #[must_use]
    pub fn guarded(self, rules: &[(&str, &str, &str)]) -> Self {
        let rules = rules
            .iter()
            .map(|(kind, action, direction)| json!({"type": kind, "action": action, "direction": direction}));
        let rules = rules.collect::<Value>();
        self.guarded_by(rules)
    }

    /// The same, with rules as they are written.
    #[must_use]
    pub fn guarded_by(mut self, rules: Value) -> Self {
        self.guardrail_profile = Some(json!({"name": "of the tests", "rules": rules}));
        self
    }

    /// The same profile, or one without rules, has these judges.
    #[must_use]
    pub fn judged(mut self, judges: Value) -> Self {
        let profile = self.guardrail_profile.get_or_insert_with(|| json!({"name": "of the tests", "rules": []}));
        profile["judges"] = judges;
        self
    }

    /// A model that is served by one provider of this schema.
    pub fn model(&mut self, name: &str, schema: &str, behaviour: Value) -> Rc<RefCell<Upstream>> {
        let mut upstreams = self.models(name, &[(schema, behaviour)]);
        upstreams.remove(0)
    }

    /// A model that is served by these, in their order.
    pub fn models(&mut self, name: &str, members: &[(&str, Value)]) -> Vec<Rc<RefCell<Upstream>>> {
        assert!(self.envoy.is_none(), "models come before the first request");
        let mut upstreams = Vec::new();
        let mut endpoints = Vec::new();
        for (number, (schema, behaviour)) in members.iter().enumerate() {
            let upstream = Rc::new(RefCell::new(Upstream::new(behaviour.clone())));
            endpoints.push(Endpoint::new(&deployment(schema, number), &credential(number), Rc::clone(&upstream) as _));
            upstreams.push(upstream);
        }
        self.models.push((name.into(), endpoints));
        upstreams
    }

    /// The key of all clients.
    pub fn key() -> &'static str {
        KEY
    }

    /// The gateway.
    pub fn envoy(&mut self) -> &mut Envoy {
        let models = &self.models;
        let profile = &self.guardrail_profile;
        self.envoy.get_or_insert_with(|| {
            let listed: Vec<_> = models.iter().map(|(name, _)| json!({"name": name, "pool_id": name})).collect();
            let mut principal = json!({"key_sha256": sha256(KEY), "tenant_id": "t", "key_id": "k", "models": listed});
            if let Some(profile) = profile {
                principal["guardrail_profile"] = profile.clone();
            }
            let mut envoy =
                Envoy::new(&json!({"metering": {"sink": "log"}, "auth": {"source": {"static": [principal]}},
                "route": {}, "guardrails": {}}));
            for (name, endpoints) in models {
                envoy.pool(name, endpoints.clone());
            }
            envoy
        })
    }

    /// What a client of this schema gets for this body. What Gemini's clients say in the path is taken out of it.
    ///
    /// # Panics
    /// If such a body is no JSON.
    pub fn send(&mut self, schema: &str, body: impl Into<Vec<u8>>) -> Received {
        let mut body: Vec<u8> = body.into();
        let mut path = path_of(schema).to_owned();
        if schema == "gemini" {
            let mut said: Value = serde_json::from_slice(&body).expect("a JSON body");
            let fields = said.as_object_mut().expect("an object");
            let streams = fields.shift_remove("stream") == Some(Value::Bool(true));
            let action = if streams { "streamGenerateContent?alt=sse" } else { "generateContent" };
            let model = fields.shift_remove("model").unwrap_or_default();
            path = format!("/v1beta/models/{}:{action}", model.as_str().unwrap_or("m"));
            body = said.to_string().into_bytes();
        }
        let request = Request::post(&path, body);
        let request = if schema == "anthropic" { request.header("anthropic-version", "2023-06-01") } else { request };
        self.request(&request)
    }

    /// What a client with the key gets for this request.
    pub fn request(&mut self, request: &Request) -> Received {
        let request = request.clone().header("authorization", &format!("Bearer {KEY}"));
        self.envoy().send(&request)
    }

    /// The usage records so far.
    pub fn records(&mut self) -> Vec<Value> {
        let lines = self.envoy().logged.iter().filter_map(|line| line.strip_prefix("weir.usage "));
        lines.map(|line| serde_json::from_str(line).expect("a record is JSON")).collect()
    }

    /// The record of the last request.
    ///
    /// # Panics
    /// If there is none.
    pub fn record(&mut self) -> Value {
        self.records().pop().expect("a record")
    }
}

/// What nothing else has: the credential of a pool's member.
fn credential(number: usize) -> String {
    format!("sk-canary-{number}")
}

/// The member of this number of a pool, which speaks this schema.
///
/// # Panics
/// Never: it is well-formed.
pub fn deployment(schema: &str, number: usize) -> Deployment {
    let (header, prefix, model) = match schema {
        "anthropic" => ("x-api-key", "", "claude-sonnet-5"),
        "gemini" => ("x-goog-api-key", "", "gemini-3-flash"),
        "bedrock_converse" => ("authorization", "Bearer ", "us.anthropic.claude-sonnet-5-v1:0"),
        _ => ("authorization", "Bearer ", "gpt-4o"),
    };
    let deployment = json!({
        "id": format!("deployment-{number}"), "provider_id": format!("provider-{number}"), "provider_name": schema,
        "schema": schema, "authority": "provider.example", "scheme": "https", "base_path": "/v1", "model": model,
        "credential": {"slot": format!("x-weir-credential-{number}"), "header": header, "prefix": prefix},
        "price": {"version": "1", "input_microusd_per_million": 2_500_000, "cached_input_microusd_per_million": 1_250_000,
            "output_microusd_per_million": 10_000_000},
    });
    serde_json::from_value(deployment).expect("a deployment")
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut all, byte| {
        // Writing to a text cannot fail.
        let _ = write!(all, "{byte:02x}");
        all
    })
}
