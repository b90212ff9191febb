//! The values of a partition, as a key and as a path.

use serde::{Deserialize, Serialize};
use store_meta::Key;

/// Stands for NULL in a partition's values and paths, as in Hive.
pub const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// One value for each partition key, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionValues(pub Vec<String>);

impl PartitionValues {
    /// `year=2013/month=1`, with special characters escaped as Hive does.
    pub fn path(&self, keys: &[crate::Column]) -> String {
        let mut path = String::new();
        for (key, value) in keys.iter().zip(&self.0) {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(&escape_path_value(&key.name));
            path.push('=');
            path.push_str(if value.is_empty() { NULL_PARTITION } else { "" });
            path.push_str(&escape_path_value(value));
        }
        path
    }
}

impl<S: Into<String>> FromIterator<S> for PartitionValues {
    fn from_iter<I: IntoIterator<Item = S>>(values: I) -> Self {
        Self(values.into_iter().map(Into::into).collect())
    }
}

/// Stands last in a key, so it ends where the key ends.
impl Key for PartitionValues {
    fn encode(&self, out: &mut Vec<u8>) {
        for value in &self.0 {
            value.encode(out);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let mut values = Vec::new();
        while !bytes.is_empty() {
            values.push(String::decode(bytes)?);
        }
        Some(Self(values))
    }
}

/// The characters that Hive's `FileUtils.escapePathName` writes as `%XX`.
fn is_escaped(c: char) -> bool {
    c.is_ascii_control() || "\"#%'*/:=?\\{[]^".contains(c)
}

/// One directory name's half of `key=value`.
pub fn escape_path_value(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if is_escaped(c) {
            escaped.push_str(&format!("%{:02X}", c as u32));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// The reverse of [`escape_path_value`]; a `%` that begins no escape stands for itself.
pub fn unescape_path_value(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        plain.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8(plain).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_hives() {
        let keys = [
            crate::Column::new("day", "string"),
            crate::Column::new("city", "string"),
        ];
        let values: PartitionValues = ["2013-01-01 00:00", "a/b"].into_iter().collect();
        assert_eq!(values.path(&keys), "day=2013-01-01 00%3A00/city=a%2Fb");
        let null: PartitionValues = ["", "x"].into_iter().collect();
        assert_eq!(null.path(&keys), "day=__HIVE_DEFAULT_PARTITION__/city=x");
    }

    proptest! {
        #[test]
        fn escapes_come_back_and_hold_no_separator(value in "\\PC{0,12}|[%/=a\\x01]{0,6}") {
            let escaped = escape_path_value(&value);
            prop_assert!(!escaped.contains(['/', '=']));
            prop_assert_eq!(unescape_path_value(&escaped), value);
        }

        #[test]
        fn keys_sort_as_values_do(a in proptest::collection::vec("[\\x00ab]{0,3}", 2), b in proptest::collection::vec("[\\x00ab]{0,3}", 2)) {
            let (a, b) = (PartitionValues(a), PartitionValues(b));
            prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
            prop_assert_eq!(PartitionValues::decode(&mut a.to_bytes().as_slice()), Some(a));
        }
    }
}
