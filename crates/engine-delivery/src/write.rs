//! From a planned buffer to its object.

use std::sync::Arc;

use base::{Millis, Random};
use engine_catalog::Table;
use engine_formats::Compression;
use uuid::Uuid;

use crate::buffers::{Buffer, BufferKey};
use crate::checkpoint::Plan;
use crate::content::{self, Content};
use crate::delta::{self, NotAppended};
use crate::error_document::ErrorType;
use crate::http_endpoint::{self, HttpEndpoint};
use crate::line::Line;
use crate::output::Output;
use crate::register;
use crate::settings::Settings;
use crate::spec::Destination;
use crate::stream_destination::{self, StreamDestination};

/// Objects being written at the same time.
const WRITES_AT_ONCE: usize = 2;

/// A buffer with its plan and what it becomes.
pub(crate) struct Write {
    pub key: BufferKey,
    pub buffer: Arc<Buffer>,
    pub plan: Plan,
    /// By which the object is named and written.
    pub settings: Arc<Settings>,
    pub todo: Todo,
}

impl Write {
    /// What the plan is known by to others. Only plans of earlier versions have none.
    fn id(&self, random: &Random) -> Uuid {
        let id = self.plan.request_id.as_deref().and_then(|id| id.parse().ok());
        id.unwrap_or_else(|| random.uuid())
    }
}

/// What became of a buffer that was sent elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub requests: u64,
    pub bytes: u64,
    /// Records that were not taken there, and their documents.
    pub failed: u64,
    pub documents: Vec<u8>,
    /// Why nothing was taken at last.
    pub refused: Option<String>,
}

/// What a conversion's table asks for.
pub(crate) struct Asked {
    /// That files are those of a Delta table.
    pub delta: bool,
    pub output: Option<Output>,
}

/// What is left to do before a plan can be cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Todo {
    Write,
    /// The object is there; its partition may not be known yet.
    Register,
    Commit,
}

/// What objects took.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub objects: u64,
    /// Records that are in error documents instead.
    pub failed: u64,
    pub bytes: u64,
    pub last_object: Option<String>,
    /// Whether the destination took records, where there were any for it, or else why not.
    pub sent: Option<Result<(), String>>,
}

impl Line {
    pub(crate) async fn write_objects(&self, writes: &[Write]) -> Result<Done, String> {
        // Documents of failures need nothing that the others might wait for.
        let (failures, records): (Vec<_>, Vec<_>) = writes
            .iter()
            .partition(|write| matches!(write.key, BufferKey::Error(..)));
        let mut all = Done::default();
        for group in [failures, records]
            .iter()
            .flat_map(|writes| writes.chunks(WRITES_AT_ONCE))
        {
            let work = group.iter().map(|write| self.write_object(write));
            for done in futures::future::try_join_all(work).await? {
                all.objects += done.objects;
                all.failed += done.failed;
                all.bytes += done.bytes;
                all.last_object = done.last_object.or(all.last_object);
                all.sent = done.sent.or(all.sent);
            }
        }
        Ok(all)
    }

    async fn write_object(&self, write: &Write) -> Result<Done, String> {
        let table = match (write.todo, &write.key) {
            (Todo::Commit, _) => return Ok(Done::default()),
            (_, BufferKey::Error(..)) => None,
            (_, BufferKey::Partition(_)) => self.table(&write.settings)?,
        };
        let mut done = Done::default();
        // That a file is there does not tell whether it was committed to its table.
        let is_delta = matches!(write.key, BufferKey::Partition(_)) && table.as_deref().is_some_and(delta::is_delta);
        if write.todo == Todo::Write || is_delta {
            done = match (&write.settings.spec().destination, &write.key) {
                (Destination::Objects, _) | (_, BufferKey::Error(..)) => self.put(write, table.clone()).await?,
                (Destination::Http(endpoint), _) => self.send(write, self.post(write, endpoint)).await?,
                (Destination::Stream(stream), _) => self.send(write, self.append(write, stream)).await?,
            };
        }
        // Where no object was written there is nothing to make known.
        let is_there = write.todo == Todo::Register || done.objects > 0;
        if let (Some(table), Some(conversion), BufferKey::Partition(_), true) =
            (table, &write.settings.spec().conversion, &write.key, is_there)
        {
            let (bucket, object_key) = (&write.plan.bucket, &write.plan.object_key);
            let registered = register::partition_of(&self.parts.catalog, &conversion.scope, &table, bucket, object_key);
            registered.await.map_err(text)?;
        }
        Ok(done)
    }

    /// What the table of the settings' conversion asks for at the moment. One that is not there asks for nothing.
    pub(crate) fn asked(&self, settings: &Settings) -> Asked {
        let table = self.table(settings).ok().flatten();
        Asked {
            delta: table.as_deref().is_some_and(delta::is_delta),
            output: table.and_then(|table| Output::asked_by(&table).ok().flatten()),
        }
    }

    pub(crate) fn is_named_otherwise(&self, write: &Write) -> bool {
        let settings = &write.settings;
        settings.spec().conversion.is_some()
            && settings.names_otherwise(&write.key, &write.plan, self.asked(settings).output.as_ref())
    }

    fn table(&self, settings: &Settings) -> Result<Option<Arc<Table>>, String> {
        let Some(conversion) = &settings.spec().conversion else {
            return Ok(None);
        };
        let found = conversion.find(&self.parts.catalog);
        found.map(|table| Some(Arc::new(table))).map_err(text)
    }

    /// Has a buffer sent to where it belongs, and puts the documents of what was not taken into the bucket.
    async fn send(&self, write: &Write, sending: impl Future<Output = Result<Sent, String>>) -> Result<Done, String> {
        let Plan { bucket, object_key, .. } = &write.plan;
        self.places
            .check_owner(bucket, &self.delivery.scope.account)
            .map_err(text)?;
        let sent = sending.await?;
        self.places
            .put(bucket, object_key, sent.documents)
            .await
            .map_err(text)?;
        self.end_where_the_test_asks()?;
        Ok(Done {
            objects: sent.requests,
            failed: sent.failed,
            bytes: sent.bytes,
            last_object: (sent.requests > 0).then(|| write.settings.spec().place()),
            sent: Some(sent.refused.map_or(Ok(()), Err)),
        })
    }

    async fn post(&self, write: &Write, endpoint: &HttpEndpoint) -> Result<Sent, String> {
        let client = self.http.as_ref().map_err(Clone::clone)?;
        let (parts, shared, id) = (&self.parts, &self.shared, write.id(&self.parts.random));
        http_endpoint::post(parts, shared, client, endpoint, &write.settings, id, &write.buffer).await
    }

    async fn append(&self, write: &Write, stream: &StreamDestination) -> Result<Sent, String> {
        let appending = stream_destination::Appending {
            parts: &self.parts,
            shared: &self.shared,
            stream,
            plan: write
                .plan
                .stream
                .as_ref()
                .ok_or("the plan does not name its data stream")?,
            version: write.settings.version(),
            id: write.id(&self.parts.random),
            buffer: &write.buffer,
        };
        appending.run().await
    }

    #[cfg(not(test))]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "tests do more")]
    fn end_where_the_test_asks(&self) -> Result<(), String> {
        Ok(())
    }

    #[cfg(test)]
    fn end_where_the_test_asks(&self) -> Result<(), String> {
        if self.parts.faults.strike_before_commit() {
            self.shared.stop.cancel();
            return Err("the test ends the work here".to_owned());
        }
        Ok(())
    }

    /// Writes the documents of records that could not be converted, then the object.
    async fn put(&self, write: &Write, table: Option<Arc<Table>>) -> Result<Done, String> {
        if self.is_named_otherwise(write) {
            return Err("the table asks for files of another format since this one was named".to_owned());
        }
        let Plan {
            bucket,
            object_key,
            error_key,
            ..
        } = &write.plan;
        self.places
            .check_owner(bucket, &self.delivery.scope.account)
            .map_err(text)?;
        let now_ms = self.parts.clock.now_ms();
        let entry_name = self.parts.random.uuid().to_string();
        let (key, buffer, settings) = (write.key.clone(), write.buffer.clone(), write.settings.clone());
        let partitioned = matches!(write.key, BufferKey::Partition(_));
        let delta_table = table.clone().filter(|table| partitioned && delta::is_delta(table));
        let encode = self.parts.tasks.spawn_blocking(move || match key {
            BufferKey::Partition(_) => {
                content::of_records(settings.spec(), table.as_deref(), &buffer, &entry_name, now_ms)
            }
            BufferKey::Error(kind, _) => Ok(Content {
                object: content::of_failures(kind, "", &buffer, now_ms)?,
                errors: Vec::new(),
            }),
        });
        let Content { object, errors } = encode.await.map_err(text)??;
        let mut done = Done {
            failed: match write.key {
                BufferKey::Error(..) => write.buffer.len() as u64,
                BufferKey::Partition(_) => errors.iter().filter(|byte| **byte == b'\n').count() as u64,
            },
            sent: partitioned.then_some(Ok(())),
            ..Done::default()
        };
        self.places.put(bucket, error_key, errors).await.map_err(text)?;
        if let Some(table) = delta_table.filter(|_| !object.is_empty()) {
            let transaction = write.plan.transaction();
            let (parts, compactions) = (&self.parts, &self.compactions);
            let appended = delta::append(parts, compactions, &table, bucket, object_key, transaction, object);
            match appended.await {
                Ok(bytes) => {
                    done.bytes = bytes;
                    done.objects = 1;
                    done.last_object = Some(format!("s3://{bucket}/{object_key}"));
                }
                Err(NotAppended::NoPartition(why)) => done.failed = self.document(write, why, now_ms).await?,
                Err(NotAppended::Yet(why)) => return Err(why),
            }
            self.end_where_the_test_asks()?;
            return Ok(done);
        }
        let compression = match partitioned {
            true => write.settings.spec().compression,
            false => Compression::None,
        };
        let put = self.places.put_compressed(bucket, object_key, object, compression);
        match put.await {
            // Documents of what failed are not what was delivered.
            Ok(bytes) if bytes == 0 || !partitioned => {}
            Ok(bytes) => {
                done.bytes = bytes;
                done.objects = 1;
                done.last_object = Some(format!("s3://{bucket}/{object_key}"));
            }
            // No other attempt would end otherwise, so the records go where those go that cannot be delivered.
            Err(error) if error.is_final() => done.failed = self.document(write, error.to_string(), now_ms).await?,
            Err(error) => return Err(text(error)),
        }
        self.end_where_the_test_asks()?;
        Ok(done)
    }

    /// Puts documents of all records of a buffer into the bucket, in the place of those of its records that could not be
    /// converted; tells how many.
    async fn document(&self, write: &Write, why: String, now_ms: Millis) -> Result<u64, String> {
        let buffer = write.buffer.clone();
        let encode = move || content::of_failures(ErrorType::FormatConversion, &why, &buffer, now_ms);
        let documents = self.parts.tasks.spawn_blocking(encode).await.map_err(text)??;
        let Plan { bucket, error_key, .. } = &write.plan;
        self.places.put(bucket, error_key, documents).await.map_err(text)?;
        Ok(write.buffer.len() as u64)
    }

    /// Whether a Delta table has what a plan was to add to one; `None` where the table that could tell is not known any
    /// more.
    pub(crate) async fn is_committed(&self, write: &Write) -> Result<Option<bool>, String> {
        match self.table(&write.settings) {
            Ok(Some(table)) => delta::is_committed(&self.parts, &table, &write.plan).await,
            _ => Ok(None),
        }
    }

    /// Whether a plan's object is there. Its name is nobody else's, so it is the one that was planned.
    pub(crate) async fn exists(&self, plan: &Plan) -> Result<bool, String> {
        let found = self.places.exists(&plan.bucket, &plan.object_key);
        found.await.map_err(text)
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
