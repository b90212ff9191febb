//! Statements against a small lake of real files.

mod ddl;
mod rows;
mod scans;
mod slt;

use arrow::array::RecordBatch;
use base::{Clock, Random, Scope, Tasks};
use bytes::Bytes;
use engine_catalog::{Catalog, DatabaseSpec};
use store_meta::Meta;
use store_objects::Objects;

use crate::{BatchText, ColumnInfo, Engine, Outcome, Session, Settings, SqlError};

struct Lake {
    _dir: tempfile::TempDir,
    objects: Objects,
    engine: Engine,
    session: Session,
}

/// A result as text: NULL is `None`.
struct Answer {
    columns: Vec<ColumnInfo>,
    rows: Vec<Vec<Option<String>>>,
    bytes_scanned: u64,
}

impl Lake {
    async fn open() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let meta = Meta::open(dir.path().join("meta.redb")).unwrap();
        let clock = Clock::system();
        let objects = Objects::open(
            &dir.path().join("objects"),
            meta.clone(),
            clock.clone(),
            Random::from_os(),
            Tasks::new(),
        )
        .unwrap();
        let catalog = Catalog::new(meta, clock);
        let scope = Scope::default();
        objects.create_bucket(&scope, "lake").await.unwrap();
        catalog
            .create_database(
                &scope,
                DatabaseSpec {
                    name: "default".into(),
                    ..DatabaseSpec::default()
                },
            )
            .await
            .unwrap();
        let mut settings = Settings {
            threads: 2,
            ..Settings::new(dir.path().join("spill"))
        };
        change(&mut settings);
        let engine = Engine::open(catalog, objects.clone(), &settings).unwrap();
        Self {
            _dir: dir,
            objects,
            engine,
            session: Session {
                scope,
                database: "default".into(),
                read_bytes_max: None,
            },
        }
    }

    async fn put(&self, key: &str, content: impl Into<Bytes>) {
        self.objects
            .put_bytes("lake", key, content.into(), Default::default())
            .await
            .unwrap();
    }

    async fn put_parquet(&self, key: &str, batch: &RecordBatch) {
        let mut file = Vec::new();
        let properties = parquet::file::properties::WriterProperties::builder()
            .set_max_row_group_row_count(Some(1_000))
            .build();
        let mut writer = parquet::arrow::ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        self.put(key, file).await;
    }

    async fn ask(&self, text: &str) -> Result<Answer, SqlError> {
        let statement = self.engine.parse(text).await?;
        match self.engine.run(&self.session, statement).await? {
            Outcome::Text(result) => {
                let rows = result.rows.into_iter().map(|row| vec![Some(row)]).collect();
                Ok(Answer {
                    columns: result.columns,
                    rows,
                    bytes_scanned: 0,
                })
            }
            Outcome::Rows(mut stream) => {
                let mut rows = Vec::new();
                while let Some(batch) = stream.next().await {
                    let batch = batch?;
                    let text = BatchText::new(&batch);
                    for row in 0..text.rows() {
                        let cell = |column| {
                            let mut out = String::new();
                            text.write(row, column, &mut out).map(|present| present.then_some(out))
                        };
                        rows.push((0..text.columns()).map(cell).collect::<Result<Vec<_>, _>>()?);
                    }
                }
                Ok(Answer {
                    columns: stream.columns().to_vec(),
                    rows,
                    bytes_scanned: stream.bytes_scanned(),
                })
            }
        }
    }

    /// Rows as `a|b`, NULL as `NULL`.
    async fn lines(&self, text: &str) -> Vec<String> {
        let answer = self.ask(text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        answer
            .rows
            .iter()
            .map(|row| {
                row.iter()
                    .map(|cell| cell.as_deref().unwrap_or("NULL"))
                    .collect::<Vec<_>>()
                    .join("|")
            })
            .collect()
    }

    async fn error(&self, text: &str) -> String {
        match self.ask(text).await {
            Ok(_) => panic!("{text} succeeded"),
            Err(error) => error.message,
        }
    }
}

fn batch(columns: Vec<(&str, arrow::array::ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}
