//! TLS on the same port: the configured certificate, or a self-signed one kept in the data directory.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use base::Tasks;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Config;

const CERTIFICATE: &str = "tls/certificate.pem";
const KEY: &str = "tls/key.pem";

/// Accepts TLS connections. A self-signed certificate is made when the first one comes, so that a server that
/// never sees TLS starts no slower for it.
pub(crate) struct Acceptor {
    data_dir: std::path::PathBuf,
    ready: OnceCell<TlsAcceptor>,
    tasks: Tasks,
}

impl Acceptor {
    pub(crate) fn new(config: &Config, tasks: Tasks) -> Result<Self> {
        let ready = match (&config.tls_cert, &config.tls_key) {
            (Some(certificate), Some(key)) => OnceCell::new_with(Some(load(certificate, key)?)),
            _ => OnceCell::new(),
        };
        Ok(Self {
            data_dir: config.data_dir.clone(),
            ready,
            tasks,
        })
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>> {
        let made = || async {
            let data_dir = self.data_dir.clone();
            self.tasks.spawn_blocking(move || self_signed(&data_dir)).await?
        };
        let acceptor = self.ready.get_or_try_init(made).await?;
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
        write(&key, &made.signing_key.serialize_pem(), 0o600)?;
        write(&certificate, &made.cert.pem(), 0o644)?;
        tracing::info!(certificate = %certificate.display(), "made a self-signed certificate");
    }
    load(&certificate, &key)
}

/// A crash leaves no half of a file, which would end TLS for good.
fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let partial = path.with_extension("partial");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&partial)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(std::fs::rename(&partial, path)?)
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
