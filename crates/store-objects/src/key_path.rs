//! How a key becomes the path of a file, and back. docs/formats/objects.md gives the scheme.
//!
//! The path of most keys is the key. What no file system takes, or what two file systems take differently,
//! is escaped so that the path alone gives the key again; where the file system takes names that differ only in
//! their letters' case for one ([`Case::Folded`]), even with that case lost.

/// Most bytes in one name of a path before its mark; file systems allow 255.
const NAME_BYTES_MAX: usize = 240;
/// Ends a name that the next name continues, without a slash between.
const MORE: &str = "%m";
/// Stands for an empty segment.
const EMPTY: &str = "%z";
/// Ends the file name of a key that other keys continue (`a` beside `a/b`).
const OBJECT: &str = "%o";
/// Ends the directory name of a prefix that is itself a key.
const PREFIX: &str = "%p";

/// What the file system that holds a store makes of the case of letters in names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// `a` and `A` are two names.
    Kept,
    /// `a` and `A` are one name, so case is escaped.
    Folded,
}

/// The path of `key` within its bucket. `file_marked` ends the file's name with `%o`; `dir_marked(prefix)`
/// tells whether the directory that stands for `prefix` (no trailing slash) gets its `%p`.
pub(crate) fn encode(key: &str, case: Case, file_marked: bool, mut dir_marked: impl FnMut(&str) -> bool) -> String {
    let mut path = String::with_capacity(key.len() + 8);
    let mut end = 0;
    for segment in key.split('/') {
        end += segment.len();
        if !path.is_empty() {
            path.push('/');
        }
        encode_segment(segment, case, &mut path);
        let last = end == key.len();
        match last {
            true if file_marked => path.push_str(OBJECT),
            false if dir_marked(&key[..end]) => path.push_str(PREFIX),
            _ => {}
        }
        end += 1;
    }
    path
}

fn encode_segment(segment: &str, case: Case, path: &mut String) {
    if segment.is_empty() {
        path.push_str(EMPTY);
        return;
    }
    let only_dots = segment == "." || segment == "..";
    let mut name_start = path.len();
    let mut upper = false;
    for (index, byte) in segment.bytes().enumerate() {
        // The longest token is a shift and a letter, or an escape: three bytes.
        if path.len() - name_start + 3 > NAME_BYTES_MAX {
            path.push_str(MORE);
            path.push('/');
            name_start = path.len();
            upper = false;
        }
        // A name that continues another could become `.` or `..` too.
        let dot = byte == b'.' && path.len() == name_start && (only_dots || index > 0);
        let escape = dot || matches!(byte, 0..=0x1f | 0x7f.. | b'%' | b'^' | b'\\');
        if escape {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            path.push('%');
            path.push(char::from(HEX[usize::from(byte >> 4)]));
            path.push(char::from(HEX[usize::from(byte & 15)]));
            continue;
        }
        if case == Case::Folded && byte.is_ascii_alphabetic() && byte.is_ascii_uppercase() != upper {
            upper = !upper;
            path.push('^');
        }
        path.push(char::from(byte));
    }
}

/// The key of a path that [`encode`] made for the same case; of one made for [`Case::Folded`] even where a file system
/// has changed the case of its letters. `None` for a path that is no key's.
pub(crate) fn decode(path: &str, case: Case) -> Option<String> {
    let mut key = Vec::with_capacity(path.len());
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        let more = decode_name(name, case, &mut key, names.peek().is_none())?;
        if !more && names.peek().is_some() {
            key.push(b'/');
        }
    }
    String::from_utf8(key).ok()
}

/// Decodes one name and tells whether the next continues it.
fn decode_name(name: &str, case: Case, key: &mut Vec<u8>, last: bool) -> Option<bool> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || name == "." || name == ".." {
        return None;
    }
    let mut upper = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'^' if case == Case::Folded => upper = !upper,
            // It is escaped in every key.
            b'^' => return None,
            b'%' => {
                let code = bytes.get(at)?.to_ascii_lowercase();
                let ends = at + 1 == bytes.len();
                match code {
                    b'm' if ends && !last && at > 1 => return Some(true),
                    b'o' if ends && last => return Some(false),
                    b'p' if ends && !last => return Some(false),
                    // The empty segment, which may carry a mark.
                    b'z' if at == 1 => at += 1,
                    _ => {
                        let high = char::from(code).to_digit(16)?;
                        let low = char::from(*bytes.get(at + 1)?).to_digit(16)?;
                        key.push((high * 16 + low) as u8);
                        at += 2;
                    }
                }
            }
            letter if case == Case::Kept => key.push(letter),
            letter if upper => key.push(letter.to_ascii_uppercase()),
            letter => key.push(letter.to_ascii_lowercase()),
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn plain(key: &str) -> String {
        encode(key, Case::Folded, false, |_| false)
    }

    #[test]
    fn paths_are_the_keys_or_escape_them_as_documented() {
        for (key, path) in [
            (
                "flights/year=2013/month=1/part-0.parquet",
                "flights/year=2013/month=1/part-0.parquet",
            ),
            ("a b+c@d:e,f(g)!'~", "a b+c@d:e,f(g)!'~"),
            ("README.md", "^README.^md"),
            ("_SUCCESS", "_^SUCCESS"),
            ("readMe", "read^M^e"),
            ("a/", "a/%z"),
            ("/a", "%z/a"),
            ("a//b", "a/%z/b"),
            ("/", "%z/%z"),
            (".", "%2e"),
            ("..", "%2e."),
            ("../../etc/passwd", "%2e./%2e./etc/passwd"),
            ("...", "..."),
            (".hidden", ".hidden"),
            ("100%", "100%25"),
            ("a^b", "a%5eb"),
            ("tab\there", "tab%09here"),
            ("é", "%c3%a9"),
        ] {
            assert_eq!(plain(key), path, "{key:?}");
            assert_eq!(decode(path, Case::Folded).as_deref(), Some(key));
            // Without capitals, and a caret for one, both schemes are the same.
            if !path.contains('^') {
                assert_eq!(encode(key, Case::Kept, false, |_| false), path, "{key:?}");
            }
        }
        for (key, path) in [
            (
                "country=DE/City=Köln/part-0.parquet",
                "country=DE/City=K%c3%b6ln/part-0.parquet",
            ),
            ("README.md", "README.md"),
            ("a^B", "a%5eB"),
        ] {
            assert_eq!(encode(key, Case::Kept, false, |_| false), path);
            assert_eq!(decode(path, Case::Kept).as_deref(), Some(key));
        }
        assert_eq!(encode("a", Case::Folded, true, |_| false), "a%o");
        assert_eq!(encode("a/b/c", Case::Kept, false, |prefix| prefix == "a/b"), "a/b%p/c");
        assert_eq!(encode("a//b", Case::Folded, false, |prefix| prefix == "a/"), "a/%z%p/b");
        for path in ["", "a//b", ".", "a/..", "%", "%x", "a%o/b", "a%p", "%4", "%ff"] {
            assert_eq!(decode(path, Case::Kept), None, "{path:?}");
            assert_eq!(decode(path, Case::Folded), None, "{path:?}");
        }
        assert_eq!(decode("a^b", Case::Kept), None);
    }

    fn keys() -> impl Strategy<Value = String> {
        prop_oneof![
            "[aAbB/.%^]{1,12}",
            "[a-zA-Z0-9/._=-]{1,80}",
            "\\PC{1,60}",
            proptest::collection::vec(any::<char>(), 1..250).prop_map(|chars| chars.into_iter().collect::<String>()),
            "[aB%.]{200,1024}",
            "[.]{200,1024}",
        ]
        .prop_filter("at most 1024 bytes", |key| key.len() <= 1024)
    }

    proptest! {
        #[test]
        fn the_path_alone_gives_the_key(key in keys(), marks in any::<(bool, u64)>()) {
            for case in [Case::Kept, Case::Folded] {
                let mut bits = marks.1;
                let path = encode(&key, case, marks.0, |_| { bits = bits.rotate_left(1); bits & 1 == 1 });
                prop_assert_eq!(decode(&path, case), Some(key.clone()));
                if case == Case::Folded {
                    prop_assert_eq!(decode(&path.to_ascii_lowercase(), case), Some(key.clone()));
                    prop_assert_eq!(decode(&path.to_ascii_uppercase(), case), Some(key.clone()));
                }
                prop_assert!(path.is_ascii() && path.len() < 3_600);
                for name in path.split('/') {
                    prop_assert!(!name.is_empty() && name != "." && name != ".." && name.len() <= 255);
                    prop_assert!(name.bytes().all(|b| (0x20..0x7f).contains(&b)));
                }
            }
        }

        #[test]
        fn distinct_keys_have_distinct_paths_even_case_folded(keys in proptest::collection::vec("[aAbB%^./]{1,6}", 2..60)) {
            let mut seen = HashMap::new();
            for key in keys {
                let other = seen.insert(plain(&key).to_ascii_lowercase(), key.clone());
                prop_assert!(other.is_none_or(|other| other == key));
            }
        }
    }
}
