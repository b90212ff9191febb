//! The functions that are written in jq's own language.

use std::collections::HashMap;
use std::sync::LazyLock;

const TEXT: &str = include_str!("library.jq");

/// The definitions by name, with the number of their parameters.
static DEFINITIONS: LazyLock<HashMap<&str, Vec<(usize, &str)>>> = LazyLock::new(|| {
    let mut definitions = HashMap::<_, Vec<_>>::new();
    for paragraph in TEXT.split("\n\n") {
        let head = paragraph.strip_prefix("def ").unwrap_or_default();
        let Some(end) = head.find(['(', ':']) else { continue };
        let parameters = match head[end..].strip_prefix('(') {
            Some(list) => 1 + list.split(')').next().unwrap_or_default().matches(';').count(),
            None => 0,
        };
        definitions
            .entry(&head[..end])
            .or_default()
            .push((parameters, paragraph));
    }
    definitions
});

/// A function's name and definition.
pub(super) fn find(name: &str, parameters: usize) -> Option<(&'static str, &'static str)> {
    let (name, definitions) = DEFINITIONS.get_key_value(name)?;
    let found = definitions.iter().find(|(known, _)| *known == parameters);
    found.map(|(_, text)| (*name, *text))
}

/// Functions of jq 1.6 that queries may not use: what they tell of is not there, or they would end the server.
const OFF: &[(&str, usize)] = &[
    ("builtins", 0),
    ("debug", 0),
    ("get_jq_origin", 0),
    ("get_prog_origin", 0),
    ("get_search_list", 0),
    ("halt", 0),
    ("halt_error", 0),
    ("halt_error", 1),
    ("input", 0),
    ("input_filename", 0),
    ("input_line_number", 0),
    ("inputs", 0),
    ("modulemeta", 0),
    ("stderr", 0),
];

pub(super) fn is_off(name: &str, arguments: usize) -> bool {
    OFF.contains(&(name, arguments))
}
