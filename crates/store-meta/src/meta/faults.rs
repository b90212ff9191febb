//! The store on a disk that fails when told to.

use std::collections::BTreeSet;
use std::io::{Error, ErrorKind};
use std::sync::atomic::{AtomicU8, Ordering};

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::*;
use crate::{Keyspace, Read};

const NAMES: Keyspace<String, String> = Keyspace::new("names");

const WELL: u8 = 0;
/// What has a place on the disk can be read and written anew; nothing gets a new place.
const FULL: u8 = 1;
/// Nothing works.
const BROKEN: u8 = 2;
/// Everything works but bringing what was written to the disk.
const UNSYNCED: u8 = 3;
const BLOCK_BYTES: u64 = 4096;

/// A disk and its condition. Clones are the same disk, so that its content outlives the database on it.
///
/// As on a file system, a file that grows gets its blocks when they are first written, not before.
#[derive(Debug, Clone, Default)]
struct Disk {
    content: Arc<InMemoryBackend>,
    blocks: Arc<Mutex<BTreeSet<u64>>>,
    condition: Arc<AtomicU8>,
}

impl Disk {
    fn become_(&self, condition: u8) {
        self.condition.store(condition, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), Error> {
        match self.condition.load(Ordering::SeqCst) {
            BROKEN => Err(ErrorKind::Other.into()),
            _ => Ok(()),
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, Error> {
        self.check()?;
        self.content.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        self.check()?;
        StorageBackend::read(&*self.content, offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        self.check()?;
        self.blocks
            .lock()
            .expect("no panic")
            .split_off(&len.div_ceil(BLOCK_BYTES));
        self.content.set_len(len)
    }

    fn sync_data(&self) -> Result<(), Error> {
        self.check()?;
        match self.condition.load(Ordering::SeqCst) {
            UNSYNCED => Err(ErrorKind::Other.into()),
            _ => Ok(()),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.check()?;
        let mut blocks = self.blocks.lock().expect("no panic");
        let touched = offset / BLOCK_BYTES..(offset + data.len() as u64).div_ceil(BLOCK_BYTES);
        let is_full = self.condition.load(Ordering::SeqCst) == FULL;
        if is_full && touched.clone().any(|block| !blocks.contains(&block)) {
            return Err(ErrorKind::StorageFull.into());
        }
        blocks.extend(touched);
        StorageBackend::write(&*self.content, offset, data)
    }
}

fn open(disk: &Disk) -> Meta {
    let disk = disk.clone();
    let open = move || builder().create_with_backend(disk.clone()).map_err(MetaError::storage);
    Meta::start(Box::new(open)).expect("opens")
}

/// Puts a value that does not fit into what the file has free.
async fn put(meta: &Meta, name: &str) -> Result<(), MetaError> {
    let name = name.to_owned();
    meta.write(move |tx| tx.put(&NAMES, &name, &"x".repeat(3 << 20))).await
}

fn names(meta: &Meta) -> Result<Vec<String>, MetaError> {
    let found = meta.read(|s| s.scan(&NAMES, &(), None, usize::MAX))?;
    Ok(found.into_iter().map(|(name, _)| name).collect())
}

#[tokio::test]
async fn a_full_disk_refuses_writes_keeps_what_is_there_and_recovers() {
    let disk = Disk::default();
    let meta = open(&disk);
    put(&meta, "a").await.expect("writes");
    disk.become_(FULL);
    // The first failure makes the file be opened again; later ones fail before a transaction begins.
    for _ in 0..3 {
        let refused = put(&meta, "b").await;
        assert!(matches!(refused, Err(MetaError::Full)), "{refused:?}");
    }
    let mut many = tokio::task::JoinSet::new();
    for n in 0..20 {
        let meta = meta.clone();
        many.spawn(async move { put(&meta, &format!("c{n}")).await });
    }
    for refused in many.join_all().await {
        assert!(matches!(refused, Err(MetaError::Full)), "{refused:?}");
    }
    assert_eq!(names(&meta).expect("reads while the disk is full"), ["a"]);
    disk.become_(WELL);
    put(&meta, "d").await.expect("writes again");
    assert_eq!(names(&meta).expect("reads"), ["a", "d"]);
    drop(meta);
    assert_eq!(names(&open(&disk)).expect("reads after opening"), ["a", "d"]);
}

#[tokio::test]
async fn a_broken_disk_is_named_and_its_repair_is_found() {
    let disk = Disk::default();
    let meta = open(&disk);
    put(&meta, "a").await.expect("writes");
    disk.become_(BROKEN);
    for _ in 0..3 {
        let refused = put(&meta, "b").await;
        assert!(matches!(refused, Err(MetaError::Storage(_))), "{refused:?}");
    }
    let refused = names(&meta);
    assert!(matches!(refused, Err(MetaError::Storage(_))), "{refused:?}");
    disk.become_(WELL);
    // Readers find the repair without a write.
    assert_eq!(names(&meta).expect("reads again"), ["a"]);
    put(&meta, "c").await.expect("writes again");
    assert_eq!(names(&meta).expect("reads"), ["a", "c"]);
}

#[tokio::test]
async fn after_a_commit_of_uncertain_outcome_only_a_restart_writes_again() {
    let disk = Disk::default();
    let meta = open(&disk);
    put(&meta, "a").await.expect("writes");
    disk.become_(UNSYNCED);
    // What fits into the file as it is reaches the disk with the commit only.
    let refused = meta.write(|tx| tx.put(&NAMES, &"b".to_owned(), &String::new())).await;
    assert!(matches!(refused, Err(MetaError::Uncertain(_))), "{refused:?}");
    disk.become_(WELL);
    let refused = put(&meta, "c").await;
    assert!(matches!(refused, Err(MetaError::Uncertain(_))), "{refused:?}");
    assert!(names(&meta).expect("reads go on").contains(&"a".to_owned()));
    drop(meta);
    let meta = open(&disk);
    put(&meta, "d").await.expect("writes after a restart");
    let names = names(&meta).expect("reads");
    assert!(
        names.contains(&"d".to_owned()) && !names.contains(&"c".to_owned()),
        "{names:?}"
    );
}

#[tokio::test]
async fn callers_wait_where_the_queue_is_full_and_all_are_answered() {
    let disk = Disk::default();
    let meta = open(&disk);
    let (go, going) = mpsc::channel::<()>();
    let mut blocked = tokio::task::JoinSet::new();
    blocked.spawn({
        let meta = meta.clone();
        async move {
            let wait = move |_: &mut crate::Tx<'_>| {
                assert!(going.recv().is_err());
                Ok::<_, MetaError>(())
            };
            meta.write(wait).await
        }
    });
    let mut many = tokio::task::JoinSet::new();
    for n in 0..JOBS_WAITING_MAX + 10 {
        let meta = meta.clone();
        many.spawn(async move {
            meta.write(move |tx| tx.put(&NAMES, &n.to_string(), &String::new()))
                .await
        });
    }
    while meta.0.waiting.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    drop(go);
    assert!(blocked.join_all().await.iter().all(Result::is_ok));
    assert!(many.join_all().await.iter().all(Result::is_ok));
}
