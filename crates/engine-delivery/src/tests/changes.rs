//! New settings while something is under way, and delivery streams that come and go.

use engine_catalog::CatalogError;
use engine_formats::OrcOptions;
use engine_log::streams::NewStream;

use super::*;
use crate::checkpoint::{self, InForce, Progress};
use crate::deliveries::own_stream;
use crate::spec::Delivery;

fn other() -> DeliverySpec {
    DeliverySpec {
        prefix: "other/!{timestamp:yyyy}/".into(),
        ..spec()
    }
}

async fn update(platform: &Platform, spec: DeliverySpec) {
    let (deliveries, scope) = (&platform.deliveries, Scope::default());
    let version = deliveries.get(&scope, "flights").expect("is there").version;
    let updated = deliveries.update(&scope, "flights", version, spec, Value::Null);
    updated.await.expect("updates");
}

async fn puts(platform: &Platform, records: &[&str], sent: &mut Vec<String>) {
    platform.put(records).await;
    sent.extend(records.iter().map(|record| (*record).to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_not_committed_is_not_written_twice() {
    for pending in [
        None,
        Some(other()),
        Some(DeliverySpec {
            bucket: "none".into(),
            ..other()
        }),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let platform = Platform::open(dir.path());
        platform.bucket().await;
        platform.create(spec()).await;
        platform.parts.faults.end.store(true, Ordering::SeqCst);
        let mut sent = Vec::new();
        puts(&platform, &["a", "b", "c"], &mut sent).await;
        let written = async || (!platform.objects("raw/").await.is_empty()).then_some(());
        platform.until("an object", written).await;
        platform.parts.tasks.shutdown().await;
        let mistyped = pending.as_ref().is_some_and(|spec| spec.bucket == "none");
        if let Some(spec) = pending {
            update(&platform, spec).await;
        }
        platform.close().await;

        let platform = Platform::open(dir.path());
        puts(&platform, &["d"], &mut sent).await;
        if mistyped {
            assert!(platform.failure().await.contains("none"));
            update(&platform, other()).await;
        }
        platform.check_delivered_once(sent).await;
        platform.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_above_the_low_mark_are_judged_by_the_settings_they_were_made_by() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.bucket().await;
    platform
        .create(DeliverySpec {
            prefix: "raw/!{partitionKeyFromQuery:c}/".into(),
            partition_query: Some("{c: .c}".into()),
            buffer_bytes: 40,
            buffer_interval_ms: 3_600_000,
            ..spec()
        })
        .await;
    let mut sent = Vec::new();
    let full = r#"{"c": "full", "text": "more than forty bytes, so it is written"}"#;
    puts(&platform, &[r#"{"c": "waiting"}"#, full], &mut sent).await;
    platform.settled(1).await;
    platform.parts.tasks.shutdown().await;
    update(&platform, other()).await;
    platform.close().await;

    let platform = Platform::open(dir.path());
    platform.check_delivered_once(sent).await;
    assert_eq!(platform.lines("raw/").await.len(), 2);
    let uid = &platform
        .deliveries
        .get(&Scope::default(), "flights")
        .expect("is there")
        .uid;
    let progress = Progress::load(&platform.parts.meta, uid).expect("loads");
    assert!(progress.ahead.is_empty() && progress.in_force.is_some_and(|in_force| in_force.version == 2));
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_and_a_table_that_is_gone_are_mended_by_an_update() {
    let wrong = [
        DeliverySpec {
            bucket: "none".into(),
            ..spec()
        },
        DeliverySpec {
            conversion: Some(conversion()),
            ..spec()
        },
    ];
    for (wrong, restart) in wrong.into_iter().flat_map(|spec| [(spec.clone(), false), (spec, true)]) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut platform = Platform::open(dir.path());
        platform.bucket().await;
        platform.table(&[]).await;
        platform.create(wrong).await;
        platform.drop_table().await;
        let mut sent = Vec::new();
        puts(&platform, &["a", "b"], &mut sent).await;
        platform.failure().await;
        if restart {
            platform.close().await;
            platform = Platform::open(dir.path());
            platform.failure().await;
        }
        puts(&platform, &["c"], &mut sent).await;
        update(&platform, other()).await;
        platform.check_delivered_once(sent).await;
        platform.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_no_record_can_be_converted_by_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    let converting = |output| DeliverySpec {
        conversion: Some(Conversion { output, ..conversion() }),
        ..spec()
    };
    let missing = platform.try_create(converting(Output::default())).await;
    assert!(
        matches!(
            missing,
            Err(DeliveryError::Table(CatalogError::DatabaseNotFound { .. }))
        ),
        "{missing:?}"
    );
    let orc = Output::Orc(OrcOptions::default());
    let cases: [(&[_], _, &str); 5] = [
        (&[("table_type", "ICEBERG")], Output::default(), "does not deliver yet"),
        (&[("catchment.output_format", "csv")], Output::default(), "csv"),
        (
            &[("catchment.output_format", "recordio-protobuf")],
            Output::default(),
            "carrier_name",
        ),
        (&[("table_type", "DELTA")], orc, "ParquetSerDe"),
        (&[("spark.sql.sources.provider", "delta")], Output::Avro, "ParquetSerDe"),
    ];
    for (parameters, output, expect) in cases {
        platform.table(parameters).await;
        match platform.try_create(converting(output)).await {
            Err(DeliveryError::NotConvertible(reason)) => assert!(reason.contains(expect), "{reason}"),
            other => panic!("{parameters:?}: {other:?}"),
        }
        platform.drop_table().await;
    }
    let columns: [(&[(&str, &str)], &[_], _, &str); 5] = [
        (&[], &[], Output::default(), "no columns"),
        (
            &[("x", "int"), ("X", "int")],
            &[],
            Output::default(),
            "two columns or fields",
        ),
        (
            &[("s", "array<struct<a:int,A:string>>")],
            &[],
            Output::default(),
            "two columns or fields",
        ),
        (
            &[("a-b", "int")],
            &[],
            Output::Avro,
            "Avro has no columns or fields called \"a-b\"",
        ),
        (
            &[("a b", "int")],
            DELTA,
            Output::default(),
            "Delta tables have no columns",
        ),
    ];
    for (columns, parameters, output, expect) in columns {
        platform.table_of(columns, parameters).await;
        match platform.try_create(converting(output)).await {
            Err(DeliveryError::NotConvertible(reason)) => assert!(reason.contains(expect), "{reason}"),
            other => panic!("{columns:?}: {other:?}"),
        }
        platform.drop_table().await;
    }
    platform.table(&[]).await;
    platform.create(converting(Output::default())).await;
    platform.drop_table().await;
    // Neither is an update to what is not there taken.
    let (deliveries, scope) = (&platform.deliveries, Scope::default());
    let update = deliveries.update(&scope, "flights", 1, converting(Output::default()), Value::Null);
    let missing = update.await;
    assert!(
        matches!(missing, Err(DeliveryError::Table(CatalogError::TableNotFound { .. }))),
        "{missing:?}"
    );
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_of_a_delivery_stream_is_removed_at_the_next_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.create(spec()).await;
    let delivery = platform.deliveries.get(&Scope::default(), "flights").expect("is there");
    // As a crash leaves it behind the removal's first transaction, or the creation's first.
    let gone = Delivery {
        uid: "gone".to_owned(),
        ..(*delivery).clone()
    };
    let stream = NewStream::new(own_stream(&gone), 1);
    platform.parts.streams.create(stream).await.expect("a stream");
    let half = gone.clone();
    let write = platform.parts.meta.write(move |tx| {
        let in_force = InForce {
            version: half.version,
            spec: half.spec.clone(),
        };
        checkpoint::begin(tx, &half.uid, &in_force, &[(1, 2)])?;
        checkpoint::remove_at_start(tx, &half.uid, &half.scope)
    });
    write.await.expect("writes");
    platform.close().await;

    let platform = Platform::open(dir.path());
    let meta = platform.parts.meta.clone();
    let removed = async || {
        checkpoint::being_removed(&meta)
            .expect("reads")
            .is_empty()
            .then_some(())
    };
    platform.until("the removal", removed).await;
    assert!(platform.parts.streams.get(&own_stream(&gone)).is_none());
    let progress = Progress::load(&platform.parts.meta, &gone.uid).expect("loads");
    assert!(progress.low.is_empty() && progress.in_force.is_none());
    assert!(platform.parts.streams.get(&own_stream(&delivery)).is_some());
    platform.put(&["still there"]).await;
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_callers_at_once_are_all_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.create(spec()).await;
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..20 {
        let deliveries = platform.deliveries.clone();
        callers.spawn(async move {
            let add = move |tags: &mut BTreeMap<String, String>| {
                tags.insert(n.to_string(), String::new());
                Ok::<_, DeliveryError>(())
            };
            deliveries.change_tags(&Scope::default(), "flights", add).await
        });
    }
    assert!(callers.join_all().await.iter().all(Result::is_ok));
    let delivery = platform.deliveries.get(&Scope::default(), "flights").expect("is there");
    assert_eq!(delivery.tags.len(), 20);
    platform.close().await;
}

const DELTA: &[(&str, &str)] = &[("table_type", "DELTA")];

fn to_delta() -> DeliverySpec {
    DeliverySpec {
        prefix: "flights/carrier=!{partitionKeyFromQuery:carrier}/".into(),
        partition_query: Some("{carrier: .c}".into()),
        conversion: Some(conversion()),
        ..spec()
    }
}

/// The rows of the Delta table's log and of the lines elsewhere.
async fn rows(platform: &Platform) -> (usize, usize) {
    let mut committed = 0;
    for (key, content) in platform.objects("flights/_delta_log/").await {
        if key.ends_with(".json") {
            let text = String::from_utf8(content.to_vec()).expect("text");
            let adds = text
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
            let adds = adds.filter_map(|action| action["add"]["stats"].as_str().map(str::to_owned));
            let stats = adds.map(|stats| serde_json::from_str::<Value>(&stats).expect("JSON"));
            committed += stats.filter_map(|stats| stats["numRecords"].as_u64()).sum::<u64>();
        }
    }
    (committed as usize, platform.lines("other/").await.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_delta_table_has_is_not_delivered_again_elsewhere_and_the_rest_is() {
    // With the work ended once the first is committed, and with a file that never was.
    for is_committed in [true, false] {
        let dir = tempfile::tempdir().expect("a directory");
        let mut platform = Platform::open(dir.path());
        platform.bucket().await;
        platform.table(DELTA).await;
        platform.create(to_delta()).await;
        if is_committed {
            platform.parts.faults.end.store(true, Ordering::SeqCst);
            platform.put(&[r#"{"n": 1, "c": "UA"}"#]).await;
            let there = async || (rows(&platform).await.0 == 1).then_some(());
            platform.until("a commit", there).await;
            platform.drop_table().await;
            // By which nothing can be appended any more.
            platform.table_of(&[("n", "string")], DELTA).await;
        } else {
            platform.drop_table().await;
            platform.table_of(&[("n", "array<int>")], DELTA).await;
            platform.put(&[r#"{"n": [1], "c": "UA"}"#]).await;
            platform.settled(1).await;
            platform.drop_table().await;
            platform.table_of(&[("n", "int")], DELTA).await;
            platform.put(&[r#"{"n": 2, "c": "UA"}"#]).await;
            platform.failure().await;
            // As a crash between the file and its commit leaves it.
            let delivery = platform.deliveries.get(&Scope::default(), "flights").expect("is there");
            let progress = Progress::load(&platform.parts.meta, &delivery.uid).expect("loads");
            let [(_, plan)] = &progress.plans[..] else {
                panic!("{progress:?}")
            };
            let file = platform.parts.objects.put_bytes(
                &plan.bucket,
                &plan.object_key,
                Bytes::from_static(b"PAR1"),
                Default::default(),
            );
            file.await.expect("writes");
        }
        platform.close().await;
        platform = Platform::open(dir.path());
        platform.failure().await;
        update(&platform, other()).await;
        platform.put(&["later"]).await;
        let expect = (1, if is_committed { 1 } else { 2 });
        platform
            .until("the rest elsewhere", async || {
                (rows(&platform).await.1 == expect.1).then_some(())
            })
            .await;
        platform.close().await;
        platform = Platform::open(dir.path());
        platform.put(&["last"]).await;
        platform
            .until("the last", async || (rows(&platform).await.1 > expect.1).then_some(()))
            .await;
        assert_eq!(rows(&platform).await, (expect.0, expect.1 + 1), "{is_committed}");
        // Nor does a file lie about that the table does not have.
        assert_eq!(platform.objects("flights/carrier=UA/").await.len(), 1);
        platform.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_asks_for_another_format_has_objects_named_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.table(&[]).await;
    platform
        .create(DeliverySpec {
            prefix: "flights/".into(),
            conversion: Some(conversion()),
            ..spec()
        })
        .await;
    platform.put(&[r#"{"n": 1}"#]).await;
    assert!(platform.failure().await.contains("no bucket"));
    platform.drop_table().await;
    platform.table(&[("catchment.output_format", "Avro")]).await;
    platform.bucket().await;
    platform.settled(1).await;
    let objects = platform.objects("flights/").await;
    let [(key, content)] = &objects[..] else {
        panic!("{objects:?}")
    };
    assert!(key.ends_with(".avro") && content.starts_with(b"Obj\x01"), "{key}");
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_delta_table_may_have_is_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.bucket().await;
    platform.table(DELTA).await;
    platform.create(to_delta()).await;
    platform.parts.faults.end.store(true, Ordering::SeqCst);
    platform.put(&[r#"{"n": 1, "c": "UA"}"#]).await;
    let committed = async || (rows(&platform).await.0 == 1).then_some(());
    platform.until("a commit", committed).await;
    // Whoever forgets the table in the catalog keeps its files.
    platform.drop_table().await;
    platform.close().await;
    let platform = Platform::open(dir.path());
    platform.failure().await;
    update(&platform, other()).await;
    platform
        .until("the record elsewhere", async || {
            (rows(&platform).await.1 == 1).then_some(())
        })
        .await;
    assert_eq!(platform.objects("flights/carrier=UA/").await.len(), 1);
    platform.close().await;
}
