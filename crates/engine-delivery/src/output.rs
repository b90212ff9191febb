//! The files that records are converted to.

use engine_catalog::Table;
use engine_formats::{
    AvroCompression, AvroFile, FormatError, OrcOptions, OrcWriter, ParquetFile, ParquetOptions, RecordBatch,
    RecordIoOptions, SchemaRef, TensorType, write_record_io,
};
use serde::{Deserialize, Serialize};

/// The parameter of tables whose files are to be of a format that the API has no serializer for.
const FORMAT: &str = "catchment.output_format";
/// Which column is the label of RecordIO's records.
const LABEL: &str = "catchment.recordio_label";
/// What RecordIO's tensors consist of.
const TENSOR: &str = "catchment.recordio_tensor";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Output {
    Parquet(ParquetOptions),
    Orc(OrcOptions),
    Avro,
    RecordIo(RecordIoOptions),
}

impl Default for Output {
    fn default() -> Self {
        Self::Parquet(ParquetOptions::default())
    }
}

impl Output {
    /// What a table asks for instead of the delivery stream's serializer; `None` where it does not ask.
    pub(crate) fn asked_by(table: &Table) -> Result<Option<Self>, String> {
        let asked = table.spec.parameter(FORMAT).map(str::to_lowercase);
        Ok(match asked.as_deref() {
            None => None,
            Some("avro") => Some(Self::Avro),
            Some("recordio-protobuf") => Some(Self::RecordIo(RecordIoOptions {
                // As the catalog has the names of columns.
                label: table.spec.parameter(LABEL).map(str::to_lowercase),
                // A tensor of integers has no place for what is NULL.
                tensor: match table.spec.parameter(TENSOR) {
                    None | Some("float32") => TensorType::Float32,
                    Some("float64") => TensorType::Float64,
                    Some(other) => return Err(format!("{TENSOR} is {other:?}; float32 and float64 can be had")),
                },
            })),
            Some(other) => {
                return Err(format!(
                    "{FORMAT} is {other:?}; besides the serializers there are avro and recordio-protobuf"
                ));
            }
        })
    }

    pub(crate) fn extension(&self) -> &'static str {
        match self {
            Self::Parquet(_) => ".parquet",
            Self::Orc(_) => ".orc",
            Self::Avro => ".avro",
            Self::RecordIo(_) => ".pbr",
        }
    }
}

/// A file in the making.
pub(crate) enum OutputFile {
    Parquet(Box<ParquetFile>),
    Orc(Box<OrcWriter>),
    Avro(Box<AvroFile>),
    RecordIo(Vec<u8>, RecordIoOptions),
}

impl OutputFile {
    pub(crate) fn new(schema: SchemaRef, table: &Table, output: &Output) -> Result<Self, FormatError> {
        Ok(match output {
            Output::Parquet(options) => Self::Parquet(Box::new(ParquetFile::new(schema, options.clone())?)),
            Output::Orc(options) => Self::Orc(Box::new(OrcWriter::for_columns(table.spec.columns(), options.clone())?)),
            Output::Avro => Self::Avro(Box::new(AvroFile::new(&schema, AvroCompression::default())?)),
            Output::RecordIo(options) => Self::RecordIo(Vec::new(), options.clone()),
        })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), FormatError> {
        match self {
            Self::Parquet(file) => file.write(batch),
            Self::Orc(file) => file.write(batch),
            Self::Avro(file) => file.write(batch),
            Self::RecordIo(records, options) => {
                records.extend_from_slice(&write_record_io(batch, options)?);
                Ok(())
            }
        }
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>, FormatError> {
        match self {
            Self::Parquet(file) => file.finish(),
            Self::Orc(file) => Ok(file.finish()),
            Self::Avro(file) => file.finish(),
            Self::RecordIo(records, _) => Ok(records),
        }
    }
}
