//! TLS of a port: certificate and key from files, read again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::zeroize::Zeroizing;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(5);

/// Where a port's certificate is.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    /// The chain, in PEM, the port's own certificate first.
    pub(crate) certificate: PathBuf,
    /// Its private key, in PEM.
    pub(crate) key: PathBuf,
    /// Authorities, in PEM, of which clients must have a certificate; `None`: they need none.
    pub(crate) client_authorities: Option<PathBuf>,
}

/// What a port answers handshakes with, always the latest that could be read. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls(watch::Receiver<Arc<ServerConfig>>);

impl Tls {
    /// Reads the files, and follows their changes from now on. `port` names the port in the log.
    pub(crate) fn follow(port: &'static str, files: TlsFiles) -> anyhow::Result<Self> {
        let mut known = files.read()?;
        let (sender, receiver) = watch::channel(Arc::new(known.configuration()?));
        tokio::spawn(async move {
            let mut said = String::new();
            loop {
                tokio::time::sleep(EVERY).await;
                if sender.is_closed() {
                    return;
                }
                let read = files.read().and_then(|read| {
                    let new = if read == known { None } else { Some(Arc::new(read.configuration()?)) };
                    Ok((read, new))
                });
                match read {
                    Ok((read, Some(new))) => {
                        known = read;
                        sender.send_replace(new);
                        tracing::info!(port, "the certificate was read anew");
                        said.clear();
                    }
                    Ok((_, None)) => said.clear(),
                    // Files that are being replaced do not fit for a moment. What was read last goes on.
                    Err(error) => {
                        let error = format!("{error:#}");
                        if error != said {
                            tracing::error!(port, error, "the certificate cannot be read anew; the last one goes on");
                            said = error;
                        }
                    }
                }
            }
        });
        Ok(Self(receiver))
    }

    /// For the next handshake.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.borrow().clone())
    }
}

impl TlsFiles {
    fn read(&self) -> anyhow::Result<Contents> {
        Ok(Contents {
            certificate: contents(&self.certificate)?,
            key: contents(&self.key)?,
            client_authorities: self.client_authorities.as_deref().map(contents).transpose()?,
        })
    }
}

fn contents(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    std::fs::read(path).map(Zeroizing::new).with_context(|| format!("{} cannot be read", path.display()))
}

/// What the files hold.
#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Zeroizing<Vec<u8>>,
    key: Zeroizing<Vec<u8>>,
    client_authorities: Option<Zeroizing<Vec<u8>>>,
}

impl Contents {
    fn configuration(&self) -> anyhow::Result<ServerConfig> {
        let chain = certificates(&self.certificate).context("the certificate")?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).context("the certificate's key is not PEM")?;
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let builder = match &self.client_authorities {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(authorities).context("the clients' authorities")? {
                    roots.add(authority).context("an authority of clients")?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut configuration =
            builder.with_single_cert(chain, key).context("the certificate and its key are of no use together")?;
        configuration.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(configuration)
    }
}

fn certificates(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().context("is not PEM")?;
    anyhow::ensure!(!chain.is_empty(), "there is no certificate in it");
    Ok(chain)
}
