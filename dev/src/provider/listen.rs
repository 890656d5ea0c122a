//! On what connections the provider serves: plain HTTP/1.1, or TLS with HTTP/2 as the providers on the internet have it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use super::deliver::{EndConnection, ToldToReset};
use super::server;

/// How a connection chooses HTTP/2 in its TLS handshake (RFC 7301; RFC 9113, 3.1).
const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// How it is served.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Listen {
    /// Serves TLS with this certificate and those behind it, in PEM: HTTP/2 to who asks for it.
    #[arg(long, requires = "private_key")]
    pub certificate: Option<PathBuf>,
    /// The certificate's key, in PEM.
    #[arg(long, requires = "certificate")]
    pub private_key: Option<PathBuf>,
    /// No HTTP/2 under TLS.
    #[arg(long, requires = "certificate")]
    pub only_http1: bool,
    /// After so many requests a connection of HTTP/2 takes no more: it says so, and ends after the last answer.
    #[arg(long, requires = "certificate", conflicts_with = "only_http1", value_parser = clap::value_parser!(u32).range(1..))]
    pub requests_per_connection: Option<u32>,
}

impl Listen {
    /// Binds `address`, says on standard output what it is, and serves until the process ends.
    ///
    /// # Errors
    /// A certificate that cannot be read, an address that is taken, or a listener that accepts no more.
    pub async fn serve(&self, address: SocketAddr) -> Result<Infallible> {
        let tls = self.acceptor()?;
        let listener = TcpListener::bind(address).await?;
        println!("The demo provider serves on {}", listener.local_addr()?);
        Ok(self.accept(listener, tls).await?)
    }

    async fn accept(&self, listener: TcpListener, tls: Option<TlsAcceptor>) -> io::Result<Infallible> {
        let router = server::router();
        loop {
            let (stream, _) = listener.accept().await?;
            // Small writes must not wait for each other: a test looks at when each of them arrives.
            stream.set_nodelay(true)?;
            let (router, tls, most) = (router.clone(), tls.clone(), self.requests_per_connection);
            tokio::spawn(async move {
                match tls {
                    None => plain(stream, router).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            encrypted(stream, router, most.unwrap_or(u32::MAX)).await;
                        }
                    }
                }
            });
        }
    }

    fn acceptor(&self) -> Result<Option<TlsAcceptor>> {
        let (Some(certificate), Some(key)) = (&self.certificate, &self.private_key) else { return Ok(None) };
        let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
        let chain = chain.with_context(|| format!("the certificate {}", certificate.display()))?;
        let private = PrivateKeyDer::from_pem_file(key).with_context(|| format!("the key {}", key.display()))?;
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, private);
        let mut config = config.context("the certificate and its key")?;
        let protocols: &[&[u8]] = if self.only_http1 { &[HTTP_1_1] } else { &[HTTP_2, HTTP_1_1] };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Some(TlsAcceptor::from(Arc::new(config))))
    }
}

/// Serves each connection of `listener` in plain text.
///
/// # Errors
/// A listener that accepts no more.
pub async fn accept(listener: TcpListener) -> io::Result<Infallible> {
    Listen::default().accept(listener, None).await
}

async fn plain(stream: TcpStream, router: Router) {
    let service = service_fn(move |request| answer(router.clone(), request));
    let mut connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    // An error here is a broken connection: told to, or the client's doing. Both are in the records.
    if let Err(error) = (&mut connection).await
        && is_told_to_reset(&error)
    {
        // Without waiting for what was not sent yet, a close is a reset.
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

/// What is told to break off breaks off: under HTTP/1.1 the connection, under HTTP/2 the one stream (RST_STREAM).
async fn encrypted(stream: TlsStream<TcpStream>, router: Router, most: u32) {
    if stream.get_ref().1.alpn_protocol() != Some(HTTP_2) {
        let service = service_fn(move |request| answer(router.clone(), request));
        let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        return;
    }
    let (served, enough) = (AtomicU32::new(0), Notify::new());
    let service = service_fn(|request| {
        if served.fetch_add(1, Ordering::Relaxed).saturating_add(1) == most {
            enough.notify_one();
        }
        answer(router.clone(), request)
    });
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    let mut connection = pin!(http2.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = enough.notified() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn answer(router: Router, request: hyper::Request<Incoming>) -> io::Result<Response> {
    let response = router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {});
    match response.extensions().get::<EndConnection>() {
        Some(EndConnection { reset: true }) => Err(io::Error::other(ToldToReset)),
        Some(EndConnection { reset: false }) => Err(io::Error::other("told to close the connection")),
        None => Ok(response),
    }
}

/// Whether a reset is at the root of it: the server wraps what a handler or a body fails with.
fn is_told_to_reset(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut chain = std::iter::successors(Some(error), |error| error.source());
    chain.any(|error| {
        error.is::<ToldToReset>()
            || error
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.get_ref().is_some_and(|it| it.is::<ToldToReset>()))
    })
}
