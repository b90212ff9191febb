//! The settings that records are delivered by, with what is parsed from them: where a record belongs, and what its
//! object is called.

use std::panic::{AssertUnwindSafe, catch_unwind};

use base::{Millis, Random};
use bytes::Bytes;
use chrono_tz::Tz;
use engine_formats::deaggregate;
use engine_log::Record;
use store_objects::KEY_BYTES_MAX;
use tokio_util::sync::CancellationToken;

use crate::PartitionQuery;
use crate::buffers::{Buffer, BufferKey, Held};
use crate::checkpoint::{InForce, Plan};
use crate::error_document::ErrorType;
use crate::output::Output;
use crate::prefix::{Prefix, Values};
use crate::processing::Processing;
use crate::spec::{Delivery, DeliverySpec, Destination, Source};
use crate::time_pattern::in_zone;

/// Characters of an evaluated prefix, as the service documents them.
const PREFIX_CHARS_MAX: usize = 512;
/// What a name has besides the delivery stream's name and the extension: a version, a time, a UUID and dashes. The
/// texts of zones differ a little over the year, so there is some more.
const NAME_BYTES: usize = 20 + 19 + 36 + 3 + 16;

pub(crate) struct Settings {
    pub in_force: InForce,
    name: String,
    prefix: Result<Prefix, String>,
    /// Characters and bytes of the prefix without partition keys.
    prefix_length: (usize, usize),
    error_prefix: Result<Prefix, String>,
    query: Option<Result<PartitionQuery, String>>,
    zone: Tz,
}

/// A piece of a record with the buffer that it belongs to.
pub(crate) struct Routed {
    pub key: BufferKey,
    pub piece: RecordPiece,
}

/// A piece of a record on its way into its buffer.
pub(crate) struct RecordPiece {
    data: Bytes,
    /// Empty for direct puts.
    partition_key: Bytes,
    pub offset: u64,
    /// Which piece of the record it is.
    number: u32,
    arrival_ms: Millis,
    /// Why the record could not be taken apart.
    failure: Option<(ErrorType, String)>,
}

impl RecordPiece {
    pub(crate) fn held(&self) -> Held<'_> {
        Held {
            data: &self.data,
            partition_key: &self.partition_key,
            offset: self.offset,
            piece: self.number,
            arrival_ms: self.arrival_ms,
            reason: None,
        }
    }
}

impl Settings {
    pub(crate) fn new(delivery: &Delivery, in_force: InForce) -> Self {
        let spec = &in_force.spec;
        let zone = spec.time_zone.parse().unwrap_or(Tz::UTC);
        let prefix = Prefix::parse(&spec.prefix).map_err(|error| error.to_string());
        Self {
            name: delivery.name.clone(),
            prefix_length: prefix.as_ref().map_or((0, 0), |prefix| prefix.fixed_length(zone)),
            prefix,
            error_prefix: Prefix::parse(&spec.error_prefix).map_err(|error| error.to_string()),
            query: spec
                .partition_query
                .as_ref()
                .map(|query| PartitionQuery::compile(query).map_err(|error| error.to_string())),
            zone,
            in_force,
        }
    }

    pub(crate) fn spec(&self) -> &DeliverySpec {
        &self.in_force.spec
    }

    pub(crate) fn version(&self) -> u64 {
        self.in_force.version
    }

    /// What stands between records in objects.
    pub(crate) fn delimiter_bytes(&self) -> usize {
        let spec = self.spec();
        let delimiter = spec.delimiter.as_ref().filter(|_| spec.conversion.is_none());
        delimiter.map_or(0, String::len)
    }

    /// What is put behind each record that is sent elsewhere.
    pub(crate) fn delimiter(&self) -> &[u8] {
        self.spec().delimiter.as_deref().unwrap_or_default().as_bytes()
    }

    /// Whether plans have ids by which others tell what they have.
    fn has_ids(&self) -> bool {
        let spec = self.spec();
        spec.conversion.is_some() || spec.destination != Destination::Objects
    }

    /// Whether routing is work enough to leave the runtime's threads alone.
    pub(crate) fn is_laborious(&self) -> bool {
        self.query.is_some() || self.spec().processing != Processing::default()
    }

    /// The pieces of records with the buffers that they belong to; `None` where this was to stop before it was done. The
    /// same record gives the same pieces with the same keys every time.
    pub(crate) fn route(&self, records: Vec<Record>, stop: &CancellationToken) -> Option<Vec<Routed>> {
        let mut pieces = Vec::with_capacity(records.len());
        for record in records {
            self.take_apart(&record, &mut pieces);
        }
        // Functions belong here: they are given pieces of many records at once, and keys come from what they return.
        let sorted = pieces.into_iter().map(|piece| {
            // A query may take a tenth of a second for each of many pieces.
            let is_to_stop = self.query.is_some() && stop.is_cancelled();
            (!is_to_stop).then(|| self.sort(piece))
        });
        sorted.collect()
    }

    fn take_apart(&self, record: &Record, out: &mut Vec<RecordPiece>) {
        let data = &record.data;
        let first = out.len();
        // The Kinesis Producer Library writes to streams.
        let is_aggregated = self.spec().source != Source::DirectPut;
        match deaggregate(data).filter(|_| is_aggregated) {
            None => self.process(record, record.key.clone(), data.clone(), first, out),
            Some(user_records) => user_records.into_iter().for_each(|its| {
                let key = data.slice(its.partition_key);
                self.process(record, key, data.slice(its.data), first, out);
            }),
        }
    }

    /// `first` is where the pieces of the whole record begin.
    fn process(&self, record: &Record, key: Bytes, data: Bytes, first: usize, out: &mut Vec<RecordPiece>) {
        let mut pieces = Vec::new();
        self.spec().processing.pieces(data, &mut pieces);
        for piece in pieces {
            let (data, failure) = match piece {
                Ok(data) => (data, None),
                Err((data, kind, reason)) => (data, Some((kind, reason))),
            };
            out.push(RecordPiece {
                data,
                // Of use where a data stream takes them, which any destination may be given up for while they wait.
                partition_key: key.clone(),
                offset: record.offset,
                number: (out.len() - first) as u32,
                arrival_ms: record.arrival_ms,
                failure,
            });
        }
    }

    fn sort(&self, mut piece: RecordPiece) -> Routed {
        let key = match piece.failure.take() {
            None => self.key_of(&piece.data, piece.arrival_ms),
            Some((kind, reason)) => BufferKey::Error(kind, reason),
        };
        Routed { key, piece }
    }

    fn key_of(&self, data: &[u8], arrival_ms: Millis) -> BufferKey {
        let keys = match &self.query {
            None => return BufferKey::Partition(Vec::new()),
            // A fault of the query language is the record's and not the whole stream's.
            Some(Ok(query)) => catch_unwind(AssertUnwindSafe(|| query.keys(data, arrival_ms)))
                .unwrap_or_else(|_| Err("the query panicked".to_owned())),
            Some(Err(error)) => Err(error.clone()),
        };
        match keys.and_then(|keys| self.fits(&keys).map(|()| keys)) {
            Ok(keys) => BufferKey::Partition(keys),
            Err(reason) => BufferKey::Error(ErrorType::MetadataExtraction, reason),
        }
    }

    /// Whether the place that partition keys name is one that an object can have.
    fn fits(&self, keys: &[(String, String)]) -> Result<(), String> {
        let Ok(prefix) = &self.prefix else { return Ok(()) };
        if let Some(name) = prefix.missing(keys) {
            return Err(format!(
                "the query yields no partition key {name:?}, which the prefix asks for"
            ));
        }
        let (chars, bytes) = prefix.keys_length(keys);
        let (chars, bytes) = (self.prefix_length.0 + chars, self.prefix_length.1 + bytes);
        if chars > PREFIX_CHARS_MAX {
            return Err(format!(
                "the evaluated prefix is longer than {PREFIX_CHARS_MAX} characters"
            ));
        }
        if bytes + self.name.len() + NAME_BYTES + self.extension(None).len() > KEY_BYTES_MAX {
            return Err(format!("the object's key would be longer than {KEY_BYTES_MAX} bytes"));
        }
        Ok(())
    }

    /// Whether a plan names its object for a file of another format than the conversion's table asks for by now.
    pub(crate) fn names_otherwise(&self, key: &BufferKey, plan: &Plan, asked: Option<&Output>) -> bool {
        let spec = self.spec();
        let is_converted = spec.conversion.is_some() && spec.destination == Destination::Objects;
        is_converted && matches!(key, BufferKey::Partition(_)) && !plan.object_key.ends_with(self.extension(asked))
    }

    /// `asked` is what the conversion's table asks for.
    fn extension(&self, asked: Option<&Output>) -> &str {
        let spec = self.spec();
        match (&spec.file_extension, &spec.conversion) {
            (Some(extension), _) => extension,
            (None, Some(conversion)) => asked.unwrap_or(&conversion.output).extension(),
            (None, None) => spec.compression.extension(),
        }
    }

    /// Names the object of a buffer, whose records `routed_by` put together. Where that is not these settings
    /// themselves, their prefix may ask for keys that the records were not sorted by; the older prefix stands then.
    pub(crate) fn plan(
        &self,
        key: &BufferKey,
        buffer: &Buffer,
        routed_by: &Self,
        asked: Option<&Output>,
        random: &Random,
    ) -> Result<Plan, String> {
        let time = in_zone(buffer.oldest_ms, self.zone).format("%Y-%m-%d-%H-%M-%S");
        let name = format!("{}-{}-{time}-{}", self.name, self.version(), random.uuid());
        let error_key = self.error_place(ErrorType::FormatConversion, &name, buffer, random)?;
        let object_key = match (key, &self.spec().destination) {
            (BufferKey::Partition(_), Destination::Http(_)) => {
                self.error_place(ErrorType::HttpEndpoint, &name, buffer, random)?
            }
            (BufferKey::Partition(_), Destination::Stream(_)) => {
                self.error_place(ErrorType::KinesisStream, &name, buffer, random)?
            }
            (BufferKey::Partition(keys), Destination::Objects) => {
                let prefix = match &self.prefix {
                    Ok(prefix) if prefix.missing(keys).is_none() => &self.prefix,
                    _ => &routed_by.prefix,
                };
                let place = self.place(prefix, None, keys, buffer, random)?;
                format!("{place}{name}{}", self.extension(asked))
            }
            (BufferKey::Error(kind, _), _) => self.error_place(*kind, &name, buffer, random)?,
        };
        Ok(Plan {
            bucket: self.spec().bucket.clone(),
            object_key,
            error_key,
            ranges: buffer.ranges.clone(),
            request_id: self.has_ids().then(|| random.uuid().to_string()),
            version: self.version(),
            stream: None,
            streams_before: Vec::new(),
            delta: false,
        })
    }

    fn place(
        &self,
        prefix: &Result<Prefix, String>,
        error_type: Option<&str>,
        partition_keys: &[(String, String)],
        buffer: &Buffer,
        random: &Random,
    ) -> Result<String, String> {
        let values = Values {
            time_ms: buffer.oldest_ms,
            zone: self.zone,
            error_type,
            partition_keys,
        };
        let prefix = prefix.as_ref().map_err(Clone::clone)?;
        prefix.evaluate(&values, random).map_err(|error| error.to_string())
    }

    fn error_place(&self, kind: ErrorType, name: &str, buffer: &Buffer, random: &Random) -> Result<String, String> {
        let kind = kind.as_str();
        let mut found = self.place(&self.error_prefix, Some(kind), &[], buffer, random)?;
        // Without expressions of its own the service sorts errors by their type.
        if !self.error_prefix.as_ref().is_ok_and(Prefix::has_expressions) {
            let given = &self.spec().error_prefix;
            found = format!("{given}{kind}/{}", &found[given.len()..]);
        }
        // What has failed already must find a place.
        if found.len() + name.len() > KEY_BYTES_MAX {
            found = format!("{kind}/");
        }
        Ok(format!("{found}{name}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use base::Scope;
    use serde_json::Value;

    use super::*;

    #[test]
    fn queries_stop_between_records() {
        let spec = DeliverySpec {
            prefix: "!{partitionKeyFromQuery:c}/".into(),
            partition_query: Some("def loop: loop; {c: (if .c then .c else loop end)}".into()),
            ..crate::tests::spec()
        };
        let delivery = Delivery {
            scope: Scope::default(),
            name: "clicks".into(),
            uid: "uid".into(),
            version: 1,
            created_ms: 0,
            updated_ms: 0,
            spec: spec.clone(),
            config: Value::Null,
            tags: BTreeMap::new(),
        };
        let settings = Settings::new(&delivery, InForce { version: 1, spec });
        let record = |data: &'static str| Record {
            offset: 0,
            arrival_ms: 0,
            key: Bytes::new(),
            explicit_hash_key: None,
            data: Bytes::from_static(data.as_bytes()),
            is_encrypted: false,
        };
        let stop = CancellationToken::new();
        let routed = settings.route(vec![record(r#"{"c": "a"}"#), record("{}")], &stop);
        let keys: Vec<_> = routed.into_iter().flatten().map(|routed| routed.key).collect();
        let failed = "the query was ended: it takes too many steps".to_owned();
        let expect = [
            BufferKey::Partition(vec![("c".into(), "a".into())]),
            BufferKey::Error(ErrorType::MetadataExtraction, failed),
        ];
        assert_eq!(keys, expect);
        stop.cancel();
        assert!(settings.route(vec![record(r#"{"c": "a"}"#)], &stop).is_none());
    }
}
