//! One question to a server somewhere, step by step, so that a failure can be told in words.
//!
//! The connection goes to the address that was judged: a name that resolves to another one the next moment leads nowhere else.
//! There are no redirections and no proxies; time and size are bounded.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use weir_core::destination::inside;
use weir_core::snapshot::BaseUrl;

/// How long each step may take.
const STEP: Duration = Duration::from_secs(5);
/// How long the server may take to answer, all of its answer included.
const ANSWER: Duration = Duration::from_secs(10);
/// Bytes of the longest answer.
const LONGEST: usize = 1024 * 1024;

/// A question.
pub(crate) struct Question<'a> {
    /// The server.
    pub(crate) url: &'a BaseUrl,
    /// What is asked for there.
    pub(crate) path_and_query: String,
    /// Beside `host`.
    pub(crate) headers: HeaderMap,
    /// Whether addresses inside the operator's network may be asked.
    pub(crate) may_be_inside: bool,
    /// Authorities to trust, in PEM; those of the public web if there is no such file.
    pub(crate) authorities: Option<&'a Path>,
    /// What is posted, form-encoded; `None`: it is a GET.
    pub(crate) form: Option<String>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

/// Where it ended otherwise.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The name has no address.
    Dns(String),
    /// All its addresses are where this caller may not ask.
    Inside(&'static str),
    /// Nobody takes the connection.
    Connect(String),
    /// The server is not who it should be, or speaks no TLS.
    Tls(String),
    /// What came is no HTTP, or broke off.
    Http(String),
    /// It took too long.
    TooSlow(&'static str),
    /// The answer is too long.
    TooLong,
}

/// Asks.
pub(crate) async fn ask(question: &Question<'_>) -> Result<Answer, Failure> {
    let stream = connect(question).await?;
    if !question.url.tls {
        return exchange(stream, question).await;
    }
    let connector = TlsConnector::from(Arc::new(tls(question.authorities)?));
    let name = ServerName::try_from(question.url.host.clone()).map_err(|error| Failure::Tls(error.to_string()))?;
    let secured = within(STEP, "the TLS handshake", connector.connect(name, stream)).await?;
    exchange(secured.map_err(|error| Failure::Tls(error.to_string()))?, question).await
}

async fn connect(question: &Question<'_>) -> Result<TcpStream, Failure> {
    let BaseUrl { host, port, .. } = question.url;
    let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![(address, *port).into()],
        Err(_) => within(STEP, "resolving the name", tokio::net::lookup_host((host.as_str(), *port)))
            .await?
            .map_err(|error| Failure::Dns(error.to_string()))?
            .collect(),
    };
    let mut failure = Failure::Dns("the name has no address".into());
    for address in addresses.into_iter().take(4) {
        if let Some(what) = inside(&address.ip().to_string()).filter(|_| !question.may_be_inside) {
            failure = Failure::Inside(what);
            continue;
        }
        match within(STEP, "connecting", TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = Failure::Connect(error.to_string()),
            Err(slow) => failure = slow,
        }
    }
    Err(failure)
}

fn tls(authorities: Option<&Path>) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    let of_file = authorities.and_then(|path| CertificateDer::pem_file_iter(path).ok());
    match of_file {
        Some(certificates) => {
            roots.add_parsable_certificates(certificates.flatten());
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

async fn exchange<S>(stream: S, question: &Question<'_>) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let http = |error: hyper::Error| Failure::Http(error.to_string());
    let answer = async {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
        // Ends with the answer, or when this is given up: then its other half is gone.
        let connection = tokio::spawn(connection);
        let request = match &question.form {
            None => Request::get(&question.path_and_query).body(Body::empty()),
            Some(form) => Request::post(&question.path_and_query)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::CONTENT_LENGTH, form.len())
                .body(Body::from(form.clone())),
        };
        let mut request = request.map_err(|error| Failure::Http(error.to_string()))?;
        let host = HeaderValue::try_from(authority(question.url)).map_err(|error| Failure::Http(error.to_string()))?;
        request.headers_mut().insert(header::HOST, host);
        request.headers_mut().extend(question.headers.clone());
        let response = sender.send_request(request).await.map_err(http)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST).collect().await;
        connection.abort();
        match body {
            Ok(body) => Ok(Answer { status, body: body.to_bytes().to_vec() }),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Failure::TooLong),
            Err(error) => Err(Failure::Http(error.to_string())),
        }
    };
    within(ANSWER, "the answer", answer).await?
}

fn authority(url: &BaseUrl) -> String {
    let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
    match (url.tls, url.port) {
        (true, 443) | (false, 80) => host,
        (_, port) => format!("{host}:{port}"),
    }
}

async fn within<T>(time: Duration, what: &'static str, step: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(time, step).await.map_err(|_| Failure::TooSlow(what))
}
