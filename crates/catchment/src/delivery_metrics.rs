//! The figures of delivery streams, in Prometheus' text form. Each has its counterpart among the service's metrics, which
//! docs/destinations/README.md names.

use base::Millis;
use engine_delivery::DeliveryStatus;

use crate::metrics::{describe, line};

type Figure = (&'static str, &'static str, &'static str, fn(&DeliveryStatus) -> u64);

const FIGURES: [Figure; 14] = [
    (
        "catchment_delivery_incoming_records_total",
        "counter",
        "Direct puts since the start.",
        |status| status.incoming_records,
    ),
    (
        "catchment_delivery_incoming_bytes_total",
        "counter",
        "Bytes of direct puts since the start.",
        |status| status.incoming_bytes,
    ),
    (
        "catchment_delivery_lag_records",
        "gauge",
        "Records in the log that are not read yet.",
        |status| status.lag_records,
    ),
    (
        "catchment_delivery_buffered_records",
        "gauge",
        "Records that wait in buffers.",
        |status| status.buffered_records as u64,
    ),
    (
        "catchment_delivery_buffered_bytes",
        "gauge",
        "Bytes that wait in buffers.",
        |status| status.buffered_bytes as u64,
    ),
    (
        "catchment_delivery_records_total",
        "counter",
        "Records delivered since the start.",
        |status| status.delivered_records,
    ),
    (
        "catchment_delivery_objects_total",
        "counter",
        "Objects written, or requests taken, since the start.",
        |status| status.delivered_objects,
    ),
    (
        "catchment_delivery_bytes_total",
        "counter",
        "Bytes written or posted since the start.",
        |status| status.delivered_bytes,
    ),
    (
        "catchment_delivery_failed_records_total",
        "counter",
        "Records under the error prefix.",
        |status| status.failed_records,
    ),
    (
        "catchment_delivery_failed_attempts_total",
        "counter",
        "Attempts that failed, of the destination and of the backup.",
        |status| status.failed_attempts,
    ),
    (
        "catchment_delivery_lost_records_total",
        "counter",
        "Records that were gone from the source before they were read.",
        |status| status.lost_records,
    ),
    (
        "catchment_delivery_backup_records_total",
        "counter",
        "Source records backed up since the start.",
        |status| status.backed_up_records,
    ),
    (
        "catchment_delivery_backup_bytes_total",
        "counter",
        "Bytes of the backup's objects since the start.",
        |status| status.backed_up_bytes,
    ),
    (
        "catchment_delivery_failing",
        "gauge",
        "1 where the last attempt failed.",
        |status| u64::from(status.last_error.is_some()),
    ),
];

pub(crate) fn render(all: &[DeliveryStatus], now_ms: Millis, out: &mut String) {
    let mut all_lines = |name: &str, kind: &str, help: &str, value: &dyn Fn(&DeliveryStatus) -> u64| {
        describe(out, name, kind, help);
        for status in all {
            let (account, region) = (status.scope.account.to_string(), status.scope.region.to_string());
            let labels = [
                ("delivery_stream", status.name.as_str()),
                ("account", &account),
                ("region", &region),
            ];
            line(out, name, &labels, value(status));
        }
    };
    for (name, kind, help, value) in FIGURES {
        all_lines(name, kind, help, &value);
    }
    let age = |oldest_ms: Option<Millis>| oldest_ms.map_or(0, |oldest_ms| (now_ms - oldest_ms).max(0) as u64 / 1000);
    all_lines(
        "catchment_delivery_data_freshness_seconds",
        "gauge",
        "How long the oldest record that is read and not delivered has been there.",
        &|status| age(status.oldest_ms),
    );
    all_lines(
        "catchment_delivery_backup_data_freshness_seconds",
        "gauge",
        "How long the oldest record that is read and not in the backup has been there.",
        &|status| age(status.backup_oldest_ms),
    );
}
