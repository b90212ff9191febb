//! Tables in ORC.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::error::{DataFusionError, Result};
use engine_formats::{FileFormat, FormatError, OrcFile, ReadRange};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::fit::Fit;
use super::rows::bad_data;
use super::source::{Batches, FileReading};

/// The stripes that begin in the file's range. Columns are found by their names or by their places.
pub(super) async fn open(file: PartitionedFile, by_place: bool, reading: FileReading) -> Result<Batches> {
    let location = file.object_meta.location;
    let name = location.to_string();
    let failed = |error: FormatError| unreadable(&name, &error);
    let reader = StoredFile {
        store: reading.object_store,
        location,
    };
    let orc = OrcFile::open(reader, file.object_meta.size).await.map_err(failed)?;
    let found = orc.schema();
    let table = reading.projected;
    let fit = if by_place {
        let place = |name: &str| {
            reading
                .file_schema
                .index_of(name)
                .ok()
                .filter(|place| *place < found.fields().len())
        };
        let places: Vec<_> = table.fields().iter().map(|field| place(field.name())).collect();
        Fit::new(FileFormat::Orc, &name, table, &places)
    } else {
        let names = found.fields().iter().map(|field| field.name().as_str());
        Fit::by_name(FileFormat::Orc, &name, table, names)
    };
    fit.check(&Arc::new(found.project(&fit.read)?))?;
    let range = file
        .range
        .map(|range| range.start.max(0) as u64..range.end.max(0) as u64);
    let batches = orc.read(&fit.read, range).map(move |batch| {
        let batch = batch.map_err(|error| unreadable(&name, &error))?;
        fit.batch(&batch)
    });
    Ok(batches.boxed())
}

fn unreadable(file: &str, error: &FormatError) -> DataFusionError {
    bad_data(format!(
        "HIVE_CURSOR_ERROR: Failed to read ORC file: s3://{file}: {error}"
    ))
}

struct StoredFile {
    store: Arc<dyn ObjectStore>,
    location: Path,
}

impl ReadRange for StoredFile {
    fn read_range(&mut self, range: Range<u64>) -> BoxFuture<'_, std::io::Result<Bytes>> {
        let bytes = self.store.get_range(&self.location, range);
        bytes.map(|bytes| bytes.map_err(std::io::Error::other)).boxed()
    }
}
