//! JSON as text, as columns of texts keep it.

/// Appends JSON, which must be well-formed, without the blanks between its tokens.
pub(super) fn compact_into(json: &str, lowercase_keys: bool, out: &mut Vec<u8>) {
    let mut rest = json;
    // Each quote outside of strings begins one.
    while let Some((between, string)) = rest.split_once('"') {
        push_without_blanks(between, out);
        let (string, after) = string.split_at(string_end(string));
        rest = after.get(1..).unwrap_or_default();
        let is_key = rest.trim_ascii_start().starts_with(':');
        out.push(b'"');
        if is_key && lowercase_keys {
            out.extend_from_slice(string.to_lowercase().as_bytes());
        } else {
            out.extend_from_slice(string.as_bytes());
        }
        out.push(b'"');
    }
    push_without_blanks(rest, out);
}

fn push_without_blanks(text: &str, out: &mut Vec<u8>) {
    out.extend(text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
}

/// Where the closing quote is in a text that begins behind the opening one.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        end
    });
    end.unwrap_or(text.len())
}
