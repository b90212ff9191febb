//! The listener: one port for HTTP/1.1, HTTP/2 with prior knowledge, and TLS.

mod body;
mod connection;
mod cors;
mod hosts;
mod own;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::assembly::Platform;
use crate::config::Config;
use connection::Ends;
pub(crate) use cors::Cors;

/// How long open requests may take to end once shutdown begins.
const DRAIN_MAX: Duration = Duration::from_secs(25);

/// What every connection shares.
pub(crate) struct Shared {
    pub platform: Platform,
    pub cors: Cors,
    pub tls: tls::Acceptor,
    /// Anybody may call: there are no access keys.
    pub is_open: bool,
}

/// A bound port, not yet answering.
pub(crate) struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
    connections_max: usize,
}

impl Server {
    pub(crate) async fn bind(config: &Config, platform: Platform) -> Result<Self> {
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("could not listen on {}", config.listen))?;
        let tls = tls::Acceptor::new(config, platform.tasks.clone())?;
        let shared = Arc::new(Shared {
            platform,
            cors: Cors::new(config),
            tls,
            is_open: config.access_keys.is_empty(),
        });
        Ok(Self {
            listener,
            shared,
            connections_max: config.connections_max,
        })
    }

    pub(crate) fn address(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves until `stop`, then lets open requests end and closes the platform.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Self {
            listener,
            shared,
            connections_max,
        } = self;
        let slots = Arc::new(Semaphore::new(connections_max));
        let drain = GracefulShutdown::new();
        let ends = Ends {
            stop: stop.clone(),
            cut: CancellationToken::new(),
        };
        let tasks = shared.platform.tasks.clone();
        loop {
            let slot = tokio::select! {
                slot = slots.clone().acquire_owned() => slot,
                () = stop.cancelled() => break,
            };
            let Ok(slot) = slot else { break };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    let watcher = drain.watcher();
                    let (shared, ends) = (shared.clone(), ends.clone());
                    tasks.spawn(async move {
                        connection::serve(stream, shared, watcher, ends).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    // Out of descriptors or a connection that went away: neither ends the server.
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop(listener);
        tracing::info!("shutting down: letting open requests end");
        shared.platform.tasks.ending().cancel();
        if tokio::time::timeout(DRAIN_MAX, drain.shutdown()).await.is_err() {
            tracing::warn!("some requests did not end in time and were cut");
        }
        ends.cut.cancel();
        shared.platform.close().await;
    }
}
