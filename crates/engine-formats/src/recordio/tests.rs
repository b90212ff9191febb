use std::borrow::Cow;

use arrow::datatypes::{Field as Column, Schema, SchemaRef};

use super::read::{FIRST_PART, LAST_PART, split};
use super::*;

fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    let fields = columns
        .iter()
        .map(|(name, data_type)| Column::new(*name, data_type.clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn labelled() -> RecordIoOptions {
    RecordIoOptions {
        label: Some("y".to_owned()),
        ..RecordIoOptions::default()
    }
}

/// A record of one tensor of 32-bit floats with these fields.
fn record(values: &[f32], keys: &[u64], shape: &[u64]) -> Vec<u8> {
    let mut tensor = Message::default();
    tensor.bytes(
        1,
        &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>(),
    );
    tensor.packed(2, keys);
    tensor.packed(3, shape);
    let mut value = Message::default();
    value.message(2, &tensor);
    let mut entry = Message::default();
    entry.bytes(1, VALUES);
    entry.message(2, &value);
    let mut record = Message::default();
    record.message(1, &entry);
    record.as_bytes().to_vec()
}

fn framed(records: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    records
        .iter()
        .for_each(|record| frame(record, &mut out).expect("a frame"));
    out
}

#[test]
fn a_record_that_does_not_fit_leaves_its_neighbours_whole() {
    let schema = schema(&[("a", DataType::Float64), ("b", DataType::Int64)]);
    let data = framed(&[
        record(&[1.0, 2.0], &[], &[]),
        record(&[1.0], &[], &[]),
        vec![0xff],
        record(&[5.0], &[1], &[2]),
        record(&[5.0], &[2], &[2]),
        record(&[5.0], &[0], &[u64::MAX, 2]),
        record(&[5.0, 6.0], &[0], &[2]),
    ]);
    let (batch, rejected) = read_record_io(&data, &schema, &RecordIoOptions::default()).expect("reads");
    assert_eq!(batch.column(0).as_primitive::<Float64Type>().values(), &[1.0, 0.0]);
    assert_eq!(
        batch.column(1).as_primitive::<arrow::datatypes::Int64Type>().values(),
        &[2, 5]
    );
    let places: Vec<_> = rejected
        .iter()
        .map(|rejected| (rejected.index, rejected.malformed))
        .collect();
    assert_eq!(places, [(1, false), (2, true), (4, true), (5, true), (6, true)]);
}

#[test]
fn parts_are_joined_and_broken_frames_refused() {
    let whole = record(&[1.0], &[], &[]);
    let (first, second) = whole.split_at(4);
    let part = |kind: u32, bytes: &[u8]| {
        let mut out = [MAGIC, kind << LENGTH_BITS | bytes.len() as u32]
            .map(u32::to_le_bytes)
            .concat();
        out.extend_from_slice(bytes);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    };
    let data = [part(FIRST_PART, first), part(LAST_PART, second)].concat();
    let joined = [first, &MAGIC.to_le_bytes(), second].concat();
    assert_eq!(split(&data).expect("reads"), [Cow::<[u8]>::Owned(joined)]);
    for broken in [
        part(FIRST_PART, first),
        part(LAST_PART, first),
        framed(&[whole])[..12].to_vec(),
        vec![0; 8],
    ] {
        assert!(matches!(split(&broken), Err(FormatError::Decode(_))));
    }
}

#[test]
fn columns_that_are_no_numbers_are_refused() {
    let batch = |name: &str, array: ArrayRef| RecordBatch::try_from_iter([(name, array)]).expect("a batch");
    let text = batch("t", Arc::new(arrow::array::StringArray::from(vec!["1"])));
    let refused = write_record_io(&text, &RecordIoOptions::default());
    assert!(matches!(refused, Err(FormatError::Schema(why)) if why.contains("column t")));
    let refused = write_record_io(&text.project(&[]).expect("a batch"), &labelled());
    assert!(matches!(refused, Err(FormatError::Schema(why)) if why.contains("no column y")));
    let integers = RecordIoOptions {
        tensor: TensorType::Int32,
        ..RecordIoOptions::default()
    };
    let null = batch("n", Arc::new(arrow::array::Int32Array::from(vec![Some(1), None])));
    assert!(matches!(write_record_io(&null, &integers), Err(FormatError::Decode(why)) if why.contains("row 1")));
    let large = batch("l", Arc::new(arrow::array::Int64Array::from(vec![i64::MAX])));
    assert!(matches!(
        write_record_io(&large, &integers),
        Err(FormatError::Decode(_))
    ));
}
