//! The platform: stores, engines and services put together over one data directory.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base::{Clock, Random, Scope, Tasks};
use engine_catalog::Catalog;
use engine_delivery::{Deliveries, DeliveryParts, DeliveryStatus};
use engine_log::streams::{Kind, Mode, StreamError, Streams};
use engine_log::{KeyState, KeyStore, Log, LogOptions, Partition};
use engine_sql::{Engine, Settings};
use protocol_aws::{Gateway, Model};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use service_athena::Athena;
use service_firehose::Firehose;
use service_s3::S3Service;
use store_meta::{Keyspace, Meta, MetaError, Read};
use store_objects::Objects;

use crate::cli::{Durability, LimitsProfile};
use crate::config::Config;
use crate::delivery_metrics;
use crate::faults::Faults;
use crate::metrics::{Metrics, describe, line};

const META_FILE: &str = "meta.redb";
const INSTALLATION: Keyspace<(), String> = Keyspace::new("catchment/installation");

/// A key that streams are encrypted with, as it is shown and set.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    #[serde(default)]
    pub scope: Scope,
    /// As it is named in `StartStreamEncryption`.
    pub key: String,
    pub state: KeyState,
}

/// Everything that runs.
#[derive(Clone)]
pub(crate) struct Platform {
    pub gateway: Gateway,
    pub s3: S3Service,
    pub faults: Faults,
    streams: Streams,
    pub tasks: Tasks,
    log: Log,
    deliveries: Deliveries,
    metrics: Arc<Metrics>,
    started: Instant,
    data_dir: String,
    listen: String,
}

impl Platform {
    /// Opens the data directory and everything in it. After a crash this is where recovery happens.
    pub(crate) fn open(config: &Config) -> Result<Self> {
        let data_dir = &config.data_dir;
        refuse_foreign(data_dir)?;
        std::fs::create_dir_all(data_dir).with_context(|| format!("could not make {}", data_dir.display()))?;
        let (clock, random, tasks) = (Clock::system(), Random::from_os(), Tasks::new());
        let meta = open_meta(data_dir)?;
        let objects = Objects::open(
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
        let keys = data_dir.join("keys");
        std::fs::create_dir_all(&keys).with_context(|| format!("could not make {}", keys.display()))?;
        let master = keys.join("master.key");
        options.keys = Some(KeyStore::open(&master).with_context(|| format!("could not read {}", master.display()))?);
        options.tier = match config.tier().context("could not use the tier")? {
            Some(tier) => Some(tier.below(&installation(&meta, &random).context("could not name the installation")?)),
            None => None,
        };
        let log = Log::open(options).context("could not open the log")?;
        let streams = Streams::open_with(
            log.clone(),
            meta.clone(),
            clock.clone(),
            tasks.clone(),
            Duration::from_millis(config.state_delay_ms),
        )
        .context("could not open the streams")?;
        if let Some(failure) = log.status().tier_failure {
            tracing::warn!("{failure}: give it with --tier");
        }
        let catalog = Catalog::new(meta.clone(), clock.clone());

        let parts = DeliveryParts {
            meta: meta.clone(),
            streams: streams.clone(),
            objects: objects.clone(),
            catalog: catalog.clone(),
            clock: clock.clone(),
            random: random.clone(),
            tasks: tasks.clone(),
            remote_buckets: Arc::new(config.remote_buckets().context("could not use the remote buckets")?),
            spill: data_dir.join("spill"),
        };
        let deliveries = Deliveries::open(parts).context("could not open the delivery streams")?;

        let engine = Engine::open(catalog.clone(), objects.clone(), &Settings::new(data_dir.join("spill")))
            .context("could not open the query engine")?;
        let athena = Athena::open(
            meta.clone(),
            engine,
            objects.clone(),
            clock.clone(),
            random.clone(),
            tasks.clone(),
        )
        .context("could not open Athena's records")?;

        let mut kinesis = service_kinesis::Kinesis::new(streams.clone(), meta);
        if config.limits == LimitsProfile::Aws {
            kinesis = kinesis.with_limits();
        }
        let mut firehose = Firehose::new(deliveries.clone());
        if config.limits == LimitsProfile::Aws {
            firehose = firehose.with_limits();
        }
        let s3 = S3Service::new(objects.clone(), random.clone());
        let answering = s3.clone();
        let faults = Faults::new(random.clone());
        let metrics = Arc::new(Metrics::default());
        let observer = metrics.clone();
        let gateway = Gateway::builder(clock.clone(), random.clone(), tasks.clone())
            .authentication(config.authentication()?)
            .guard(faults.guard())
            .service(service_athena::service(athena))
            .service(service_firehose::service(firehose))
            .service(service_glue::service(service_glue::Glue::new(catalog.clone())))
            .service(service_kinesis::service(kinesis))
            .service(service_sts::service())
            .s3(Box::new(move |request| {
                let s3 = answering.clone();
                Box::pin(async move { s3.call(request).await })
            }))
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
            streams,
            faults,
            s3,
            tasks,
            log,
            deliveries,
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

    /// Why the log takes no writes, where it takes none.
    pub(crate) fn refusing_writes(&self) -> Option<String> {
        self.log.status().poisoned
    }

    /// The keys that streams are encrypted with, and those that are not enabled.
    pub(crate) fn keys(&self) -> Result<Vec<Key>, MetaError> {
        let all = self.streams.keys()?.into_iter();
        Ok(all.map(|((scope, key), state)| Key { scope, key, state }).collect())
    }

    pub(crate) async fn set_key(&self, key: &Key) -> Result<(), StreamError> {
        self.streams.set_key_state(&key.scope, &key.key, key.state).await
    }

    /// What `catchment status` shows.
    pub(crate) fn status(&self) -> Value {
        let log = self.log.status();
        let services = self.gateway.services().into_iter();
        let services = services.map(|service| (service.name(), service.operations().len(), Some(service.model())));
        let s3 = ("s3", service_s3::IMPLEMENTED.len(), Model::get("s3"));
        let services = services.chain([s3]).map(|(name, built, model)| {
            let modelled = model.map_or(0, |model| model.operations.len());
            (name.to_owned(), json!({ "operations": built, "modelled": modelled }))
        });
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "uptime_seconds": self.started.elapsed().as_secs(),
            "listen": self.listen,
            "data_dir": self.data_dir,
            "requests": self.metrics.total(),
            "services": Value::Object(services.collect::<Map<_, _>>()),
            "streams": self.data_streams(),
            "deliveries": self.deliveries.status().iter().map(delivery_status).collect::<Value>(),
            "log": {
                "partitions": log.partitions.len(),
                "files": log.files,
                "bytes": log.bytes,
                "appended_records": log.appended_records,
                "appended_bytes": log.appended_bytes,
                "tiered_objects": log.tiered_objects,
                "tiered_bytes": log.tiered_bytes,
                "tier_failure": log.tier_failure,
                "quarantined": log.quarantined.len(),
                "damaged_frames": log.damaged_frames,
                "refusing_writes": log.poisoned,
            },
        })
    }

    fn data_streams(&self) -> Value {
        let streams = self.streams.all();
        let data = streams.iter().filter(|stream| stream.id.kind == Kind::Data);
        data.map(|stream| {
            let partitions = stream.partitions().iter().map(Partition::status);
            let (mut records, mut bytes, mut tiered_bytes, mut oldest_ms) = (0, 0, 0, None);
            for partition in partitions {
                records += partition.end_offset;
                bytes += partition.bytes;
                tiered_bytes += partition.tiered_bytes;
                oldest_ms = oldest_ms.into_iter().chain(partition.oldest_arrival_ms).min();
            }
            json!({
                "uid": stream.uid,
                "name": stream.id.name,
                "account": stream.id.scope.account,
                "region": stream.id.scope.region,
                "status": format!("{:?}", stream.status).to_uppercase(),
                "mode": match stream.mode {
                    Mode::Provisioned => "PROVISIONED",
                    Mode::OnDemand => "ON_DEMAND",
                },
                "open_shards": stream.open_shards(),
                "consumers": stream.consumers.len(),
                "retention_hours": stream.retention_hours,
                "records": records,
                "bytes": bytes,
                "tiered_bytes": tiered_bytes,
                "oldest_ms": oldest_ms,
            })
        })
        .collect()
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
                "catchment_log_tiered_bytes",
                "gauge",
                "Bytes of records that were moved to the tier.",
                log.tiered_bytes,
            ),
            (
                "catchment_log_tier_failing",
                "gauge",
                "1 while records cannot be moved to the tier.",
                u64::from(log.tier_failure.is_some()),
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
        delivery_metrics::render(&self.deliveries.status(), self.deliveries.clock().now_ms(), &mut out);
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

/// What tells this data directory from others: the name of its part of a tier that several may share.
fn installation(meta: &Meta, random: &Random) -> Result<String, MetaError> {
    if let Some(id) = meta.read(|s| s.get(&INSTALLATION, &()))? {
        return Ok(id);
    }
    let id = random.uuid().simple().to_string();
    let kept = id.clone();
    meta.write_blocking(move |tx| tx.put(&INSTALLATION, &(), &kept))?;
    Ok(id)
}

fn delivery_status(status: &DeliveryStatus) -> Value {
    json!({
        "name": status.name,
        "account": status.scope.account,
        "region": status.scope.region,
        "source": status.source,
        "destination": status.destination,
        "incoming_records": status.incoming_records,
        "incoming_bytes": status.incoming_bytes,
        "lag_records": status.lag_records,
        "buffered_records": status.buffered_records,
        "buffered_bytes": status.buffered_bytes,
        "delivered_records": status.delivered_records,
        "delivered_objects": status.delivered_objects,
        "delivered_bytes": status.delivered_bytes,
        "failed_records": status.failed_records,
        "failed_attempts": status.failed_attempts,
        "lost_records": status.lost_records,
        "backed_up_records": status.backed_up_records,
        "oldest_ms": status.oldest_ms,
        "backup_oldest_ms": status.backup_oldest_ms,
        "last_object": status.last_object,
        "last_error": status.last_error,
    })
}

/// A directory that holds something else is more likely a mistake than meant as a data directory.
fn refuse_foreign(data_dir: &Path) -> Result<()> {
    if data_dir.join(META_FILE).exists() {
        return Ok(());
    }
    let Ok(mut entries) = std::fs::read_dir(data_dir) else {
        return Ok(());
    };
    // What a crash in the first moments of a data directory may leave, and what file systems put there themselves.
    const OURS: [&str; 5] = ["keys", "log", "objects", "spill", "lost+found"];
    let foreign = entries.find_map(|entry| {
        let name = entry.ok()?.file_name().to_string_lossy().into_owned();
        (!OURS.contains(&name.as_str()) && !name.starts_with('.')).then_some(name)
    });
    ensure!(
        foreign.is_none(),
        "{} holds other things ({}) and no data of catchment; choose an empty or a new directory",
        data_dir.display(),
        foreign.unwrap_or_default()
    );
    Ok(())
}

fn open_meta(data_dir: &Path) -> Result<Meta> {
    Meta::open(data_dir.join(META_FILE)).with_context(|| {
        format!(
            "could not open the metadata in {}; another server may be using this directory",
            data_dir.display()
        )
    })
}
