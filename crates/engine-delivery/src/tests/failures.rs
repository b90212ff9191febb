//! What cannot be delivered, and what goes wrong on the way.

use base::AccountId;

use super::*;
use crate::checkpoint::{self, Step};
use crate::deliveries::own_stream;

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_no_object_can_have_is_an_error_of_the_record() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.bucket().await;
    platform
        .create(DeliverySpec {
            prefix: "raw/!{partitionKeyFromQuery:c}/".into(),
            partition_query: Some("{c: .c}".into()),
            ..spec()
        })
        .await;
    let record = |letter: &str, letters: usize| format!(r#"{{"c": "{}"}}"#, letter.repeat(letters));
    let (long, wide, deep) = (record("a", 1_100), record("\u{1f6e9}", 250), "[".repeat(1_000 << 10));
    platform
        .put(&[&record("a", 500), &long, &wide, &deep, &record("b", 1)])
        .await;
    platform.settled(5).await;
    assert_eq!(platform.lines("raw/").await, [record("a", 500), record("b", 1)]);
    let errors = platform.lines("errors/metadata-extraction-failed/").await.join("\n");
    for reason in ["longer than 512 characters", "longer than 1024 bytes", "is not JSON"] {
        assert!(errors.contains(reason), "{errors}");
    }
    assert_eq!(platform.status().last_error, None);
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_runs_away_is_an_error_of_the_record() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.bucket().await;
    let query = r#"def loop: loop; def deep: 1 + deep;
        {c: (if .run == "loop" then loop elif .run == "deep" then deep elif .run == "much" then [range(1e9)] | length
             elif .run == "pattern" then .c | test("(x+x+)+y") elif .run == "wide" then .c * 1e7 else .c end)}"#;
    platform
        .create(DeliverySpec {
            prefix: "raw/!{partitionKeyFromQuery:c}/".into(),
            partition_query: Some(query.into()),
            ..spec()
        })
        .await;
    let good: Vec<_> = (0..6).map(|n| format!(r#"{{"c": "good", "n": {n}}}"#)).collect();
    let runs = ["loop", "deep", "much", "pattern", "wide"];
    let bad = runs.map(|run| format!(r#"{{"c": "{}", "run": "{run}"}}"#, "x".repeat(40)));
    let mut records: Vec<&str> = Vec::new();
    for (good, bad) in good.iter().zip(&bad) {
        records.extend([good.as_str(), bad.as_str()]);
    }
    records.push(&good[5]);
    platform.put(&records).await;
    platform.settled(records.len() as u64).await;
    assert_eq!(platform.lines("raw/good/").await, good);
    let errors = platform.lines("errors/metadata-extraction-failed/").await;
    assert_eq!(errors.len(), bad.len());
    for error in errors {
        assert!(error.contains("the query was ended: "), "{error}");
    }
    assert_eq!(platform.status().last_error, None);
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_key_that_is_too_long_go_to_the_error_prefix() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.bucket().await;
    let prefix = "x".repeat(1_100);
    platform.create(DeliverySpec { prefix, ..spec() }).await;
    platform.put(&["a", "b"]).await;
    platform.settled(2).await;
    assert_eq!(platform.status().failed_records, 2);
    assert_eq!(platform.lines("errors/").await.len(), 2);
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_failures_do_not_wait_for_a_table_that_is_gone() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.bucket().await;
    platform.table(&[]).await;
    let partitioned = DeliverySpec {
        prefix: "flights/carrier=!{partitionKeyFromQuery:carrier}/".into(),
        partition_query: Some("{carrier: .c}".into()),
        conversion: Some(conversion()),
        ..spec()
    };
    platform.create(partitioned).await;
    platform.drop_table().await;
    platform.put(&["not json"]).await;
    platform.settled(1).await;
    assert_eq!(platform.lines("errors/metadata-extraction-failed/").await.len(), 1);
    // Beside others that wait, too.
    platform.put(&["not json", r#"{"n": 1, "c": "UA"}"#]).await;
    assert!(platform.failure().await.contains("no table d.t"));
    assert_eq!(platform.lines("errors/metadata-extraction-failed/").await.len(), 2);
    platform.table(&[]).await;
    platform.settled(3).await;
    assert_eq!(platform.lines("errors/metadata-extraction-failed/").await.len(), 2);
    assert_eq!(platform.objects("flights/carrier=UA/").await.len(), 1);
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_another_account_takes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    let account: AccountId = "111111111111".parse().expect("an account");
    let theirs = Scope::new(account, Scope::default().region);
    platform
        .parts
        .objects
        .create_bucket(&theirs, "lake")
        .await
        .expect("a bucket");
    platform.create(spec()).await;
    platform.put(&["a"]).await;
    assert!(platform.failure().await.contains("belongs to another account"));
    assert!(platform.objects("").await.is_empty());
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_object_is_not_overwritten_by_what_retention_left() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.bucket().await;
    platform.create(spec()).await;
    platform.parts.faults.end.store(true, Ordering::SeqCst);
    platform.put(&["a", "b", "c"]).await;
    let written = async || (!platform.objects("raw/").await.is_empty()).then_some(());
    platform.until("an object", written).await;
    let delivery = platform.deliveries.get(&Scope::default(), "flights").expect("is there");
    platform.close().await;

    let platform = Platform::open_with(dir.path(), |parts| {
        let stream = parts.streams.get(&own_stream(&delivery)).expect("a stream");
        stream.partitions()[0].trim(2);
    });
    platform
        .check_delivered_once(["a", "b", "c"].map(str::to_owned).to_vec())
        .await;
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_panics_begins_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.bucket().await;
    platform.create(spec()).await;
    platform.parts.faults.panic.store(true, Ordering::SeqCst);
    platform.put(&["a", "b"]).await;
    assert!(platform.failure().await.contains("the test asks for it"));
    platform
        .check_delivered_once(vec!["a".to_owned(), "b".to_owned()])
        .await;
    assert_eq!(platform.status().last_error, None);
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_above_the_end_of_its_partition_is_reported() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.bucket().await;
    platform.create(spec()).await;
    platform.put(&["a"]).await;
    platform.settled(1).await;
    let delivery = platform.deliveries.get(&Scope::default(), "flights").expect("is there");
    let stream = platform.parts.streams.get(&own_stream(&delivery)).expect("a stream");
    platform.parts.tasks.shutdown().await;
    let step = Step {
        low: vec![(stream.partitions()[0].id(), 1_000)],
        ..Step::default()
    };
    checkpoint::save_step(&platform.parts.meta, &delivery.uid, step)
        .await
        .expect("saves");
    platform.close().await;

    let platform = Platform::open(dir.path());
    assert!(platform.failure().await.contains("below the mark 1000"));
    platform.close().await;
}
