//! Structured logs on standard error.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;

pub(crate) fn start(filter: &str, format: LogFormat) -> Result<()> {
    // The library under S3 logs every refusal as an error; the gateway tells of refusals by name.
    let filter =
        EnvFilter::try_new(format!("s3s=off,{filter}")).with_context(|| format!("{filter:?} is not a log filter"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Human => builder
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
