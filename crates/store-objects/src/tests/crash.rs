//! What is there after a crash, and what recovery finds.

use super::*;

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
async fn a_store_keeps_the_names_that_it_began_with() {
    let f = Fixture::new().await;
    f.put("country=DE/a", "new").await;
    assert!(f.dir.path().join("objects/lake/country=DE/a").exists());
    // One of a file system that folds case, or of an earlier version, which escaped case everywhere.
    let folded = f.crash_with(|objects| {
        fs::write(objects.join(".format"), "catchment objects 1\n").expect("writes");
    });
    folded.put("country=FR/a", "old").await;
    assert!(folded.dir.path().join("objects/lake/country=^FR/a").exists());
    assert_eq!(folded.objects.key_of("country=^FR/a").as_deref(), Some("country=FR/a"));
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
