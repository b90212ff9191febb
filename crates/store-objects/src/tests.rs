//! The store as a whole: what is there after a crash, under concurrency, and against a model.

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
            .map(|path| decode_path(&path["lake/".len()..]).expect("a key"))
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

#[tokio::test]
async fn a_crash_leaves_the_old_object_or_the_new_one() {
    let f = Fixture::new().await;
    let old = f.put("k/o", "old").await;
    let before = f.crash();

    // Killed when the new file was staged but not committed.
    let killed = before.crash_with(|dir| fs::write(dir.join(".staging/0123"), "new").expect("writes"));
    assert_eq!(killed.objects.head("lake", "k/o").expect("is there"), old);
    assert_eq!(killed.get("k/o").await.as_deref(), Some("old"));
    assert_eq!(killed.files(), BTreeSet::from(["lake/k/o".to_owned()]));

    // Killed between the commit and the rename, with the old file still at the path.
    let new = f.put("k/o", "newer").await;
    let killed = f.crash_with(|dir| {
        fs::rename(dir.join("lake/k/o"), dir.join(".staging").join(&new.id)).expect("renames");
        fs::write(dir.join("lake/k/o"), "old").expect("writes");
    });
    assert_eq!(killed.objects.head("lake", "k/o").expect("is there"), new);
    assert_eq!(killed.get("k/o").await.as_deref(), Some("newer"));
    assert_eq!(killed.files(), BTreeSet::from(["lake/k/o".to_owned()]));

    // The same, with not even a directory.
    let killed = f.crash_with(|dir| {
        fs::rename(dir.join("lake/k/o"), dir.join(".staging").join(&new.id)).expect("renames");
        fs::remove_dir_all(dir.join("lake")).expect("removes");
    });
    assert_eq!(killed.get("k/o").await.as_deref(), Some("newer"));

    // Killed between the commit of a deletion and the removal of the file.
    f.objects.delete("lake", "k/o").await.expect("deletes");
    let killed = f.crash_with(|dir| {
        fs::create_dir_all(dir.join("lake/k")).expect("a directory");
        fs::write(dir.join("lake/k/o"), "newer").expect("writes");
    });
    assert_eq!(killed.get("k/o").await, None);
    assert_eq!(killed.files(), BTreeSet::new());
    // An object below the deleted one's path gets its place at the same opening.
    let below = f.put("k/o/p", "below").await;
    let killed = f.crash_with(|dir| {
        fs::rename(dir.join("lake/k/o/p"), dir.join(".staging").join(&below.id)).expect("renames");
        fs::remove_dir(dir.join("lake/k/o")).expect("removes");
        fs::write(dir.join("lake/k/o"), "newer").expect("writes");
    });
    assert_eq!(killed.files(), BTreeSet::from(["lake/k/o/p".to_owned()]));
    assert_eq!(killed.get("k/o/p").await.as_deref(), Some("below"));
}

#[tokio::test]
async fn a_file_where_a_deleted_objects_directory_was_does_not_keep_the_store_closed() {
    let f = Fixture::new().await;
    f.put("a/b/c", "deep").await;
    f.objects.delete("lake", "a/b/c").await.expect("deletes");
    f.put("a", "flat").await;
    f.put("other", "x").await;
    let killed = f.crash();
    assert_eq!(killed.get("a").await.as_deref(), Some("flat"));
    assert_eq!(
        killed.files(),
        BTreeSet::from(["lake/a".to_owned(), "lake/other".to_owned()])
    );
    let left = killed.objects.0.unsettled(None).expect("reads");
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn what_cannot_be_settled_holds_up_nothing_else() {
    let f = Fixture::new().await;
    f.put("good", "x").await;
    let stuck = f.put("stuck/k", "y").await;
    // A file of somebody else is where the object's directory belongs.
    let killed = f.crash_with(|dir| {
        fs::rename(dir.join("lake/stuck/k"), dir.join(".staging").join(&stuck.id)).expect("renames");
        fs::remove_dir(dir.join("lake/stuck")).expect("removes");
        fs::write(dir.join("lake/stuck"), "").expect("writes");
    });
    let left = killed.objects.0.unsettled(None).expect("reads");
    assert_eq!(left.len(), 1);
    assert_eq!(killed.get("stuck/k").await.as_deref(), Some("y"));
}

#[tokio::test]
async fn what_the_queue_did_not_take_is_found_in_the_records() {
    let dir = tempfile::tempdir().expect("a directory");
    let manual = ManualClock::at(1);
    let objects = open(dir.path(), manual.clock());
    objects
        .create_bucket(&Scope::default(), "lake")
        .await
        .expect("a bucket");
    let stored = objects.put_bytes("lake", "a", Bytes::from_static(b"x"), PutOptions::default());
    stored.await.expect("puts");
    // As if the queue had been full: the write is in no batch that names it.
    let name = record::ObjectName::new("lake", "a");
    let newer = record::Unsettled {
        id: "newer".into(),
        remove: Vec::new(),
    };
    let write = objects
        .0
        .meta
        .write(move |tx| tx.put(&record::UNSETTLED, &name, &newer));
    write.await.expect("writes");
    objects.0.settler.miss();
    while !objects.0.unsettled(None).expect("reads").is_empty() {
        manual.advance(std::time::Duration::from_secs(31));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_file_that_was_changed_behind_the_back_is_reported() {
    let f = Fixture::new().await;
    f.put("o", "content").await;
    fs::write(f.dir.path().join("objects/lake/o"), "other content").expect("writes");
    assert!(matches!(
        f.objects.get_bytes("lake", "o").await,
        Err(ObjectError::Damaged { .. })
    ));
    fs::remove_file(f.dir.path().join("objects/lake/o")).expect("removes");
    assert!(matches!(
        f.objects.get_bytes("lake", "o").await,
        Err(ObjectError::Damaged { .. })
    ));
    fs::write(f.dir.path().join("objects/.format"), "catchment objects 2\n").expect("writes");
    let meta = Meta::open(f.dir.path().join("other.redb")).expect("metadata");
    let opened = Objects::open(
        &f.dir.path().join("objects"),
        meta,
        Clock::system(),
        Random::from_os(),
        Tasks::new(),
    );
    assert!(opened.is_err_and(|error| error.to_string().contains("another version")));
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
async fn settling_drops_what_recovery_needs_no_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let manual = ManualClock::at(1);
    let meta = Meta::open(dir.path().join("meta.redb")).expect("metadata");
    let tasks = Tasks::new();
    let objects = Objects::open(
        &dir.path().join("objects"),
        meta.clone(),
        manual.clock(),
        Random::seeded(1),
        tasks.clone(),
    )
    .expect("opens");
    objects
        .create_bucket(&Scope::default(), "lake")
        .await
        .expect("a bucket");
    for key in ["a", "b/c"] {
        objects
            .put_bytes("lake", key, Bytes::from_static(b"x"), PutOptions::default())
            .await
            .expect("puts");
    }
    objects.delete("lake", "a").await.expect("deletes");
    tasks.shutdown().await;
    let left = meta.read(|s| s.scan(&record::UNSETTLED, &(), None, 10)).expect("reads");
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(
        meta.read(|s| s.get(&record::OBJECTS, &record::ObjectName::new("lake", "b/c")))
            .expect("reads")
            .map(|s| s.staged),
        Some(false)
    );
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
async fn multipart_uploads_follow_their_rules() {
    let f = Fixture::new().await;
    let part = |number: u32, content: Bytes, id: String| {
        let objects = f.objects.clone();
        async move {
            let mut writer = objects.begin_part("lake", "big", &id, number, None)?;
            writer.write(content).await?;
            writer.finish(Expected::default()).await
        }
    };
    let options = UploadOptions {
        algorithm: Some(Algorithm::Crc32),
        ..UploadOptions::default()
    };
    let id = f.objects.create_upload("lake", "big", options).await.expect("begins");
    let first = Bytes::from(vec![1; PART_BYTES_MIN as usize]);
    part(1, Bytes::from_static(b"replaced"), id.clone())
        .await
        .expect("uploads");
    let one = part(1, first.clone(), id.clone()).await.expect("uploads");
    let two = part(2, Bytes::from_static(b"two"), id.clone()).await.expect("uploads");
    let three = part(3, Bytes::from_static(b"three"), id.clone())
        .await
        .expect("uploads");
    let named = |part: &UploadPart| CompletePart {
        number: part.number,
        etag: part.etag.clone(),
        checksum: None,
    };
    let complete = |parts: Vec<CompletePart>| {
        let complete = CompleteUpload {
            parts,
            ..CompleteUpload::default()
        };
        f.objects.complete_upload("lake", "big", &id, complete)
    };
    assert!(matches!(complete(vec![]).await, Err(ObjectError::NoParts)));
    assert!(matches!(
        complete(vec![named(&two), named(&one)]).await,
        Err(ObjectError::InvalidPartOrder)
    ));
    assert!(matches!(
        complete(vec![named(&one), named(&two), named(&three)]).await,
        Err(ObjectError::PartTooSmall { number: 2, .. })
    ));
    let wrong = CompletePart {
        etag: two.etag.clone(),
        ..named(&one)
    };
    assert!(matches!(
        complete(vec![wrong]).await,
        Err(ObjectError::InvalidPart { number: 1 })
    ));
    assert!(matches!(
        complete(vec![
            named(&one),
            CompletePart {
                number: 9,
                ..named(&two)
            }
        ])
        .await,
        Err(ObjectError::InvalidPart { number: 9 })
    ));
    let page = f
        .objects
        .uploads(
            "lake",
            UploadsQuery {
                limit: 10,
                ..UploadsQuery::default()
            },
        )
        .await
        .expect("lists");
    assert_eq!(page.uploads.len(), 1);
    // Parts survive a crash.
    let crashed = f.crash();
    assert_eq!(
        crashed
            .objects
            .upload_parts("lake", "big", &id, 0, 10)
            .expect("lists")
            .len(),
        3
    );
    assert_eq!(crashed.files().len(), 3);

    let info = complete(vec![named(&one), named(&three)]).await.expect("completes");
    let whole = [first.as_ref(), b"three"].concat();
    let digests = [digest::md5(&first), digest::md5(b"three")].concat();
    assert_eq!(info.etag, format!("{}-2", hex::encode(digest::md5(&digests))));
    assert_eq!(
        info.checksum,
        Some(Checksum::full(Algorithm::Crc32, checksum(Algorithm::Crc32, &whole)))
    );
    assert_eq!(f.objects.get_bytes("lake", "big").await.expect("reads"), whole);
    assert_eq!(
        f.objects.object_part_range(&info, 3).expect("reads"),
        Some(PART_BYTES_MIN..PART_BYTES_MIN + 5)
    );
    // Whoever missed the answer gets it again, unless the call is another or the object is another.
    assert_eq!(
        complete(vec![named(&one), named(&three)]).await.expect("is completed"),
        info
    );
    assert!(matches!(
        complete(vec![named(&one)]).await,
        Err(ObjectError::NoSuchUpload(_))
    ));
    assert_eq!(f.files(), BTreeSet::from(["lake/big".to_owned()]));
    f.put("big", "another").await;
    assert!(matches!(
        complete(vec![named(&one), named(&three)]).await,
        Err(ObjectError::NoSuchUpload(_))
    ));

    let id = f
        .objects
        .create_upload("lake", "big", UploadOptions::default())
        .await
        .expect("begins");
    part(1, Bytes::from_static(b"x"), id.clone()).await.expect("uploads");
    f.objects.abort_upload("lake", "big", &id).await.expect("aborts");
    assert!(matches!(
        f.objects.abort_upload("lake", "big", &id).await,
        Err(ObjectError::NoSuchUpload(_))
    ));
    assert!(matches!(
        part(1, Bytes::new(), id).await,
        Err(ObjectError::NoSuchUpload(_))
    ));
    assert_eq!(f.files(), BTreeSet::from(["lake/big".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_complete_an_upload_at_once_get_the_same_answer() {
    let f = Fixture::new().await;
    let id = f
        .objects
        .create_upload("lake", "k", UploadOptions::default())
        .await
        .expect("begins");
    let mut writer = f.objects.begin_part("lake", "k", &id, 1, None).expect("begins");
    writer.write(Bytes::from(vec![7; 1 << 20])).await.expect("writes");
    let part = writer.finish(Expected::default()).await.expect("uploads");
    let complete = || CompleteUpload {
        parts: vec![CompletePart {
            number: 1,
            etag: part.etag.clone(),
            checksum: None,
        }],
        condition: Condition::create(),
        ..CompleteUpload::default()
    };
    // One caller goes away as soon as its call is under way.
    let gone = f.objects.complete_upload("lake", "k", &id, complete());
    assert!(tokio::time::timeout(std::time::Duration::ZERO, gone).await.is_err());
    let calls = (0..8).map(|_| f.objects.complete_upload("lake", "k", &id, complete()));
    let answers: Vec<_> = futures::future::join_all(calls).await;
    let ids: BTreeSet<_> = answers
        .into_iter()
        .map(|answer| answer.expect("completes").id)
        .collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(f.files(), BTreeSet::from(["lake/k".to_owned()]));
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
