//! The control plane's admin API, as far as setting up a demo needs it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// A session of a platform admin.
#[derive(Debug)]
pub struct Admin {
    http: reqwest::Client,
    base: String,
    token: String,
    /// The newest revision that this session wrote.
    pub revision: u64,
}

impl Admin {
    /// Logs in; `None` if the control plane knows no such login.
    pub async fn login(http: &reqwest::Client, url: &str, email: &str, password: &str) -> Result<Option<Admin>> {
        let base = format!("{url}/api/v1/admin");
        let credentials = json!({"email": email, "password": password});
        let answer = http.post(format!("{base}/auth/login")).json(&credentials).send().await?;
        if answer.status() == reqwest::StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        let answer = checked("POST /auth/login", answer).await?;
        let token = answer["token"].as_str().context("the login answered no token")?.to_owned();
        Ok(Some(Admin { http: http.clone(), base, token, revision: 0 }))
    }

    /// The resource of that name and owner, made from `fields` if there is none.
    pub async fn ensure(&mut self, kind: &str, fields: &Value) -> Result<Value> {
        match self.find(kind, fields).await? {
            Some(found) => Ok(found),
            None => self.create(kind, fields).await,
        }
    }

    /// Makes a resource.
    pub async fn create(&mut self, kind: &str, fields: &Value) -> Result<Value> {
        let request = self.http.post(format!("{}/{kind}", self.base)).json(fields);
        self.write(&format!("POST /{kind}"), request).await
    }

    /// Changes `fields` of a resource where they differ from what it says.
    pub async fn align(&mut self, kind: &str, resource: &Value, fields: &Value) -> Result<()> {
        let changed = fields.as_object().into_iter().flatten().any(|(name, value)| resource[name] != *value);
        if !changed {
            return Ok(());
        }
        self.change(kind, resource, fields).await.map(drop)
    }

    /// Changes `fields` of a resource, which must be as it was read. Answers it as it is now.
    pub async fn change(&mut self, kind: &str, resource: &Value, fields: &Value) -> Result<Value> {
        let (id, revision) = (text(resource, "id")?, &resource["revision"]);
        let path = format!("{}/{kind}/{id}", self.base);
        let request = self.http.patch(path).header("if-match", format!("\"{revision}\"")).json(fields);
        self.write(&format!("PATCH /{kind}"), request).await
    }

    /// Withdraws an API key.
    pub async fn revoke(&mut self, key: &Value) -> Result<Value> {
        let request = self.http.post(format!("{}/api-keys/{}/revoke", self.base, text(key, "id")?));
        self.write("POST /api-keys/{id}/revoke", request).await
    }

    /// All resources of a kind, page by page; `query` begins with `&` or is empty.
    pub async fn list(&self, kind: &str, query: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let url = format!("{}/{kind}?limit=100{query}{cursor}", self.base);
            let answer = self.http.get(url).bearer_auth(&self.token).send().await?;
            let mut page = checked(&format!("GET /{kind}"), answer).await?;
            if let Value::Array(found) = page["items"].take() {
                items.extend(found);
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    async fn find(&self, kind: &str, fields: &Value) -> Result<Option<Value>> {
        let owner = fields["tenant_id"].as_str().map(|tenant| format!("&tenant_id={tenant}")).unwrap_or_default();
        let items = self.list(kind, &owner).await?;
        Ok(items.into_iter().find(|item| item["name"] == fields["name"] && item["tenant_id"] == fields["tenant_id"]))
    }

    async fn write(&mut self, what: &str, request: reqwest::RequestBuilder) -> Result<Value> {
        let answer = checked(what, request.bearer_auth(&self.token).send().await?).await?;
        self.revision = self.revision.max(answer["revision"].as_u64().unwrap_or(0));
        Ok(answer)
    }
}

/// A client for our own parts: short timeouts, and never through a proxy of the environment.
pub fn http_client() -> Result<reqwest::Client> {
    let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30));
    builder.build().context("no HTTP client")
}

/// A field of a resource that must be a text.
pub fn text<'a>(resource: &'a Value, field: &str) -> Result<&'a str> {
    resource[field].as_str().with_context(|| format!("the admin API answered no {field}"))
}

async fn checked(what: &str, answer: reqwest::Response) -> Result<Value> {
    let status = answer.status();
    let body = answer.text().await?;
    if !status.is_success() {
        bail!("the admin API refused {what}: {status} {body}");
    }
    serde_json::from_str(&body).with_context(|| format!("{what}: not JSON: {body}"))
}
