//! The platform: stores, engines and services put together over one data directory.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use base::{Clock, Random, Tasks};
use engine_catalog::Catalog;
use engine_log::streams::Streams;
use engine_log::{Log, LogOptions};
use protocol_aws::Gateway;
use serde_json::{Map, Value, json};
use store_meta::Meta;
use store_objects::Objects;

use crate::cli::Durability;
use crate::config::Config;
use crate::metrics::{Metrics, describe, line};

/// Everything that runs.
#[derive(Clone)]
pub(crate) struct Platform {
    pub gateway: Gateway,
    pub tasks: Tasks,
    log: Log,
    metrics: Arc<Metrics>,
    started: Instant,
    data_dir: String,
    listen: String,
}

impl Platform {
    /// Opens the data directory and everything in it. After a crash this is where recovery happens.
    pub(crate) fn open(config: &Config) -> Result<Self> {
        let data_dir = &config.data_dir;
        std::fs::create_dir_all(data_dir).with_context(|| format!("could not make {}", data_dir.display()))?;
        let (clock, random, tasks) = (Clock::system(), Random::from_os(), Tasks::new());
        let meta = open_meta(data_dir)?;
        let _objects = Objects::open(
            &data_dir.join("objects"),
            meta.clone(),
            clock.clone(),
            random.clone(),
            tasks.clone(),
        )
        .context("could not open the object store")?;
        let mut options = LogOptions::new(data_dir.join("log"), clock.clone(), tasks.clone());
        options.durability = match config.durability {
            Durability::Fsync => engine_log::Durability::Fsync,
            Durability::Os => engine_log::Durability::Os,
        };
        let log = Log::open(options).context("could not open the log")?;
        let streams = Streams::open(log.clone(), meta.clone(), clock.clone(), tasks.clone())
            .context("could not open the streams")?;
        let catalog = Catalog::new(meta.clone(), clock.clone());

        let metrics = Arc::new(Metrics::default());
        let observer = metrics.clone();
        let gateway = Gateway::builder(clock.clone(), random.clone(), tasks.clone())
            .authentication(config.authentication()?)
            .service(service_glue::service(service_glue::Glue::new(catalog.clone())))
            .service(service_kinesis::service(service_kinesis::Kinesis::new(streams)))
            .service(service_sts::service())
            .observer(move |finished| {
                observer.count(finished);
                let (service, operation, request_id) = (finished.service, finished.operation, finished.request_id);
                let (status, elapsed) = (finished.status.as_u16(), finished.elapsed);
                match finished.error {
                    Some(error) => tracing::debug!(service, operation, status, error, ?elapsed, request_id, "refused"),
                    None => tracing::debug!(service, operation, status, ?elapsed, request_id, "answered"),
                }
            })
            .build();
        let (data_dir, listen) = (data_dir.display().to_string(), config.listen.to_string());
        Ok(Self {
            gateway,
            tasks,
            log,
            metrics,
            started: Instant::now(),
            data_dir,
            listen,
        })
    }

    /// Stops background work and closes the log, so that the next start finds everything settled.
    pub(crate) async fn close(&self) {
        self.tasks.shutdown().await;
        self.log.close().await;
    }

    /// What `catchment status` shows.
    pub(crate) fn status(&self) -> Value {
        let log = self.log.status();
        let services = self.gateway.services().into_iter().map(|service| {
            let (built, modelled) = (service.operations().len(), service.model().operations.len());
            (
                service.name().to_owned(),
                json!({ "operations": built, "modelled": modelled }),
            )
        });
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "uptime_seconds": self.started.elapsed().as_secs(),
            "listen": self.listen,
            "data_dir": self.data_dir,
            "requests": self.metrics.total(),
            "services": Value::Object(services.collect::<Map<_, _>>()),
            "log": {
                "partitions": log.partitions.len(),
                "files": log.files,
                "bytes": log.bytes,
                "appended_records": log.appended_records,
                "appended_bytes": log.appended_bytes,
                "quarantined": log.quarantined.len(),
                "damaged_frames": log.damaged_frames,
                "refusing_writes": log.poisoned,
            },
        })
    }

    /// The page that Prometheus reads.
    pub(crate) fn metrics_page(&self) -> String {
        let mut out = String::with_capacity(8 << 10);
        self.metrics.render(&mut out);
        let log = self.log.status();
        for (name, kind, help, value) in [
            ("catchment_log_bytes", "gauge", "Bytes of log files in use.", log.bytes),
            ("catchment_log_files", "gauge", "Log files in use.", log.files as u64),
            (
                "catchment_log_appended_records_total",
                "counter",
                "Records appended since the start.",
                log.appended_records,
            ),
            (
                "catchment_log_appended_bytes_total",
                "counter",
                "Bytes appended since the start.",
                log.appended_bytes,
            ),
            (
                "catchment_log_damaged_frames_total",
                "counter",
                "Frames that readers found damaged.",
                log.damaged_frames,
            ),
            (
                "catchment_log_quarantined",
                "gauge",
                "Damaged places that readers pass over.",
                log.quarantined.len() as u64,
            ),
            (
                "catchment_log_refusing_writes",
                "gauge",
                "1 while the log refuses writes.",
                u64::from(log.poisoned.is_some()),
            ),
        ] {
            describe(&mut out, name, kind, help);
            line(&mut out, name, &[], value);
        }
        describe(
            &mut out,
            "catchment_uptime_seconds",
            "gauge",
            "Seconds since the start.",
        );
        line(
            &mut out,
            "catchment_uptime_seconds",
            &[],
            self.started.elapsed().as_secs(),
        );
        out
    }
}

fn open_meta(data_dir: &Path) -> Result<Meta> {
    Meta::open(data_dir.join("meta.redb")).with_context(|| {
        format!(
            "could not open the metadata in {}; another server may be using this directory",
            data_dir.display()
        )
    })
}
