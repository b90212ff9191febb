//! The store as a whole: what is there after a crash, under concurrency, and against a model.

mod crash;
mod multipart;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use base::{Clock, ManualClock, Random, Scope, Tasks};
use bytes::Bytes;
use futures::StreamExt;
use proptest::prelude::*;
use store_meta::{Meta, Read};

use crate::*;

/// A store whose clock stands still, so that nothing settles by itself.
struct Fixture {
    dir: tempfile::TempDir,
    objects: Objects,
}

impl Fixture {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let objects = open(dir.path(), ManualClock::at(1_700_000_000_000).clock());
        objects
            .create_bucket(&Scope::default(), "lake")
            .await
            .expect("a bucket");
        Self { dir, objects }
    }

    /// What another process finds after this one is killed now.
    fn crash(&self) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        copy_dir(self.dir.path(), dir.path());
        let objects = open(dir.path(), ManualClock::at(1_700_000_000_000).clock());
        Self { dir, objects }
    }

    /// [`Fixture::crash`] with other files than those of now.
    fn crash_with(&self, change: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        copy_dir(self.dir.path(), dir.path());
        change(&dir.path().join("objects"));
        let objects = open(dir.path(), ManualClock::at(1_700_000_000_000).clock());
        Self { dir, objects }
    }

    async fn put(&self, key: &str, content: &str) -> ObjectInfo {
        let content = Bytes::copy_from_slice(content.as_bytes());
        self.objects
            .put_bytes("lake", key, content, PutOptions::default())
            .await
            .expect(key)
    }

    async fn get(&self, key: &str) -> Option<String> {
        match self.objects.get_bytes("lake", key).await {
            Ok(bytes) => Some(String::from_utf8(bytes.to_vec()).expect("text")),
            Err(ObjectError::NoSuchKey { .. }) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The paths of all files, staging included.
    fn files(&self) -> BTreeSet<String> {
        let root = self.dir.path().join("objects");
        let mut found = BTreeSet::new();
        let mut open = vec![root.clone()];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir)
                .expect("a directory")
                .map(|entry| entry.expect("an entry"))
            {
                match entry.file_type().expect("a type").is_dir() {
                    true => open.push(entry.path()),
                    false => {
                        let path = entry.path();
                        found.insert(
                            path.strip_prefix(&root)
                                .expect("inside")
                                .to_str()
                                .expect("text")
                                .to_owned(),
                        );
                    }
                }
            }
        }
        found.remove(".format");
        found
    }
}

fn open(dir: &Path, clock: Clock) -> Objects {
    let meta = Meta::open(dir.join("meta.redb")).expect("metadata");
    Objects::open(&dir.join("objects"), meta, clock, Random::from_os(), Tasks::new()).expect("opens")
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from)
        .expect("a directory")
        .map(|entry| entry.expect("an entry"))
    {
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy_dir(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("copies")),
        }
    }
}

#[tokio::test]
async fn objects_are_plain_files_and_come_back_as_they_went_in() {
    let f = Fixture::new().await;
    let options = PutOptions {
        headers: Headers {
            content_type: Some("text/csv".into()),
            ..Headers::default()
        },
        user: BTreeMap::from([("origin".into(), "EWR".into())]),
        tags: Tags::from([("kind".into(), "raw".into())]),
        ..PutOptions::default()
    };
    let put = f
        .objects
        .put_bytes("lake", "flights/year=2013/a.csv", Bytes::from_static(b"a,b\n"), options)
        .await
        .expect("puts");
    assert_eq!(put.etag, "f69f5b72bc79a92dc70c63c9aa142e36");
    assert_eq!(
        fs::read(f.dir.path().join("objects/lake/flights/year=2013/a.csv")).expect("a file"),
        b"a,b\n"
    );
    let reopened = f.crash();
    assert_eq!(
        reopened
            .objects
            .head("lake", "flights/year=2013/a.csv")
            .expect("is there"),
        put
    );
    assert_eq!(reopened.get("flights/year=2013/a.csv").await.as_deref(), Some("a,b\n"));
    assert!(
        f.objects
            .delete("lake", "flights/year=2013/a.csv")
            .await
            .expect("deletes")
    );
    assert!(
        !f.objects
            .delete("lake", "flights/year=2013/a.csv")
            .await
            .expect("deletes")
    );
    assert_eq!(f.files(), BTreeSet::new());
    assert!(
        !f.dir.path().join("objects/lake/flights").exists(),
        "empty directories go"
    );
    f.objects.delete_bucket("lake").await.expect("deletes");
    assert!(matches!(f.objects.bucket("lake"), Err(ObjectError::NoSuchBucket(_))));
    assert!(!f.dir.path().join("objects/lake").exists());
}

#[tokio::test]
async fn keys_that_no_file_system_takes_are_kept_side_by_side() {
    let f = Fixture::new().await;
    let long = "x".repeat(1024);
    let keys = [
        "a", "a/b", "a/b/c", "a/", "a//", "A", "A/b", "/", "//", ".", "..", "../x", "a/../b", "%", "^", "é", "\u{1}",
        &long,
    ];
    for order in [keys.to_vec(), keys.iter().rev().copied().collect()] {
        for key in &order {
            f.put(key, key).await;
        }
        for key in &order {
            assert_eq!(f.get(key).await.as_deref(), Some(*key));
        }
        let paths = f.files();
        assert_eq!(paths.len(), keys.len());
        assert!(paths.iter().all(|path| !path.starts_with(".staging")), "{paths:?}");
        let decoded: BTreeSet<_> = paths
            .iter()
            .map(|path| f.objects.key_of(&path["lake/".len()..]).expect("a key"))
            .collect();
        assert_eq!(decoded, keys.iter().map(|key| (*key).to_owned()).collect());
        let crashed = f.crash();
        assert_eq!(crashed.get("a/b").await.as_deref(), Some("a/b"));
        for key in &order {
            assert!(f.objects.delete("lake", key).await.expect("deletes"));
        }
        assert_eq!(f.files(), BTreeSet::new());
    }
    assert!(matches!(
        f.objects.begin_put("lake", "", PutOptions::default()),
        Err(ObjectError::KeyEmpty)
    ));
    let too_long = "x".repeat(1025);
    assert!(matches!(
        f.objects.begin_put("lake", &too_long, PutOptions::default()),
        Err(ObjectError::KeyTooLong { length: 1025 })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_conditional_writers_wins() {
    let f = Fixture::new().await;
    let attempt = |n: usize, condition: Condition| {
        let objects = f.objects.clone();
        async move {
            let options = PutOptions {
                condition,
                ..PutOptions::default()
            };
            objects
                .put_bytes("lake", "o", Bytes::from(n.to_string()), options)
                .await
        }
    };
    let outcomes = futures::future::join_all((0..24).map(|n| attempt(n, Condition::create()))).await;
    let winners: Vec<_> = (0..24).filter(|n| outcomes[*n].is_ok()).collect();
    assert_eq!(winners.len(), 1);
    assert!(
        outcomes
            .iter()
            .flat_map(|o| o.as_ref().err())
            .all(|e| matches!(e, ObjectError::PreconditionFailed(_)))
    );
    assert_eq!(f.get("o").await, Some(winners[0].to_string()));
    let etag = f.objects.head("lake", "o").expect("is there").etag;
    let outcomes = futures::future::join_all((100..124).map(|n| attempt(n, Condition::update(etag.clone())))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(
        f.files(),
        BTreeSet::from(["lake/o".to_owned()]),
        "refused writes leave nothing"
    );
    let missing = PutOptions {
        condition: Condition::update(etag),
        ..PutOptions::default()
    };
    let refused = f.objects.put_bytes("lake", "other", Bytes::new(), missing).await;
    assert!(matches!(refused, Err(ObjectError::NoSuchKey { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_never_see_a_torn_object() {
    let f = Fixture::new().await;
    let content = |n: usize| n.to_string().repeat(1 + n % 7);
    f.put("o", &content(0)).await;
    let writers = (0..4).map(|w| {
        let f = &f;
        async move {
            for n in (w..60).step_by(4) {
                f.put("o", &content(n)).await;
                if n % 10 == 9 {
                    f.objects.delete("lake", "o").await.expect("deletes");
                }
            }
        }
    });
    let writing = futures::future::join_all(writers);
    let reading = async {
        for _ in 0..300 {
            match f.objects.open_object("lake", "o").await {
                Ok(reader) => {
                    let bytes = reader.read_range(0..u64::MAX).await.expect("reads");
                    assert_eq!(reader.info().etag, hex::encode(digest::md5(&bytes)));
                }
                Err(ObjectError::NoSuchKey { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    futures::future::join(writing, reading).await;
    f.put("o", "last").await;
    assert_eq!(f.get("o").await.as_deref(), Some("last"));
    assert_eq!(f.files(), BTreeSet::from(["lake/o".to_owned()]));
}

#[tokio::test]
async fn content_is_checked_before_it_is_stored() {
    let f = Fixture::new().await;
    f.put("o", "old").await;
    for algorithm in Algorithm::ALL {
        let options = PutOptions {
            algorithm: Some(algorithm),
            ..PutOptions::default()
        };
        let mut writer = f.objects.begin_put("lake", "o", options.clone()).expect("begins");
        writer.write(Bytes::from_static(b"123456789")).await.expect("writes");
        let wrong = Checksum::full(algorithm, vec![0; algorithm.width()]);
        let refused = writer
            .finish(Expected {
                md5: None,
                checksum: Some(wrong),
            })
            .await;
        assert!(
            matches!(refused, Err(ObjectError::DigestMismatch { what: Digest::Checksum(a), .. }) if a == algorithm)
        );
        assert_eq!(f.get("o").await.as_deref(), Some("old"));
        let mut writer = f.objects.begin_put("lake", "p", options).expect("begins");
        writer.write(Bytes::from_static(b"123456789")).await.expect("writes");
        let right = Checksum::full(algorithm, checksum(algorithm, b"123456789"));
        let info = writer
            .finish(Expected {
                md5: Some(digest::md5(b"123456789")),
                checksum: Some(right.clone()),
            })
            .await;
        assert_eq!(info.expect("is right").checksum, Some(right));
    }
    let mut writer = f.objects.begin_put("lake", "o", PutOptions::default()).expect("begins");
    writer.write(Bytes::from(vec![7; 3 << 20])).await.expect("writes");
    drop(writer);
    // The piece that was being written goes when the disk has taken it.
    while f.files().len() > 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(f.files(), BTreeSet::from(["lake/o".to_owned(), "lake/p".to_owned()]));
}

#[tokio::test]
async fn ranges_and_streams_give_the_bytes_they_name() {
    let f = Fixture::new().await;
    let content: Vec<u8> = (0..2_000_003_u32).map(|n| (n % 251) as u8).collect();
    let mut writer = f.objects.begin_put("lake", "o", PutOptions::default()).expect("begins");
    for chunk in content.chunks(70_001) {
        writer.write(Bytes::copy_from_slice(chunk)).await.expect("writes");
    }
    let info = writer.finish(Expected::default()).await.expect("finishes");
    assert_eq!(info.etag, hex::encode(digest::md5(&content)));
    let reader = f.objects.open_object("lake", "o").await.expect("opens");
    for range in [0..1, 5..5, 10..2_000_003, 1_999_999..9_999_999, 3_000_000..3_000_001] {
        let expect = &content[(range.start as usize).min(content.len())..(range.end as usize).min(content.len())];
        assert_eq!(
            f.objects.read_range("lake", "o", range.clone()).await.expect("reads"),
            expect
        );
        let pieces: Vec<_> = reader
            .clone()
            .stream(range)
            .map(|piece| piece.expect("reads"))
            .collect()
            .await;
        assert_eq!(pieces.concat(), expect);
    }
    for (range, size, expect) in [
        (ByteRange::From(3), 10, Some(3..10)),
        (ByteRange::From(10), 10, None),
        (ByteRange::Between(2, 4), 10, Some(2..5)),
        (ByteRange::Between(2, 40), 10, Some(2..10)),
        (ByteRange::Between(4, 2), 10, None),
        (ByteRange::Between(0, u64::MAX), 10, Some(0..10)),
        (ByteRange::Last(3), 10, Some(7..10)),
        (ByteRange::Last(30), 10, Some(0..10)),
        (ByteRange::Last(0), 10, None),
        (ByteRange::Last(1), 0, None),
    ] {
        assert_eq!(range.resolve(size).ok(), expect, "{range:?}");
    }
}

#[tokio::test]
async fn copies_keep_or_replace_what_they_are_told_to() {
    let f = Fixture::new().await;
    let options = PutOptions {
        user: BTreeMap::from([("a".into(), "1".into())]),
        ..PutOptions::default()
    };
    f.objects
        .put_bytes("lake", "from", Bytes::from_static(b"content"), options)
        .await
        .expect("puts");
    let source = f.objects.open_object("lake", "from").await.expect("opens");
    let kept = f
        .objects
        .copy(&source, "lake", "to", CopyOptions::default())
        .await
        .expect("copies");
    assert_eq!((kept.etag.as_str(), kept.user.len()), (source.info().etag.as_str(), 1));
    assert_eq!(f.get("to").await.as_deref(), Some("content"));
    let replace = CopyOptions {
        metadata: Some((Headers::default(), BTreeMap::new())),
        algorithm: Some(Algorithm::Sha256),
        ..CopyOptions::default()
    };
    // Onto itself, with other metadata.
    let replaced = f.objects.copy(&source, "lake", "from", replace).await.expect("copies");
    assert!(replaced.user.is_empty());
    assert_eq!(
        replaced.checksum,
        Some(Checksum::full(
            Algorithm::Sha256,
            checksum(Algorithm::Sha256, b"content")
        ))
    );
    let create = CopyOptions {
        condition: Condition::create(),
        ..CopyOptions::default()
    };
    assert!(matches!(
        f.objects.copy(&source, "lake", "to", create).await,
        Err(ObjectError::PreconditionFailed(_))
    ));
}

#[tokio::test]
async fn buckets_have_one_owner_and_go_only_when_empty() {
    let f = Fixture::new().await;
    let again = f.objects.create_bucket(&Scope::default(), "lake").await;
    assert!(matches!(again, Err(ObjectError::BucketExists { owner, .. }) if owner == Scope::default()));
    f.put("o", "x").await;
    assert!(matches!(
        f.objects.delete_bucket("lake").await,
        Err(ObjectError::BucketNotEmpty(_))
    ));
    assert!(matches!(
        f.objects.create_bucket(&Scope::default(), ".staging").await,
        Err(ObjectError::InvalidBucketName { .. })
    ));
    f.objects
        .create_bucket(&Scope::default(), "a-first")
        .await
        .expect("a bucket");
    let names: Vec<_> = f
        .objects
        .buckets(&Scope::default().account)
        .expect("lists")
        .into_iter()
        .map(|b| b.name)
        .collect();
    assert_eq!(names, ["a-first", "lake"]);
    f.objects
        .set_bucket_cors("lake", Some("<xml/>".into()))
        .await
        .expect("sets");
    assert_eq!(
        f.crash().objects.bucket("lake").expect("is there").cors.as_deref(),
        Some("<xml/>")
    );
}

/// What a listing must give, by the definition of ListObjectsV2.
fn model(keys: &BTreeSet<String>, query: &ListQuery) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for key in keys.iter().filter(|key| key.starts_with(&query.prefix)) {
        let rest = &key[query.prefix.len()..];
        let entry = match query
            .delimiter
            .as_deref()
            .and_then(|d| rest.find(d).map(|at| at + d.len()))
        {
            Some(end) => key[..query.prefix.len() + end].to_owned(),
            None => key.clone(),
        };
        if found.last() != Some(&entry) {
            found.push(entry);
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pages_add_up_to_the_model(
        keys in proptest::collection::btree_set("[ab/é]{1,5}", 0..25),
        prefix in "[ab/]{0,2}",
        delimiter in proptest::option::of(prop_oneof![Just("/".to_owned()), Just("b".to_owned()), Just("//".to_owned())]),
        limit in 1_usize..6,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let entries = runtime.block_on(async {
            let f = Fixture::new().await;
            for key in &keys {
                f.put(key, "").await;
            }
            let mut query = ListQuery { prefix: prefix.clone(), start_after: None, delimiter: delimiter.clone(), limit };
            let mut entries = Vec::new();
            loop {
                let page = f.objects.list_query("lake", query.clone()).await.expect("lists");
                let mut both: Vec<_> = page.objects.into_iter().map(|o| o.key).chain(page.common_prefixes).collect();
                both.sort();
                assert!(both.len() <= limit);
                assert!(page.next.is_none() || both.len() == limit);
                entries.extend(both);
                match page.next {
                    Some(next) => query.start_after = Some(next),
                    None => return entries,
                }
            }
        });
        let query = ListQuery { prefix, start_after: None, delimiter, limit };
        prop_assert_eq!(entries, model(&keys, &query));
    }
}
