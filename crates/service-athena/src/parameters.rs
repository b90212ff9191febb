//! `EXECUTE name USING a, b`, and parameters in place of question marks.

use protocol_aws::AwsError;

use crate::errors;

/// Puts each parameter's text in place of its question mark. Marks within quotes and comments are no
/// parameters.
pub(crate) fn bind(query: &str, parameters: &[String]) -> Result<String, AwsError> {
    let mut bound = String::with_capacity(query.len());
    let mut remaining = parameters.iter();
    let mut marks = 0;
    for piece in pieces(query) {
        match piece {
            Piece::Mark => {
                marks += 1;
                if let Some(parameter) = remaining.next() {
                    bound.push_str(parameter);
                }
            }
            Piece::Text(text) => bound.push_str(text),
        }
    }
    if marks != parameters.len() {
        return Err(errors::invalid(format!(
            "Incorrect number of parameters: expected {marks} but found {}",
            parameters.len()
        )));
    }
    Ok(bound)
}

enum Piece<'q> {
    Mark,
    Text(&'q str),
}

fn pieces(query: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = query;
    let mut at = 0;
    let ends_after =
        |text: &str, end: &str, from: usize| text[from..].find(end).map_or(text.len(), |at| from + at + end.len());
    while let Some(c) = rest[at..].chars().next() {
        at = match c {
            '?' => {
                pieces.push(Piece::Text(&rest[..at]));
                pieces.push(Piece::Mark);
                rest = &rest[at + 1..];
                0
            }
            '\'' => ends_after(rest, "'", at + 1),
            '"' => ends_after(rest, "\"", at + 1),
            '-' if rest[at..].starts_with("--") => ends_after(rest, "\n", at),
            '/' if rest[at..].starts_with("/*") => ends_after(rest, "*/", at + 2),
            other => at + other.len_utf8(),
        };
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// The name and the parameters of an EXECUTE statement; `None` for other statements.
pub(crate) fn execute_statement(query: &str) -> Option<(String, Vec<String>)> {
    let text = query.trim().trim_end_matches(';').trim_end();
    let (keyword, rest) = text.split_once(char::is_whitespace)?;
    if !keyword.eq_ignore_ascii_case("execute") {
        return None;
    }
    let rest = rest.trim_start();
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let (name, rest) = (rest[..end].trim_matches('"'), rest[end..].trim());
    if rest.is_empty() {
        return Some((name.to_owned(), Vec::new()));
    }
    let (using, list) = rest.split_once(char::is_whitespace)?;
    if !using.eq_ignore_ascii_case("using") {
        return None;
    }
    Some((name.to_owned(), split_list(list)))
}

/// Splits at commas outside quotes and parentheses.
fn split_list(list: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let (mut depth, mut quote) = (0_i32, None);
    for c in list.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth -= 1,
            (None, ',') if depth == 0 => {
                items.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(item) = items.last_mut() {
            item.push(c);
        }
    }
    items.into_iter().map(|item| item.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_in_quotes_are_text() {
        let query = "select '?', \"?\" -- ?\n, ? /* ? */ from t where a = ? and b = 'it''s ?'";
        let bound = bind(query, &["1".into(), "'x'".into()]).unwrap();
        assert_eq!(
            bound,
            "select '?', \"?\" -- ?\n, 1 /* ? */ from t where a = 'x' and b = 'it''s ?'"
        );
        assert!(bind("select ?", &[]).is_err());
        assert!(bind("select 1", &["1".into()]).is_err());
    }

    #[test]
    fn execute() {
        let statement = execute_statement("EXECUTE \"mine\" USING 'a,b', f(1, 2), 3;").unwrap();
        assert_eq!(
            statement,
            (
                "mine".to_owned(),
                vec!["'a,b'".to_owned(), "f(1, 2)".to_owned(), "3".to_owned()]
            )
        );
        assert_eq!(execute_statement("execute mine"), Some(("mine".to_owned(), vec![])));
        assert_eq!(execute_statement("select 1"), None);
    }
}
