//! The store: one redb file, one committing thread, any number of readers.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, mpsc};
use std::thread::JoinHandle;

use redb::{Database, ReadableDatabase, WriteTransaction};
use tokio::sync::{Semaphore, oneshot};

use crate::{MetaError, Snapshot, Tx};

/// How many closures may share one commit.
const JOBS_PER_COMMIT_MAX: usize = 1024;
/// How many closures may wait for a commit; further callers wait to get in.
const JOBS_WAITING_MAX: usize = 16 * JOBS_PER_COMMIT_MAX;
/// What redb may keep of the file in memory.
const CACHE_BYTES: usize = 16 << 20;

type Answer = Box<dyn FnOnce(Result<(), MetaError>) + Send>;
/// Runs a closure in the given transaction, or, where none could begin, answers it with the reason.
type Job = Box<dyn FnOnce(Result<&WriteTransaction, MetaError>) -> Result<Answer, (Answer, MetaError)> + Send>;
type Opener = Box<dyn Fn() -> Result<Database, MetaError> + Send + Sync>;

/// A handle on the store; clones share it. The last one to go closes the file.
#[derive(Clone)]
pub struct Meta(Arc<Inner>);

struct Inner {
    file: Arc<File>,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    waiting: Arc<Semaphore>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

/// The database, or why it could not be opened again after an I/O error.
struct File {
    open: Opener,
    database: RwLock<Result<Database, MetaError>>,
    /// Why nothing is written any more until the next start: a commit failed, and nobody knows what of it the disk
    /// has. The page cache may show the transaction as kept, or what follows may be built on pages that never
    /// reached the disk.
    uncertain: OnceLock<MetaError>,
}

impl Meta {
    /// Opens the file at `path`, or makes it. A crash at any moment leaves the last committed state.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, MetaError> {
        let path = path.as_ref().to_owned();
        Self::start(Box::new(move || builder().create(&path).map_err(MetaError::storage)))
    }

    fn start(open: Opener) -> Result<Self, MetaError> {
        let database = RwLock::new(Ok(open()?));
        let file = Arc::new(File {
            open,
            database,
            uncertain: OnceLock::new(),
        });
        let (jobs, queue) = mpsc::channel();
        let committer = std::thread::Builder::new()
            .name("meta-commit".into())
            .spawn({
                let file = file.clone();
                move || commit_loop(&file, &queue)
            })
            .map_err(|e| MetaError::Storage(e.to_string()))?;
        Ok(Self(Arc::new(Inner {
            file,
            jobs: Mutex::new(Some(jobs)),
            waiting: Arc::new(Semaphore::new(JOBS_WAITING_MAX)),
            committer: Mutex::new(Some(committer)),
        })))
    }

    /// Runs `work` on a consistent view of the store.
    pub fn read<T, E: From<MetaError>>(&self, work: impl FnOnce(&Snapshot) -> Result<T, E>) -> Result<T, E> {
        let mut guard = self.0.file.opened();
        if guard.is_err() {
            drop(guard);
            self.0.file.reopen_if_closed();
            guard = self.0.file.opened();
        }
        let database = guard.as_ref().map_err(MetaError::clone)?;
        let transaction = database.begin_read().map_err(MetaError::storage)?;
        work(&Snapshot { transaction })
    }

    /// Runs `work` in a transaction and returns when it is durable. An error of `work` undoes its writes.
    pub async fn write<T, E>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<MetaError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let waiting = self.0.waiting.clone().acquire_owned().await;
        let waiting = waiting.map_err(|_| MetaError::Closed)?;
        // The job keeps its place until it is answered, whether or not its caller still waits.
        let answer = move |result| {
            drop(waiting);
            drop(answer.send(result));
        };
        self.submit(job(work, answer))?;
        answered.await.unwrap_or_else(|_| Err(MetaError::Closed.into()))
    }

    /// [`Meta::write`] for threads outside the runtime, such as start-up; they are few and each waits for its answer.
    pub fn write_blocking<T, E>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<MetaError> + Send + 'static,
    {
        let (answer, answered) = mpsc::channel();
        self.submit(job(work, move |result| drop(answer.send(result))))?;
        answered.recv().unwrap_or_else(|_| Err(MetaError::Closed.into()))
    }

    fn submit(&self, job: Job) -> Result<(), MetaError> {
        let jobs = self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.as_ref()
            .ok_or(MetaError::Closed)?
            .send(job)
            .map_err(|_| MetaError::Closed)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(committer) = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // The committer drains its queue first, so that what was submitted is answered.
            drop(committer.join());
        }
    }
}

/// Wraps typed work into a job that the committing thread can run and, after the commit, answer.
fn job<T, E>(
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    answer: impl FnOnce(Result<T, E>) + Send + 'static,
) -> Job
where
    T: Send + 'static,
    E: From<MetaError> + Send + 'static,
{
    Box::new(move |transaction| {
        let mut tx = match transaction {
            Ok(transaction) => Tx::new(transaction),
            Err(error) => return Ok(Box::new(move |_| answer(Err(error.into())))),
        };
        match catch_unwind(AssertUnwindSafe(|| work(&mut tx))) {
            Ok(Ok(value)) => Ok(Box::new(move |committed| {
                answer(committed.map(|()| value).map_err(E::from))
            })),
            Ok(Err(error)) => match tx.roll_back() {
                Ok(()) => Ok(Box::new(move |_| answer(Err(error)))),
                Err(storage) => Err((Box::new(move |_| answer(Err(error))), storage)),
            },
            Err(panic) => {
                let error = MetaError::Storage(format!("a transaction panicked: {}", panic_text(&*panic)));
                let rolled_back = tx.roll_back();
                let answer: Answer = Box::new(move |_| answer(Err(E::from(error))));
                match rolled_back {
                    Ok(()) => Ok(answer),
                    Err(storage) => Err((answer, storage)),
                }
            }
        }
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

fn commit_loop(file: &File, queue: &mpsc::Receiver<Job>) {
    while let Ok(first) = queue.recv() {
        let jobs = std::iter::once(first)
            .chain(queue.try_iter().take(JOBS_PER_COMMIT_MAX - 1))
            .collect();
        let was_uncertain = file.uncertain.get().is_some();
        let (answers, outcome) = commit(file, jobs);
        if let Err(error) = &outcome {
            tracing::error!(%error, "a metadata transaction failed");
            // redb refuses all work after an I/O error, reading too, until the file is opened afresh.
            if !was_uncertain {
                file.reopen();
            }
        }
        for answer in answers {
            answer(outcome.clone());
        }
    }
}

/// Runs the jobs in one transaction. On an error before the commit nothing of any of them was kept; nor was it where
/// the commit found the disk full. What another failure of the commit kept is uncertain.
fn commit(file: &File, jobs: Vec<Job>) -> (Vec<Answer>, Result<(), MetaError>) {
    let guard = file.opened();
    let begun = match file.uncertain.get() {
        Some(error) => Err(error.clone()),
        None => guard
            .as_ref()
            .map_err(MetaError::clone)
            .and_then(|database| database.begin_write().map_err(MetaError::storage)),
    };
    let mut answers = Vec::with_capacity(jobs.len());
    let mut outcome = begun.as_ref().map(drop).map_err(MetaError::clone);
    for job in jobs {
        // Once the disk has failed, what follows fails for the same reason and need not be tried.
        let transaction = match &outcome {
            Ok(()) => begun.as_ref().map_err(MetaError::clone),
            Err(error) => Err(error.clone()),
        };
        match job(transaction) {
            Ok(answer) => answers.push(answer),
            Err((answer, error)) => {
                answers.push(answer);
                outcome = Err(error);
            }
        }
    }
    if let (Ok(()), Ok(transaction)) = (&outcome, begun) {
        outcome = transaction.commit().map_err(|error| match MetaError::storage(error) {
            MetaError::Full => MetaError::Full,
            error => file
                .uncertain
                .get_or_init(|| MetaError::Uncertain(error.to_string()))
                .clone(),
        });
    }
    (answers, outcome)
}

impl File {
    fn opened(&self) -> RwLockReadGuard<'_, Result<Database, MetaError>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn reopen(&self) {
        self.open_into(&mut self.database.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// For readers, who need not wait for the next write to find that the disk is well again.
    fn reopen_if_closed(&self) {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if database.is_err() {
            self.open_into(&mut database);
        }
    }

    fn open_into(&self, database: &mut Result<Database, MetaError>) {
        // The old handle holds the file's lock.
        *database = Err(MetaError::Closed);
        *database = (self.open)();
        if let Err(error) = database {
            tracing::error!(%error, "the metadata store could not be opened again");
        }
    }
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

#[cfg(test)]
mod faults;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Keyspace, Read};

    const NUMBERS: Keyspace<(String, u64), String> = Keyspace::new("numbers");

    fn open() -> (tempfile::TempDir, Meta) {
        let dir = tempfile::tempdir().expect("a directory");
        let meta = Meta::open(dir.path().join("meta.redb")).expect("opens");
        (dir, meta)
    }

    fn all(meta: &Meta) -> Vec<((String, u64), String)> {
        meta.read(|s| s.scan(&NUMBERS, &(), None, usize::MAX)).expect("reads")
    }

    #[tokio::test]
    async fn a_failed_closure_leaves_no_trace_and_its_neighbours_do() {
        let (_dir, meta) = open();
        let put = |n: u64| {
            let meta = meta.clone();
            async move {
                meta.write(move |tx| {
                    tx.put(&NUMBERS, &("a".into(), n), &format!("value {n}"))?;
                    if n % 2 == 1 {
                        Err(MetaError::Storage("odd".into()))
                    } else {
                        Ok(n)
                    }
                })
                .await
            }
        };
        let outcomes = futures_join((0..100).map(put)).await;
        assert!(
            outcomes
                .iter()
                .enumerate()
                .all(|(n, outcome)| outcome.is_ok() == (n % 2 == 0))
        );
        assert_eq!(all(&meta).len(), 50);
    }

    #[tokio::test]
    async fn scans_follow_prefix_start_and_limit() {
        let (_dir, meta) = open();
        meta.write(|tx| {
            for n in 0..10 {
                tx.put(&NUMBERS, &("a".into(), n), &String::new())?;
                tx.put(&NUMBERS, &("b".into(), n), &String::new())?;
            }
            Ok::<_, MetaError>(())
        })
        .await
        .expect("writes");
        let scan = |prefix: &str, after: Option<u64>, limit| {
            let prefix = prefix.to_owned();
            let after = after.map(|n| (prefix.clone(), n));
            let found = meta
                .read(|s| s.scan(&NUMBERS, &(prefix,), after.as_ref(), limit))
                .expect("reads");
            found.into_iter().map(|((_, n), _)| n).collect::<Vec<_>>()
        };
        assert_eq!(scan("a", None, 3), [0, 1, 2]);
        assert_eq!(scan("b", Some(7), 10), [8, 9]);
        assert_eq!(scan("c", None, 10), [0; 0]);
        let deleted = meta
            .write(|tx| tx.delete_prefix(&NUMBERS, &("a".to_owned(),)))
            .await
            .expect("deletes");
        assert_eq!((deleted, all(&meta).len()), (10, 10));
    }

    #[tokio::test]
    async fn what_was_written_is_there_after_opening_again_and_a_panic_kills_nobody() {
        let (dir, meta) = open();
        let panicked = meta
            .write(|tx| {
                tx.put(&NUMBERS, &("a".into(), 1), &"lost".into())?;
                if tx.get(&NUMBERS, &("a".into(), 1))?.is_some() {
                    panic!("on purpose");
                }
                Ok::<_, MetaError>(())
            })
            .await;
        assert!(matches!(panicked, Err(MetaError::Storage(text)) if text.contains("on purpose")));
        meta.write(|tx| tx.put(&NUMBERS, &("a".into(), 2), &"kept".into()))
            .await
            .expect("writes");
        drop(meta);
        let meta = Meta::open(dir.path().join("meta.redb")).expect("opens again");
        assert_eq!(all(&meta), [(("a".to_owned(), 2), "kept".to_owned())]);
    }

    async fn futures_join<F: Future + Send + 'static>(futures: impl Iterator<Item = F>) -> Vec<F::Output>
    where
        F::Output: Send,
    {
        let mut set = tokio::task::JoinSet::new();
        for (index, future) in futures.enumerate() {
            set.spawn(async move { (index, future.await) });
        }
        let mut outputs = set.join_all().await;
        outputs.sort_by_key(|(index, _)| *index);
        outputs.into_iter().map(|(_, output)| output).collect()
    }
}
