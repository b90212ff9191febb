//! The keys that a JQ query yields, as far as they stand in its text.

/// The keys of a query that is one object construction with plain keys, such as `{a: .x, "b": .y, c}`; `None`
/// where only running it would tell.
pub(crate) fn of(query: &str) -> Option<Vec<String>> {
    let inner = query.trim().strip_prefix('{')?;
    let mut keys = Vec::new();
    let mut depth = 0_u32;
    let mut in_string = false;
    let mut escaped = false;
    let mut start = 0;
    for (at, letter) in inner.char_indices() {
        if in_string {
            // A string may hold a query of its own; its result is not in the text.
            if escaped && letter == '(' {
                return None;
            }
            in_string = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            continue;
        }
        match letter {
            '"' => in_string = true,
            '#' => return None,
            '{' | '[' | '(' => depth += 1,
            '}' if depth == 0 => {
                let entry = inner[start..at].trim();
                if !entry.is_empty() {
                    keys.push(key(entry)?);
                }
                return inner[at + 1..].trim().is_empty().then_some(keys);
            }
            '}' | ']' | ')' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                keys.push(key(inner[start..at].trim())?);
                start = at + 1;
            }
            _ => {}
        }
    }
    None
}

/// The key of one entry: `name: ..`, `"name": ..`, or either alone.
fn key(entry: &str) -> Option<String> {
    if let Some(rest) = entry.strip_prefix('"') {
        let (name, rest) = rest.split_once('"')?;
        let plain = !name.contains('\\') && (rest.trim_start().is_empty() || rest.trim_start().starts_with(':'));
        return plain.then(|| name.to_owned());
    }
    let name = entry.split_once(':').map_or(entry, |(name, _)| name).trim();
    let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    (!name.is_empty() && name.chars().all(letter)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(query: &str, expect: Option<&[&str]>) {
        let found = super::of(query);
        let found = found
            .as_ref()
            .map(|keys| keys.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(found.as_deref(), expect, "{query}");
    }

    #[test]
    fn keys_that_stand_in_the_text() {
        check("{a: .a}", Some(&["a"]));
        check(" { \"a\" : .x.y , b:.z[0:3],c } ", Some(&["a", "b", "c"]));
        check("{year:.t|strftime(\"%Y, {%m}\"),d:{x:1}.x}", Some(&["year", "d"]));
        check(
            "{customer_id:.customer_id,device:.type.device,year:.event_timestamp|strftime(\"%Y\")}",
            Some(&["customer_id", "device", "year"]),
        );
        check("{}", Some(&[]));
        check("{(.k): 1}", None);
        check("{$x}", None);
        check("{a: \"\\(.b)\"}", None);
        check("{a: .a} | with_entries(.)", None);
        check(". | {a: .a}", None);
        check("{a: .a", None);
        check(".a", None);
    }
}
