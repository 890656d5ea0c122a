//! Serving a port: how many connections it holds, and how long one may stay that asks for nothing.
//!
//! axum's and tonic's own servers bound neither, so that a client which opens connections and says nothing would take every
//! file that the process may open.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;
use weir_api::OpenEnded;

use crate::tls::Tls;

/// How long a connection that should end may still be without a request under way.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often HTTP/2 asks whether the other end is there. Streams are open for ever, so that only a ping finds out.
const PING_EVERY: Duration = Duration::from_secs(10);
/// How long the answer to that may take.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests at once on one HTTP/2 connection. Each of Envoy's workers has one, and may ask much at once after its start.
const MOST_STREAMS: u32 = 1024;
/// Wait after no connection could be accepted, most likely for want of files.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);
/// How often it is said at most that a port is full.
const SAY_FULL_EVERY: Duration = Duration::from_secs(60);

/// What a port allows its clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at a time. Further ones wait in the kernel's queue, where they cost the process no file.
    pub(crate) connections: u32,
    /// How long a connection may have no request under way: before its first one is whole, within a later head, and between
    /// two. Holds for both versions of HTTP, and whatever pings come.
    pub(crate) silence: Duration,
    /// How long it may have one under way without a pause, its body and its answer included; it has as long again to finish.
    /// `None`: for ever, as streams need it; so has an answer that is marked as [`OpenEnded`].
    pub(crate) longest: Option<Duration>,
}

/// Serves a port until `stopping` is true and what was under way then has ended. `port` names it in metrics and the log.
pub(crate) async fn serve(
    port: &'static str,
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    limits: Limits,
    stopping: watch::Receiver<bool>,
) {
    let mut places = Places { port, free: Arc::new(Semaphore::new(limits.connections as usize)), said_full: None };
    loop {
        let accepted = async {
            let place = places.take().await;
            (place, accept(port, &listener).await)
        };
        let (place, (stream, peer)) = tokio::select! {
            accepted = accepted => accepted,
            () = stopped(stopping.clone()) => break,
        };
        let acceptor = tls.as_ref().map(Tls::acceptor);
        let connection = connection(stream, peer, acceptor, router.clone(), limits, stopping.clone());
        tokio::spawn(async move {
            metrics::gauge!("weir_connections", "port" => port).increment(1);
            connection.await;
            metrics::gauge!("weir_connections", "port" => port).decrement(1);
            drop(place);
        });
    }
    drop(listener);
    // All places are free when the last connection has ended. Nobody closes the semaphore.
    let _ = places.free.acquire_many(limits.connections).await;
}

struct Places {
    port: &'static str,
    free: Arc<Semaphore>,
    said_full: Option<Instant>,
}

impl Places {
    async fn take(&mut self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = self.free.clone().try_acquire_owned() {
            return Some(place);
        }
        if self.said_full.is_none_or(|said| said.elapsed() >= SAY_FULL_EVERY) {
            tracing::warn!(port = self.port, "all connections are taken: further ones wait until one ends");
            self.said_full = Some(Instant::now());
        }
        self.free.clone().acquire_owned().await.ok()
    }
}

async fn accept(port: &'static str, listener: &TcpListener) -> (TcpStream, SocketAddr) {
    use std::io::ErrorKind;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The client's fault.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => {
                tracing::error!(port, error = error.to_string(), "no connection can be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// Serves one connection to its end.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    stopping: watch::Receiver<bool>,
) {
    // Without it a look-up waits for the 40 ms of a delayed acknowledgement. A socket that refuses is closed already.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return conversation(stream, peer, router, limits, stopping).await };
    // A handshake is silence: nothing has been asked for yet.
    let handshake = tokio::time::timeout(limits.silence, tls.accept(stream));
    tokio::select! {
        shaken = handshake => match shaken {
            Ok(Ok(stream)) => conversation(stream, peer, router, limits, stopping).await,
            Ok(Err(error)) => tracing::debug!(error = error.to_string(), "a handshake failed"),
            Err(_) => {}
        },
        () = stopped(stopping.clone()) => {}
    }
}

/// Serves what is asked on a connection, under TLS or not.
async fn conversation<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    stopping: watch::Receiver<bool>,
) {
    let (count, requests) = watch::channel(Requests::default());
    let count = Arc::new(count);
    let service = service_fn(move |request: Request<Incoming>| {
        let begun = UnderWay::begin(count.clone());
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let router = router.clone();
        async move {
            let answer = router.oneshot(request).await?;
            let mut begun = begun;
            if answer.extensions().get::<OpenEnded>().is_some() {
                begun.leave_open();
            }
            // It is under way until the last of its answer is handed over.
            Ok::<_, Infallible>(answer.map(|body| {
                body.map_frame(move |frame| {
                    let _ = &begun;
                    frame
                })
            }))
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.silence);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(PING_EVERY).keep_alive_timeout(PING_TIMEOUT);
    http2.max_concurrent_streams(MOST_STREAMS);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // How it ended is between the client and the network.
        _ = connection.as_mut() => return,
        () = silent(requests.clone(), limits.silence) => {}
        () = busy(requests.clone(), limits.longest) => {}
        () = stopped(stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection => {}
        // Not at once: a request may have come in the same moment.
        () = silent(requests.clone(), FAREWELL) => {}
        () = busy(requests, limits.longest) => {}
    }
}

/// The requests of one connection.
#[derive(Clone, Copy, Default)]
struct Requests {
    under_way: usize,
    /// Of them those whose answer goes on until its reader leaves.
    open_ended: usize,
    /// Also those that begin and end between two looks.
    begun: u64,
}

/// Ends when no request has been under way, nor begun, for so long.
async fn silent(mut requests: watch::Receiver<Requests>, time: Duration) {
    // The sender is as old as the connection.
    while let Ok(Requests { begun, .. }) = requests.wait_for(|now| now.under_way == 0).await.map(|now| *now) {
        let again = requests.wait_for(|now| now.under_way > 0 || now.begun != begun);
        if tokio::time::timeout(time, again).await.is_err() {
            return;
        }
    }
}

/// Ends when requests have been under way without a pause for so long, those with an open end aside. Without a time, never.
async fn busy(mut requests: watch::Receiver<Requests>, time: Option<Duration>) {
    let Some(time) = time else { return std::future::pending().await };
    while requests.wait_for(|now| now.under_way > now.open_ended).await.is_ok() {
        if tokio::time::timeout(time, requests.wait_for(|now| now.under_way <= now.open_ended)).await.is_err() {
            return;
        }
    }
}

/// A request that is counted as long as this lives.
struct UnderWay {
    count: Arc<watch::Sender<Requests>>,
    is_open_ended: bool,
}

impl UnderWay {
    fn begin(count: Arc<watch::Sender<Requests>>) -> Self {
        count.send_modify(|requests| {
            requests.under_way += 1;
            requests.begun += 1;
        });
        Self { count, is_open_ended: false }
    }

    /// It ends when its reader leaves. To be called once.
    fn leave_open(&mut self) {
        self.is_open_ended = true;
        self.count.send_modify(|requests| requests.open_ended += 1);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.count.send_modify(|requests| {
            requests.under_way -= 1;
            requests.open_ended -= usize::from(self.is_open_ended);
        });
    }
}

pub(crate) async fn stopped(mut stopping: watch::Receiver<bool>) {
    // Without a sender nobody can end it any more by signal; what is under way goes on.
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests;
