//! TLS on the same port: the configured certificate, or a self-signed one kept in the data directory.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Config;

const CERTIFICATE: &str = "tls/certificate.pem";
const KEY: &str = "tls/key.pem";

/// Accepts TLS connections. A self-signed certificate is made when the first one comes, so that a server that
/// never sees TLS starts no slower for it.
pub(crate) struct Acceptor {
    data_dir: std::path::PathBuf,
    ready: OnceLock<TlsAcceptor>,
}

impl Acceptor {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let ready = match (&config.tls_cert, &config.tls_key) {
            (Some(certificate), Some(key)) => OnceLock::from(load(certificate, key)?),
            _ => OnceLock::new(),
        };
        Ok(Self {
            data_dir: config.data_dir.clone(),
            ready,
        })
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>> {
        let acceptor = match self.ready.get() {
            Some(acceptor) => acceptor,
            None => {
                let made = self_signed(&self.data_dir)?;
                self.ready.get_or_init(|| made)
            }
        };
        Ok(acceptor.accept(stream).await?)
    }
}

fn self_signed(data_dir: &Path) -> Result<TlsAcceptor> {
    let (certificate, key) = (data_dir.join(CERTIFICATE), data_dir.join(KEY));
    if !certificate.exists() || !key.exists() {
        let names = ["localhost", "*.localhost", "*.s3.localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).context("could not make a certificate")?;
        let directory = certificate.parent().context("a certificate has a directory")?;
        std::fs::create_dir_all(directory)?;
        write_private(&key, &made.signing_key.serialize_pem())?;
        std::fs::write(&certificate, made.cert.pem())?;
        tracing::info!(certificate = %certificate.display(), "made a self-signed certificate");
    }
    load(&certificate, &key)
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

fn load(certificate: &Path, key: &Path) -> Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(|chain| chain.collect::<Result<Vec<_>, _>>())
        .with_context(|| format!("could not read the certificate {}", certificate.display()))?;
    let private =
        PrivateKeyDer::from_pem_file(key).with_context(|| format!("could not read the key {}", key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
