//! Tokens of Hive's data definition language, with their places in the text.

use crate::SqlError;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Word(String),
    /// In backticks: a name, never a keyword.
    Name(String),
    /// In single or double quotes; Hive takes both for strings.
    Text(String),
    Number(String),
    Sign(char),
}

#[derive(Debug, Clone)]
pub(super) struct Spanned {
    pub(super) token: Token,
    pub(super) start: usize,
    pub(super) end: usize,
}

pub(super) fn tokens(text: &str) -> Result<Vec<Spanned>, SqlError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let start = at;
        let rest = &text[at..];
        let token = match first {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '-' if rest.starts_with("--") => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            '/' if rest.starts_with("/*") => {
                let end = rest
                    .find("*/")
                    .ok_or_else(|| unexpected(text, at, "a comment that does not end"))?;
                at += end + 2;
                continue;
            }
            '\'' | '"' => {
                let (piece, length) = quoted(rest, first).ok_or_else(|| unexpected(text, at, "an unclosed quote"))?;
                at += length;
                Token::Text(piece)
            }
            '`' => {
                let end = rest[1..]
                    .find('`')
                    .ok_or_else(|| unexpected(text, at, "an unclosed quote"))?;
                at += end + 2;
                Token::Name(rest[1..=end].to_owned())
            }
            c if c.is_ascii_digit() => {
                let end = rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'))
                    .unwrap_or(rest.len());
                at += end;
                // Hive's names may begin with a digit.
                let word = &rest[..end];
                if word.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
                    Token::Number(word.to_owned())
                } else {
                    Token::Word(word.to_owned())
                }
            }
            c if c.is_alphabetic() || c == '_' => {
                let end = rest
                    .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .unwrap_or(rest.len());
                at += end;
                Token::Word(rest[..end].to_owned())
            }
            c => {
                at += c.len_utf8();
                Token::Sign(c)
            }
        };
        tokens.push(Spanned { token, start, end: at });
    }
    Ok(tokens)
}

/// The text between quotes and how many bytes it took. A doubled quote and backslash escapes stand for
/// characters, as in Hive.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut piece = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next()?.1 {
                'n' => piece.push('\n'),
                't' => piece.push('\t'),
                'r' => piece.push('\r'),
                '0' => {
                    // An octal code, such as \001.
                    let mut code = 0;
                    while let Some(digit) = chars.peek().and_then(|(_, c)| c.to_digit(8)) {
                        code = code * 8 + digit;
                        chars.next();
                    }
                    piece.push(char::from_u32(code)?);
                }
                'u' => {
                    let digits: String = (0..4).map_while(|_| chars.next().map(|(_, c)| c)).collect();
                    piece.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                other @ ('\\' | '\'' | '"') => piece.push(other),
                other => {
                    piece.push('\\');
                    piece.push(other);
                }
            },
            c if c == quote => {
                if chars.peek().is_some_and(|(_, next)| *next == quote) {
                    chars.next();
                    piece.push(quote);
                } else {
                    return Some((piece, at + 1));
                }
            }
            c => piece.push(c),
        }
    }
    None
}

/// The service's form of a syntax error at a byte of the text.
pub(super) fn unexpected(text: &str, at: usize, what: &str) -> SqlError {
    let before = &text[..at.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    SqlError::syntax(format!("line {line}:{column}: {what}"))
}
