//! The way to the admin API.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::{Method, RequestBuilder, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ClientError;
use crate::error::Refusal;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take: more than the control plane gives itself.
const TIMEOUT: Duration = Duration::from_secs(180);
/// How long to wait before a request is repeated whose answer was lost, time by time.
const PAUSES: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// How to reach a control plane.
#[derive(Args, Clone, Debug)]
pub struct ConnectionSettings {
    /// The origin of the admin API.
    #[arg(long, env = "WEIR_URL", default_value = "http://127.0.0.1:18081")]
    pub url: String,
    /// A bearer token: a service token, or that of a session. Arguments can be seen by others, so rather set the variable.
    #[arg(long, env = "WEIR_TOKEN", hide_env_values = true)]
    pub token: Option<SecretString>,
    /// A file with the token, where no token is given.
    #[arg(long, env = "WEIR_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
}

/// The admin API for one caller.
pub(crate) struct Api {
    client: reqwest::Client,
    url: String,
    token: SecretString,
}

impl Api {
    pub(crate) fn new(settings: &ConnectionSettings) -> Result<Self, ClientError> {
        let token = match (&settings.token, &settings.token_file) {
            (Some(token), _) => token.clone(),
            (None, Some(path)) => {
                let unreadable = |source| ClientError::Unreadable { path: path.clone(), source };
                SecretString::from(std::fs::read_to_string(path).map_err(unreadable)?.trim().to_owned())
            }
            (None, None) => {
                return Err(ClientError::Settings("give a token: WEIR_TOKEN, WEIR_TOKEN_FILE or --token".into()));
            }
        };
        if token.expose_secret().is_empty() {
            return Err(ClientError::Settings("the token is empty".into()));
        }
        let url = settings.url.trim_end_matches('/').to_owned();
        let unusable = |source| ClientError::Unreachable { url: url.clone(), source };
        // A redirection would take the token elsewhere.
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .build()
            .map_err(unusable)?;
        Ok(Self { client, url, token })
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Result<T, ClientError> {
        self.answer(self.request(Method::GET, path).query(query)).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Result<T, ClientError> {
        self.answer(self.request(Method::POST, path).query(query)).await
    }

    /// Sends a body under an idempotency key, again and again if no answer comes.
    pub(crate) async fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let key = uuid::Uuid::now_v7().to_string();
        let send =
            || self.answer(self.request(Method::POST, path).query(query).header("idempotency-key", &key).json(body));
        let mut done = send().await;
        for pause in PAUSES {
            let is_lost = matches!(&done, Err(ClientError::Unknown(_)))
                || matches!(&done, Err(ClientError::Refused(refusal)) if refusal.status == 503);
            if !is_lost {
                break;
            }
            tokio::time::sleep(pause).await;
            done = match (done, send().await) {
                // That it cannot be reached now says nothing of the first time.
                (Err(ClientError::Unknown(first)), Err(ClientError::Unreachable { .. })) => {
                    Err(ClientError::Unknown(first))
                }
                (_, next) => next,
            };
        }
        done
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/api/v1/admin/{path}", self.url);
        self.client.request(method, url).bearer_auth(self.token.expose_secret())
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let failed = |source: reqwest::Error| {
            if source.is_connect() || source.is_builder() {
                ClientError::Unreachable { url: self.url.clone(), source }
            } else {
                ClientError::Unknown(source)
            }
        };
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let is_json = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.contains("json"));
        let bytes = response.bytes().await.map_err(ClientError::Unknown)?;
        if status == StatusCode::OK && is_json {
            return serde_json::from_slice(&bytes).map_err(|_| ClientError::Answer);
        }
        let refusal: Refusal = serde_json::from_slice(&bytes).map_err(|_| ClientError::Answer)?;
        Err(ClientError::Refused(refusal))
    }
}
