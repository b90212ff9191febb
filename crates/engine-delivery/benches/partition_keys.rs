//! Partition keys out of records: `cargo bench -p engine-delivery`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine_delivery::PartitionQuery;

/// The server's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 300 bytes, as an application may send them.
const RECORD: &str = r#"{"customer_id":"c-1234567890","ts":1425599621,"type":{"device":"mobile","event":"user_clicked"},"page":"/products/1187/reviews","tags":[{"k":"campaign","v":"spring"},{"k":"variant","v":"B"}],"amount":12.50,"currency":"EUR","logged_in":true,"referrer":null,"session":"6f1c2d9a-8f5e-4c1b-9d3a-77aa101"}"#;

const QUERIES: &[(&str, &str)] = &[
    ("a field", "{customer: .customer_id}"),
    (
        "a field and a day",
        r#"{customer: .customer_id, day: (.ts | strftime("%Y-%m-%d"))}"#,
    ),
    ("another where there is none", "{customer: (.customer // .customer_id)}"),
    (
        "an item that is looked for",
        r#"{campaign: (.tags | map(select(.k == "campaign"))[0].v)}"#,
    ),
    ("a pattern", r#"{event: (.type.event | gsub("_"; "-"))}"#),
    (
        "a sum",
        "{sum: (reduce (.tags[] | .v | length) as $length (0; . + $length))}",
    ),
];

fn keys(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("partition keys");
    group.throughput(Throughput::Elements(1));
    for (name, query) in QUERIES {
        let query = PartitionQuery::compile(query).expect("a query");
        group.bench_function(*name, |bencher| {
            bencher.iter(|| query.keys(RECORD.as_bytes(), 0).expect("keys"));
        });
    }
    group.finish();
}

/// What one record costs of which a query makes as much as it may.
fn ended(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("until a limit");
    group.sample_size(10);
    for (name, query) in [
        ("a loop", "def again: again; again"),
        ("a deep call", "def deep: 1 + deep; deep"),
        ("a long array", "[range(1e9)]"),
        ("a long text", r#"reduce range(1e9) as $i ("x"; . + .)"#),
        ("a slow pattern", r#""a" * 5000 | test("(a+)+$b")"#),
        ("many patterns", r#"last(range(1e9) | tostring | test("a+" + .))"#),
    ] {
        let query = PartitionQuery::compile(query).expect("a query");
        group.bench_function(name, |bencher| {
            bencher.iter(|| query.keys(RECORD.as_bytes(), 0).expect_err("an end"));
        });
    }
    group.finish();
}

criterion_group!(all, keys, ended);
criterion_main!(all);
