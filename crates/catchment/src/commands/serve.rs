//! `catchment serve`: the server in the foreground.

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;

use crate::assembly::Platform;
use crate::config::Config;
use crate::logs;
use crate::server::Server;

pub(crate) fn run(config: &Config) -> Result<()> {
    logs::start(&config.log, config.log_format)?;
    runtime()?.block_on(async {
        let platform = Platform::open(config)?;
        let server = Server::bind(config, platform).await?;
        let address = server.address()?;
        tracing::info!(%address, data_dir = %config.data_dir.display(), "catchment {} is ready", env!("CARGO_PKG_VERSION"));
        let stop = stop_on_signal()?;
        server.run(stop).await;
        tracing::info!("stopped");
        Ok(())
    })
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("could not start the runtime")
}

/// Cancelled at SIGTERM, SIGINT or Ctrl-C. A second signal ends the process at once.
pub(crate) fn stop_on_signal() -> Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let token = stop.clone();
    let watch = async move {
        for wait in 0..2 {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if wait == 0 {
                token.cancel();
            }
        }
        std::process::exit(130);
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "shutdown must not wait for what waits for signals"
    )]
    drop(tokio::spawn(watch));
    Ok(stop)
}
