//! Words, numbers, strings and signs.

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A keyword or a name; quoted names are never keywords.
    Word(String),
    QuotedName(String),
    Text(String),
    Number(String),
    Sign(&'static str),
}

/// Longer signs stand before their prefixes.
const SIGNS: [&str; 13] = ["<>", "!=", "<=", ">=", "==", "=", "<", ">", "(", ")", ",", "-", "+"];

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '\'' => quoted(rest, '\'').map(|(text, after)| (Token::Text(text), after))?,
            '"' | '`' => quoted(rest, first).map(|(name, after)| (Token::QuotedName(name), after))?,
            c if c.is_ascii_digit() || c == '.' => {
                let (number, after) = split(rest, |c| c.is_ascii_alphanumeric() || c == '.');
                (Token::Number(number.to_owned()), after)
            }
            c if c.is_alphabetic() || c == '_' => {
                let (word, after) = split(rest, |c| c.is_alphanumeric() || "_-.$".contains(c));
                (Token::Word(word.to_owned()), after)
            }
            _ => {
                let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
                let sign = sign.ok_or_else(|| format!("{first:?} is not expected"))?;
                (Token::Sign(if sign == "==" { "=" } else { sign }), &rest[sign.len()..])
            }
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// Takes a quoted piece off the front; its quote doubled stands for itself.
fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut piece = String::new();
    let mut rest = &text[1..];
    loop {
        let end = rest
            .find(quote)
            .ok_or_else(|| format!("{text:?} lacks its closing quote"))?;
        piece.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix(quote) {
            Some(after) => {
                piece.push(quote);
                rest = after;
            }
            None => return Ok((piece, rest)),
        }
    }
}
