use std::time::Duration;

use base::{Clock, ManualClock, Scope, Tasks};
use store_meta::Meta;

use super::*;
use crate::{Batch, LogOptions};

struct Place {
    dir: tempfile::TempDir,
    clock: ManualClock,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a directory"),
            clock: ManualClock::at(1_700_000_000_000),
        }
    }

    fn open(&self) -> Streams {
        self.open_with(Duration::ZERO)
    }

    fn open_with(&self, state_delay: Duration) -> Streams {
        let (clock, tasks): (Clock, Tasks) = (self.clock.clock(), Tasks::new());
        let log = Log::open(LogOptions::new(
            self.dir.path().join("log"),
            clock.clone(),
            tasks.clone(),
        ))
        .expect("opens");
        let meta = Meta::open(self.dir.path().join("meta.redb")).expect("opens");
        Streams::open_with(log, meta, clock, tasks, state_delay).expect("opens")
    }
}

async fn close(streams: Streams) {
    streams.0.tasks.shutdown().await;
    streams.0.log.close().await;
}

fn id(name: &str) -> StreamId {
    StreamId::new(Kind::Data, &Scope::default(), name)
}

async fn put(streams: &Streams, stream: &Stream, key: &str) -> u64 {
    let shard = stream.shard_for(HashKey::of(key.as_bytes())).expect("a shard");
    let mut batch = Batch::new(&stream.partitions()[shard], 0, 0);
    batch.push(key.as_bytes(), None, b"data");
    streams.log().append(vec![batch]).await.expect("appends")[0].base_offset
}

#[tokio::test]
async fn streams_and_their_records_outlive_a_restart() {
    let place = Place::new();
    let streams = place.open();
    let stream = streams.create(NewStream::new(id("a"), 3)).await.expect("creates");
    for n in 0..100 {
        put(&streams, &stream, &format!("key {n}")).await;
    }
    assert!(matches!(
        streams.create(NewStream::new(id("a"), 1)).await,
        Err(StreamError::Exists)
    ));
    let internal = StreamId {
        kind: Kind::Internal,
        ..id("a")
    };
    streams
        .create(NewStream::new(internal.clone(), 1))
        .await
        .expect("another kind has its own names");
    close(streams).await;
    drop(stream);

    let streams = place.open();
    let stream = streams.get(&id("a")).expect("there");
    let mut found = 0;
    for partition in stream.partitions() {
        found += streams
            .log()
            .read(partition, 0, usize::MAX, usize::MAX)
            .await
            .expect("reads")
            .records
            .len();
    }
    assert_eq!((found, stream.shards.len()), (100, 3));
    assert_eq!(streams.list(Kind::Data, &Scope::default(), None, 10).len(), 1);
    assert!(streams.get(&internal).is_some());
    close(streams).await;
}

#[tokio::test]
async fn a_deleted_stream_takes_its_records_along_and_its_name_is_free() {
    let place = Place::new();
    let streams = place.open();
    let first = streams.create(NewStream::new(id("a"), 1)).await.expect("creates");
    put(&streams, &first, "k").await;
    streams.delete(&id("a")).await.expect("deletes");
    assert!(matches!(streams.delete(&id("a")).await, Err(StreamError::NotFound)));
    let mut batch = Batch::new(&first.partitions()[0], 0, 0);
    batch.push(b"k", None, b"late");
    assert!(matches!(
        streams.log().append(vec![batch]).await,
        Err(LogError::NoPartition)
    ));
    let second = streams.create(NewStream::new(id("a"), 1)).await.expect("creates");
    assert_ne!(first.uid, second.uid);
    assert_eq!(second.partitions()[0].end_offset(), 0);
    close(streams).await;
}

#[tokio::test]
async fn lists_go_on_behind_a_name_and_updates_are_kept() {
    let place = Place::new();
    let streams = place.open();
    for name in ["a", "b", "c", "d"] {
        streams.create(NewStream::new(id(name), 1)).await.expect("creates");
    }
    let names = |after: Option<&str>, limit| {
        let listed = streams.list(Kind::Data, &Scope::default(), after, limit);
        listed.iter().map(|stream| stream.id.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 2), ["a", "b"]);
    assert_eq!(names(Some("b"), 10), ["c", "d"]);
    assert_eq!(names(Some("bb"), 1), ["c"]);
    let tag = async |value: &'static str, fails: bool| {
        let change = move |info: &mut StreamInfo| {
            info.tags.insert("team".into(), value.into());
            if fails { Err(StreamError::Stopping) } else { Ok(()) }
        };
        streams.update(&id("a"), change).await
    };
    tag("kept", false).await.expect("updates");
    assert!(tag("lost", true).await.is_err());
    assert_eq!(streams.get(&id("a")).expect("there").tags["team"], "kept");
    close(streams).await;
}

#[tokio::test]
async fn raising_the_retention_brings_nothing_back_even_after_a_restart() {
    let place = Place::new();
    let streams = place.open();
    let stream = streams.create(NewStream::new(id("a"), 1)).await.expect("creates");
    put(&streams, &stream, "old").await;
    place.clock.advance(Duration::from_secs(23 * 3600));
    put(&streams, &stream, "young").await;
    let count = async |streams: &Streams| {
        let stream = streams.get(&id("a")).expect("there");
        streams
            .log()
            .read(&stream.partitions()[0], 0, usize::MAX, usize::MAX)
            .await
            .expect("reads")
            .records
            .len()
    };
    assert_eq!(count(&streams).await, 2);
    place.clock.advance(Duration::from_secs(2 * 3600));
    assert_eq!(count(&streams).await, 1);
    streams
        .set_retention(&id("a"), 48, |_| Ok::<_, StreamError>(()))
        .await
        .expect("raises");
    assert_eq!(count(&streams).await, 1);
    close(streams).await;
    drop(stream);
    let streams = place.open();
    assert_eq!(count(&streams).await, 1);
    assert_eq!(streams.get(&id("a")).expect("there").retention_hours, 48);
    close(streams).await;
}

fn split(stream: &Stream) -> Result<Vec<Step>, StreamError> {
    let at = HashKey(stream.shards[0].last_hash.0 / 2);
    Ok(vec![Step::Split { shard: 0, at }])
}

#[tokio::test]
async fn a_split_shard_takes_nothing_more_and_its_children_take_over() {
    let place = Place::new();
    let streams = place.open();
    let before = streams.create(NewStream::new(id("a"), 2)).await.expect("creates");
    for n in 0..50 {
        put(&streams, &before, &format!("key {n}")).await;
    }
    let waiting = {
        let (log, partition) = (streams.log().clone(), before.partitions()[0].clone());
        let end = partition.end_offset();
        Tasks::new().spawn(async move { log.wait_for(&partition, end).await })
    };
    streams.reshard(&id("a"), split).await.expect("splits");
    assert!(
        matches!(waiting.await.expect("ends"), Err(LogError::Fenced)),
        "readers learn of it"
    );
    let mut late = Batch::new(&before.partitions()[0], 0, 0);
    late.push(b"key", None, b"late");
    assert!(matches!(streams.log().append(vec![late]).await, Err(LogError::Fenced)));
    let after = streams.get(&id("a")).expect("there");
    let closed = after.shards[0].closed.expect("closed");
    assert_eq!(closed.end_offset, after.partitions()[0].end_offset());
    assert!(closed.end_offset > 0 && after.open_shards() == 3);
    assert_eq!(
        (after.shards[2].parents.as_slice(), after.shards[3].parents.as_slice()),
        (&[0][..], &[0][..])
    );
    for n in 0..50 {
        put(&streams, &after, &format!("key {n}")).await;
    }
    assert!(after.partitions()[2].end_offset() > 0 && after.partitions()[3].end_offset() > 0);
    close(streams).await;
    let again = place.open();
    assert_eq!(**again.get(&id("a")).expect("there"), **after);
}

#[tokio::test]
async fn a_change_that_cannot_be_made_leaves_the_shards_open() {
    let place = Place::new();
    let streams = place.open();
    let stream = streams.create(NewStream::new(id("a"), 2)).await.expect("creates");
    // The second step fails after the first has been found possible and the log has been told.
    let steps = vec![
        Step::Merge { shard: 0, adjacent: 1 },
        Step::Merge { shard: 0, adjacent: 1 },
    ];
    let failed = streams.reshard(&id("a"), move |_| Ok::<_, StreamError>(steps)).await;
    assert!(matches!(failed, Err(StreamError::InvalidSteps)));
    assert_eq!(**streams.get(&id("a")).expect("there"), **stream);
    put(&streams, &stream, "key").await;
}

#[tokio::test]
async fn passing_states_take_their_time_and_outlive_a_restart() {
    let place = Place::new();
    let delay = Duration::from_secs(30);
    let streams = place.open_with(delay);
    let status = |streams: &Streams| streams.get(&id("a")).map(|stream| stream.status);
    let passes = async |streams: &Streams, until: Option<StreamStatus>| {
        while status(streams) != until {
            place.clock.advance(delay);
            tokio::task::yield_now().await;
        }
    };
    streams.create(NewStream::new(id("a"), 1)).await.expect("creates");
    assert_eq!(status(&streams), Some(StreamStatus::Creating));
    passes(&streams, Some(StreamStatus::Active)).await;
    streams.reshard(&id("a"), split).await.expect("begins");
    assert_eq!(status(&streams), Some(StreamStatus::Updating));
    assert_eq!(streams.get(&id("a")).expect("there").shards.len(), 1);
    close(streams).await;
    let streams = place.open_with(delay);
    assert_eq!(status(&streams), Some(StreamStatus::Updating));
    passes(&streams, Some(StreamStatus::Active)).await;
    assert_eq!(streams.get(&id("a")).expect("there").shards.len(), 3);
    streams.delete(&id("a")).await.expect("begins");
    assert_eq!(status(&streams), Some(StreamStatus::Deleting));
    passes(&streams, None).await;
}
