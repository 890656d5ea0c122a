//! Requests to a gateway, over connections that stay open.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What is asked, of whom.
#[derive(Clone)]
pub(crate) struct Question {
    pub(crate) gateway: SocketAddr,
    /// Shown as a bearer token.
    pub(crate) key: String,
    /// Further headers.
    pub(crate) besides: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

/// One connection.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    question: Question,
}

/// An answer that was read to its end.
pub(crate) struct Answer {
    /// From the request to the end.
    pub(crate) took: Duration,
    /// Pieces of it as they arrived.
    pub(crate) pieces: usize,
}

impl Connection {
    pub(crate) async fn open(question: &Question) -> Result<Self> {
        let stream = TcpStream::connect(question.gateway).await.context("cannot connect to the gateway")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, question: question.clone() })
    }

    /// Asks, reads the answer to its end, and fails on anything but a 200.
    pub(crate) async fn ask(&mut self) -> Result<Answer> {
        let begin = Instant::now();
        let mut body = self.send().await?;
        let mut pieces = 0;
        while let Some(frame) = body.frame().await {
            pieces += usize::from(frame?.is_data());
        }
        Ok(Answer { took: begin.elapsed(), pieces })
    }

    /// Asks, and leaves once the answer has begun.
    pub(crate) async fn first_byte(&mut self) -> Result<Duration> {
        let begin = Instant::now();
        let mut body = self.send().await?;
        while let Some(frame) = body.frame().await {
            if frame?.data_ref().is_some_and(|data| !data.is_empty()) {
                return Ok(begin.elapsed());
            }
        }
        bail!("the answer is empty")
    }

    async fn send(&mut self) -> Result<Incoming> {
        let mut request = Request::post("/v1/chat/completions");
        for (name, value) in &self.question.besides {
            request = request.header(*name, value);
        }
        let request = request
            .header("host", "weir.example")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.question.key))
            .header("user-agent", "weir-bench")
            .body(Full::new(self.question.body.clone()))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        if status != 200 {
            let text = answer.into_body().collect().await?.to_bytes();
            bail!("the gateway answered {status}: {}", String::from_utf8_lossy(&text));
        }
        Ok(answer.into_body())
    }
}

/// So many connections, each asking again as soon as it has its answer, for so long. Answers the number of answers and
/// the time that they took.
pub(crate) async fn closed_loop(question: &Question, connections: usize, time: Duration) -> Result<(u64, Duration)> {
    let mut workers = tokio::task::JoinSet::new();
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(question).await?);
    }
    let begin = Instant::now();
    for mut connection in open {
        workers.spawn(async move {
            let mut count = 0_u64;
            while begin.elapsed() < time {
                connection.ask().await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut answers = 0;
    while let Some(count) = workers.join_next().await {
        answers += count??;
    }
    Ok((answers, begin.elapsed()))
}

/// So many streams at once, each read to its end. Answers the pieces that arrived.
pub(crate) async fn streams(question: &Question, count: usize) -> Result<usize> {
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..count {
        let mut connection = Connection::open(question).await?;
        workers.spawn(async move { connection.ask().await });
    }
    let mut pieces = 0;
    while let Some(times) = workers.join_next().await {
        pieces += times??.pieces;
    }
    Ok(pieces)
}
