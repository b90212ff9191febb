//! JSON records to Arrow batches, as Firehose's two JSON deserializers read them, one bad record at a time.

use std::collections::HashMap;
use std::fmt;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::{ColumnBuilder, FormatError};

/// The options of the OpenX JSON SerDe; the Hive JSON SerDe is the same with the defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JsonOptions {
    /// Keys match columns whatever their case.
    pub case_insensitive: bool,
    /// A dot in a key stands for an underscore in the column's name.
    pub dots_to_underscores: bool,
    /// Columns that take their value from a key of another name.
    pub column_to_key: HashMap<String, String>,
}

impl Default for JsonOptions {
    fn default() -> Self {
        Self {
            case_insensitive: true,
            dots_to_underscores: false,
            column_to_key: HashMap::new(),
        }
    }
}

/// A record that is not in the batch, by its place among those given, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub index: usize,
    /// Whether the record is no JSON at all, rather than JSON that does not fit the schema.
    pub malformed: bool,
    pub message: String,
}

/// Which of a schema's columns a key of a record names.
#[derive(Debug, Clone, Default)]
pub struct JsonKeys {
    options: JsonOptions,
    by_key: HashMap<String, usize>,
}

impl JsonKeys {
    #[must_use]
    pub fn new(schema: &Schema, options: JsonOptions) -> Self {
        let by_key = schema.fields().iter().enumerate().map(|(index, field)| {
            let key = options.column_to_key.get(field.name()).unwrap_or(field.name());
            (
                if options.case_insensitive {
                    key.to_lowercase()
                } else {
                    key.clone()
                },
                index,
            )
        });
        Self {
            by_key: by_key.collect(),
            options,
        }
    }

    #[must_use]
    pub fn column(&self, key: &str) -> Option<usize> {
        if let Some(column) = self.by_key.get(key) {
            return Some(*column);
        }
        let Self { options, by_key } = self;
        if !options.case_insensitive && !options.dots_to_underscores {
            return None;
        }
        let mut folded = if options.case_insensitive {
            key.to_lowercase()
        } else {
            key.to_owned()
        };
        by_key.get(folded.as_str()).copied().or_else(|| {
            folded = options.dots_to_underscores.then(|| folded.replace('.', "_"))?;
            by_key.get(folded.as_str()).copied()
        })
    }
}

/// Decodes records of one JSON object each to batches of one schema.
pub struct JsonDecoder {
    schema: SchemaRef,
    keys: JsonKeys,
}

impl JsonDecoder {
    /// The schema's types must be those of [`crate::arrow_type`].
    #[must_use]
    pub fn new(schema: SchemaRef, options: JsonOptions) -> Self {
        Self {
            keys: JsonKeys::new(&schema, options),
            schema,
        }
    }

    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The good records as a batch, in order, and the others with their reasons.
    pub fn decode(&self, records: &[&[u8]]) -> Result<(RecordBatch, Vec<Rejected>), FormatError> {
        // Bad records are rare, so all are tried at once; only a batch that holds one is looked at record by
        // record, and decoded again without it.
        if let Ok(batch) = self.decode_all(records.iter().copied()) {
            return Ok((batch?, Vec::new()));
        }
        let rejected: Vec<Rejected> = records
            .iter()
            .enumerate()
            .filter_map(|(index, record)| {
                let message = self.decode_all(std::iter::once(*record)).err()?;
                let malformed = serde_json::from_slice::<IgnoredAny>(record).is_err();
                Some(Rejected {
                    index,
                    malformed,
                    message,
                })
            })
            .collect();
        let mut bad = rejected.iter().map(|rejected| rejected.index).peekable();
        let good = records
            .iter()
            .enumerate()
            .filter(|(index, _)| bad.next_if_eq(index).is_none());
        let batch = self.decode_all(good.map(|(_, record)| *record));
        let batch = batch.map_err(|message| {
            FormatError::Encode(format!("a record was good alone and bad with others: {message}"))
        })?;
        Ok((batch?, rejected))
    }

    /// All of the records, or the first fault's text.
    fn decode_all<'r>(
        &self,
        records: impl Iterator<Item = &'r [u8]>,
    ) -> Result<Result<RecordBatch, FormatError>, String> {
        let mut columns: Vec<_> = self
            .schema
            .fields()
            .iter()
            .map(|field| ColumnBuilder::new(field.data_type()))
            .collect();
        let mut rows = 0;
        let mut seen = vec![0_usize; columns.len()];
        for record in records {
            rows += 1;
            let mut deserializer = serde_json::Deserializer::from_slice(record);
            let object = Object {
                decoder: self,
                columns: &mut columns,
                seen: &mut seen,
                row: rows,
            };
            let decoded = object.deserialize(&mut deserializer).and_then(|()| deserializer.end());
            decoded.map_err(|error| error.to_string())?;
        }
        let arrays = columns.iter_mut().map(ColumnBuilder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options);
        Ok(batch.map_err(|error| FormatError::Encode(error.to_string())))
    }
}

/// One record on its way into the columns. `seen` holds the last row in which each column had a value.
struct Object<'b> {
    decoder: &'b JsonDecoder,
    columns: &'b mut [ColumnBuilder],
    seen: &'b mut [usize],
    row: usize,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self {
            decoder,
            columns,
            seen,
            row,
        } = self;
        while let Some(Key(found)) = map.next_key_seed(KeySeed(&decoder.keys))? {
            // Of a key that stands twice, the first counts.
            match found.filter(|column| seen[*column] != row) {
                Some(column) => {
                    seen[column] = row;
                    let field = decoder.schema.field(column);
                    map.next_value_seed(&mut columns[column]).map_err(|error| {
                        serde::de::Error::custom(format!("column {} ({}): {error}", field.name(), field.data_type()))
                    })?;
                }
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        for (column, seen) in columns.iter_mut().zip(seen) {
            if *seen != row {
                column.append_null();
            }
        }
        Ok(())
    }
}

/// The column that a key names, found without keeping the key.
struct Key(Option<usize>);

struct KeySeed<'d>(&'d JsonKeys);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Key, E> {
        Ok(Key(self.0.column(key)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Field;
    use engine_catalog::HiveType;

    use super::*;
    use crate::arrow_type;

    fn decoder(columns: &[(&str, &str)], options: JsonOptions) -> JsonDecoder {
        let field = |(name, hive): &(&str, &str)| {
            Field::new(*name, arrow_type(&hive.parse::<HiveType>().expect("a type")), true)
        };
        JsonDecoder::new(
            Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>())),
            options,
        )
    }

    fn rows(batch: &RecordBatch) -> Vec<String> {
        let mut text = Vec::new();
        let mut writer = arrow::json::LineDelimitedWriter::new(&mut text);
        writer.write(batch).expect("writes");
        writer.finish().expect("finishes");
        drop(writer);
        String::from_utf8(text)
            .expect("text")
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn a_bad_record_in_any_place_leaves_its_neighbours_whole() {
        let decoder = decoder(
            &[("a", "int"), ("b", "struct<c:string,d:array<double>>")],
            JsonOptions::default(),
        );
        let good = br#"{"A": 1, "b": {"C": "x", "d": [1, 2.5]}, "unknown": [{}]}"#;
        for (bad, malformed) in [
            (&br#"{"a": 1, "b": {"c": "x", "d": ["y"]}}"#[..], false),
            (br#"{"a": 1.5}"#, false),
            (br#"{"a": 3000000000}"#, false),
            (br#"[1]"#, false),
            (br#"{"a": 1, "b": {"c": "x", "d": [1"#, true),
            (b"", true),
            (b"{} {}", true),
            (b"\xff\xfe", true),
        ] {
            for place in 0..4 {
                let mut records = vec![&good[..]; 3];
                records.insert(place, bad);
                let (batch, rejected) = decoder.decode(&records).expect("decodes");
                assert_eq!(rows(&batch), vec![r#"{"a":1,"b":{"c":"x","d":[1.0,2.5]}}"#; 3]);
                assert_eq!(rejected.len(), 1);
                assert_eq!(
                    (rejected[0].index, rejected[0].malformed),
                    (place, malformed),
                    "{rejected:?}"
                );
            }
        }
    }

    #[test]
    fn keys_are_mapped_folded_and_undotted() {
        let options = JsonOptions {
            dots_to_underscores: true,
            column_to_key: HashMap::from([("ts".to_owned(), "timestamp".to_owned())]),
            ..JsonOptions::default()
        };
        let columns = [("ts", "bigint"), ("a_b", "string")];
        let (batch, rejected) = decoder(&columns, options)
            .decode(&[br#"{"TimeStamp": 5, "A.b": "x"}"#])
            .expect("decodes");
        assert_eq!(
            (rows(&batch), rejected.len()),
            (vec![r#"{"ts":5,"a_b":"x"}"#.to_owned()], 0)
        );
        let exact = JsonOptions {
            case_insensitive: false,
            ..JsonOptions::default()
        };
        let (batch, _) = decoder(&columns, exact)
            .decode(&[br#"{"TS": 5, "a_b": "x", "a_b": "y"}"#])
            .expect("decodes");
        assert_eq!(rows(&batch), [r#"{"a_b":"x"}"#]);
    }

    #[test]
    fn each_type_is_read() {
        let decoder = decoder(
            &[
                ("b", "boolean"),
                ("t", "tinyint"),
                ("f", "float"),
                ("d", "decimal(10,2)"),
                ("s", "string"),
                ("day", "date"),
                ("at", "timestamp"),
                ("m", "map<string,int>"),
            ],
            JsonOptions::default(),
        );
        let record = br#"{"b": true, "t": -128, "f": 1.5, "d": "12.34", "s": {"k": [1]}, "day": "2013-01-01", "at": "2013-01-01T05:00:00Z", "m": {"x": 1, "y": null}}"#;
        let (batch, rejected) = decoder.decode(&[record, b"{}"]).expect("decodes");
        assert_eq!(rejected, []);
        assert_eq!(
            rows(&batch)[0],
            r#"{"b":true,"t":-128,"f":1.5,"d":12.34,"s":"{\"k\":[1]}","day":"2013-01-01","at":"2013-01-01T05:00:00","m":{"x":1}}"#
        );
        assert_eq!(rows(&batch)[1], "{}");
    }

    #[test]
    fn times_far_off_and_dates_with_a_tail() {
        let decoder = decoder(&[("at", "timestamp"), ("day", "date")], JsonOptions::default());
        let good = br#"{"at": "0001-01-01 00:00:00", "day": "2013-01-31T05:00:00Z"}"#;
        let late = br#"{"at": "9999-12-31 23:59:59.999999", "day": "2013-01-31 05:00"}"#;
        let tail = br#"{"day": "2013-01-31garbage"}"#;
        let (batch, rejected) = decoder.decode(&[good, late, tail]).expect("decodes");
        assert_eq!(
            rows(&batch),
            [
                r#"{"at":"0001-01-01T00:00:00","day":"2013-01-31"}"#,
                r#"{"at":"9999-12-31T23:59:59.999999","day":"2013-01-31"}"#
            ]
        );
        assert_eq!(rejected.iter().map(|rejected| rejected.index).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn numbers_keep_their_digits() {
        let decoder = decoder(&[("d", "decimal(38,10)"), ("s", "string")], JsonOptions::default());
        let number = br#"{"d": 1234567890123456789012345678.0123456789, "s": 12345678901234567890.10}"#;
        let nested = br#"{"d": "2.50", "s": {"z": [1.10, "a \" b"], "a": null}}"#;
        let quoted = br#"{"d": null, "s": "tab\tand \u00fc"}"#;
        let (batch, rejected) = decoder.decode(&[number, nested, quoted]).expect("decodes");
        assert_eq!(rejected, []);
        assert_eq!(
            rows(&batch),
            [
                r#"{"d":1234567890123456789012345678.0123456789,"s":"12345678901234567890.10"}"#,
                r#"{"d":2.5000000000,"s":"{\"z\":[1.10,\"a \\\" b\"],\"a\":null}"}"#,
                "{\"s\":\"tab\\tand ü\"}",
            ]
        );
    }
}
