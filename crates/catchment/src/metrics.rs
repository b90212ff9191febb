//! Counts and latencies of requests, in Prometheus' text form.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use protocol_aws::Finished;

/// Upper bounds of the latency histogram's buckets, in seconds.
const BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];
/// Operations come from the models, but a bound costs nothing.
const SERIES_MAX: usize = 10_000;

#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<Series, u64>>,
    latencies: Mutex<BTreeMap<(String, String), Histogram>>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Clone)]
struct Series {
    service: String,
    operation: String,
    status: u16,
}

#[derive(Default, Clone)]
struct Histogram {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    seconds: f64,
    bytes_in: u64,
}

impl Metrics {
    pub(crate) fn count(&self, finished: &Finished<'_>) {
        let (service, operation) = (finished.service.to_owned(), finished.operation.to_owned());
        let series = Series {
            service: service.clone(),
            operation: operation.clone(),
            status: finished.status.as_u16(),
        };
        {
            let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
            if requests.len() < SERIES_MAX || requests.contains_key(&series) {
                *requests.entry(series).or_default() += 1;
            }
        }
        let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (service, operation);
        if latencies.len() < SERIES_MAX || latencies.contains_key(&key) {
            latencies
                .entry(key)
                .or_default()
                .observe(finished.elapsed, finished.bytes_in);
        }
    }

    /// Requests answered so far.
    pub(crate) fn total(&self) -> u64 {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .sum()
    }

    pub(crate) fn render(&self, out: &mut String) {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        describe(
            out,
            "catchment_requests_total",
            "counter",
            "Requests by operation and HTTP status.",
        );
        for (
            Series {
                service,
                operation,
                status,
            },
            count,
        ) in &requests
        {
            line(
                out,
                "catchment_requests_total",
                &[
                    ("service", service),
                    ("operation", operation),
                    ("status", &status.to_string()),
                ],
                count,
            );
        }
        describe(
            out,
            "catchment_request_bytes_total",
            "counter",
            "Bytes of request bodies.",
        );
        for ((service, operation), histogram) in &latencies {
            line(
                out,
                "catchment_request_bytes_total",
                &[("service", service), ("operation", operation)],
                histogram.bytes_in,
            );
        }
        describe(
            out,
            "catchment_request_seconds",
            "histogram",
            "Time from a request's head to its answer's.",
        );
        for ((service, operation), histogram) in &latencies {
            let labels = [("service", service.as_str()), ("operation", operation.as_str())];
            for (bound, count) in BUCKETS.iter().zip(histogram.buckets) {
                line(
                    out,
                    "catchment_request_seconds_bucket",
                    &[labels[0], labels[1], ("le", &bound.to_string())],
                    count,
                );
            }
            line(
                out,
                "catchment_request_seconds_bucket",
                &[labels[0], labels[1], ("le", "+Inf")],
                histogram.count,
            );
            line(out, "catchment_request_seconds_sum", &labels, histogram.seconds);
            line(out, "catchment_request_seconds_count", &labels, histogram.count);
        }
    }
}

impl Histogram {
    fn observe(&mut self, elapsed: Duration, bytes_in: u64) {
        let seconds = elapsed.as_secs_f64();
        for (bound, count) in BUCKETS.iter().zip(&mut self.buckets) {
            *count += u64::from(seconds <= *bound);
        }
        self.count += 1;
        self.seconds += seconds;
        self.bytes_in += bytes_in;
    }
}

/// The two comment lines in front of a metric.
pub(crate) fn describe(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string does not fail, here and below.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// One sample. Label values are escaped as the text form asks.
pub(crate) fn line(out: &mut String, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
    let _ = write!(out, "{name}");
    for (index, (label, text)) in labels.iter().enumerate() {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(out, "{}{label}=\"{text}\"", if index == 0 { '{' } else { ',' });
    }
    let close = if labels.is_empty() { "" } else { "}" };
    let _ = writeln!(out, "{close} {value}");
}
