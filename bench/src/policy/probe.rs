//! Asking a gateway over and over, to see when a policy begins to hold.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Between an answer and the next question on the same connection.
const PACE: Duration = Duration::from_millis(5);
/// So many answers in a row must show the new policy.
const CONFIRMATIONS: u32 = 3;

/// What is asked.
#[derive(Clone)]
pub(crate) struct Question {
    pub(crate) key: String,
    pub(crate) body: Bytes,
}

/// What an answer shows.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// One connection to a gateway, opened anew when it was closed: Envoy closes one if it refuses a request before its end.
pub(crate) struct Connection {
    gateway: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

/// How a gateway answers under a policy.
#[derive(Clone, Debug)]
pub(crate) struct Behaviour {
    status: u16,
    /// Somewhere in the body.
    says: String,
}

impl Behaviour {
    /// An answer of the provider that says this.
    pub(crate) fn answers(says: impl Into<String>) -> Self {
        Self { status: 200, says: says.into() }
    }

    /// A refusal with this code.
    pub(crate) fn refuses(status: u16, code: &str) -> Self {
        Self { status, says: format!("\"{code}\"") }
    }

    pub(crate) fn is(&self, shown: &Shown) -> bool {
        shown.status == self.status && shown.body.contains(&self.says)
    }
}

/// What a connection saw of a change.
pub(crate) struct Seen {
    /// When the first answer of the new kind came, after which no other came.
    pub(crate) enforced: Instant,
    /// Answers in between that were neither what holds before nor what holds after.
    pub(crate) strange: Vec<Shown>,
}

impl Connection {
    pub(crate) async fn open(gateway: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(gateway).await.context("cannot connect to the gateway")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { gateway, sender })
    }

    pub(crate) async fn ask(&mut self, question: &Question) -> Result<Shown> {
        if let Ok(shown) = self.ask_once(question).await {
            return Ok(shown);
        }
        *self = Self::open(self.gateway).await?;
        self.ask_once(question).await
    }

    async fn ask_once(&mut self, question: &Question) -> Result<Shown> {
        let request = Request::post("/v1/chat/completions")
            .header("host", "weir.example")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", question.key))
            .body(Full::new(question.body.clone()))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok(Shown { status, body: String::from_utf8_lossy(&body).into_owned() })
    }

    /// Asks until the new policy is seen, at most so long, and a few times more.
    pub(crate) async fn until(
        &mut self,
        question: &Question,
        before: &Behaviour,
        after: &Behaviour,
        limit: Duration,
    ) -> Result<Seen> {
        let begin = Instant::now();
        let (mut enforced, mut confirmed, mut strange) = (None, 0, Vec::new());
        loop {
            let shown = self.ask(question).await?;
            if after.is(&shown) {
                let enforced = *enforced.get_or_insert_with(Instant::now);
                confirmed += 1;
                if confirmed > CONFIRMATIONS {
                    return Ok(Seen { enforced, strange });
                }
            } else {
                (enforced, confirmed) = (None, 0);
                anyhow::ensure!(begin.elapsed() < limit, "not enforced within {limit:?}; last seen: {shown:?}");
                if !before.is(&shown) {
                    strange.push(shown);
                }
            }
            tokio::time::sleep(PACE).await;
        }
    }
}
