//! Whether a column's values repeat enough that a dictionary of them is worth its making.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, ToByteSlice};
use arrow::downcast_primitive_array;

/// How many values of each column are looked at.
const SAMPLED_MAX: usize = 8_192;
/// Fewer values say nothing.
const SAMPLED_MIN: usize = 512;
/// Of the values looked at, so many percent may be different ones. A column whose values come from a hundred thousand
/// shows some 96, one of a million 99, and such dictionaries are given up anyway when they have grown to a page.
const DISTINCT_PERCENT_MAX: usize = 95;

/// Says it of each leaf of the batch's columns, in the order in which Parquet has them.
pub(super) fn pays(batch: &RecordBatch) -> Vec<bool> {
    let mut pays = Vec::new();
    for column in batch.columns() {
        visit_leaves(column, &mut |leaf| pays.push(leaf_pays(leaf)));
    }
    pays
}

fn visit_leaves(array: &ArrayRef, visit: &mut impl FnMut(&ArrayRef)) {
    match array.data_type() {
        DataType::Struct(_) => {
            for column in array.as_struct().columns() {
                visit_leaves(column, visit);
            }
        }
        DataType::List(_) => visit_leaves(array.as_list::<i32>().values(), visit),
        DataType::Map(..) => {
            for column in array.as_map().entries().columns() {
                visit_leaves(column, visit);
            }
        }
        _ => visit(array),
    }
}

fn leaf_pays(leaf: &ArrayRef) -> bool {
    let sampled = leaf.slice(0, leaf.len().min(SAMPLED_MAX));
    let Some(mut hashes) = hashes_of(sampled.as_ref()) else {
        return true;
    };
    let values = hashes.len();
    if values < SAMPLED_MIN {
        return true;
    }
    hashes.sort_unstable();
    hashes.dedup();
    hashes.len() * 100 <= values * DISTINCT_PERCENT_MAX
}

/// A hash of each value that is not NULL, or nothing where the type has no dictionaries or few values.
fn hashes_of(array: &dyn Array) -> Option<Vec<u64>> {
    let hashes = match array.data_type() {
        DataType::Utf8 => array
            .as_string::<i32>()
            .iter()
            .flatten()
            .map(|text| hash(text.as_bytes()))
            .collect(),
        DataType::Utf8View => array
            .as_string_view()
            .iter()
            .flatten()
            .map(|text| hash(text.as_bytes()))
            .collect(),
        DataType::Binary => array.as_binary::<i32>().iter().flatten().map(hash).collect(),
        DataType::BinaryView => array.as_binary_view().iter().flatten().map(hash).collect(),
        _ => downcast_primitive_array!(
            array => array.iter().flatten().map(|value| hash(value.to_byte_slice())).collect(),
            _ => return None
        ),
    };
    Some(hashes)
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
