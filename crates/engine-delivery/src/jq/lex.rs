//! The words of jq 1.6.

use super::number;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'q> {
    /// A name, perhaps of a module: `a::b`.
    Name(&'q str),
    Keyword(&'q str),
    /// `.name`, without the point.
    Field(&'q str),
    /// `@name`, with the sign.
    Format(&'q str),
    Number(f64),
    /// The quote that begins a text. What follows is read with [`Lexer::text_part`].
    Quote,
    /// An operator or a bracket.
    Sign(&'q str),
    End,
}

/// A piece of a text.
pub(super) enum TextPart {
    Plain(String),
    /// `\(`: a term follows, and the parenthesis that ends it.
    Term,
    End,
}

const KEYWORDS: &[&str] = &[
    "as", "import", "include", "module", "def", "if", "then", "else", "elif", "and", "or", "end", "reduce", "foreach",
    "try", "catch", "label", "break", "__loc__",
];

/// Signs of several letters before those that they begin with.
const SIGNS: &[&str] = &[
    "?//", "//=", "..", "!=", "==", "//", "|=", "+=", "-=", "*=", "/=", "%=", "<=", ">=", ".", "?", "=", ";", ",", ":",
    "|", "+", "-", "*", "/", "%", "$", "<", ">", "(", ")", "[", "]", "{", "}",
];

pub(super) struct Lexer<'q> {
    query: &'q str,
    at: usize,
}

impl<'q> Lexer<'q> {
    pub(super) fn new(query: &'q str) -> Self {
        Self { query, at: 0 }
    }

    /// How much is read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Whether what is not read begins so.
    pub(super) fn is_before(&self, sign: char) -> bool {
        self.query[self.at..].starts_with(sign)
    }

    /// The line in which reading stands, from 1.
    pub(super) fn line(&self) -> usize {
        1 + self.query[..self.at].bytes().filter(|byte| *byte == b'\n').count()
    }

    /// The next word; `None` where there is none that the language has.
    pub(super) fn next(&mut self) -> Option<Token<'q>> {
        self.skip();
        let rest = &self.query[self.at..];
        let Some(first) = rest.bytes().next() else {
            return Some(Token::End);
        };
        let number = number_length(rest);
        let field = match first {
            b'.' => name_length(&rest[1..]).map_or(0, |length| 1 + length),
            _ => 0,
        };
        let (token, length) = if number > 0 && number >= field && !is_dots(&rest[..number]) {
            (Token::Number(number::parse(&rest[..number])?), number)
        } else if field > 0 {
            (Token::Field(&rest[1..field]), field)
        } else if let Some(length) = path_length(rest) {
            let name = &rest[..length];
            let is_keyword = KEYWORDS.contains(&name);
            (
                if is_keyword {
                    Token::Keyword(name)
                } else {
                    Token::Name(name)
                },
                length,
            )
        } else if first == b'@' {
            let letters = rest[1..]
                .bytes()
                .take_while(|byte| is_letter(*byte) || byte.is_ascii_digit());
            match letters.count() {
                0 => return None,
                length => (Token::Format(&rest[..=length]), 1 + length),
            }
        } else if first == b'"' {
            (Token::Quote, 1)
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign))?;
            (Token::Sign(&rest[..sign.len()]), sign.len())
        };
        self.at += length;
        Some(token)
    }

    fn skip(&mut self) {
        loop {
            let rest = &self.query.as_bytes()[self.at..];
            self.at += match rest.first() {
                Some(b' ' | b'\n' | b'\t' | b'\r') => 1,
                Some(b'#') => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
                _ => return,
            };
        }
    }

    /// The next piece of the text in which reading stands.
    pub(super) fn text_part(&mut self) -> Result<TextPart, String> {
        let rest = &self.query[self.at..];
        let plain = rest.find(['"', '\\']).ok_or("a text has no end")?;
        if plain > 0 {
            self.at += plain;
            return Ok(TextPart::Plain(rest[..plain].to_owned()));
        }
        if rest.starts_with('"') {
            self.at += 1;
            return Ok(TextPart::End);
        }
        if rest.starts_with("\\(") {
            self.at += 2;
            return Ok(TextPart::Term);
        }
        let (letter, length) = super::read::unescape(rest.as_bytes())?;
        self.at += length;
        Ok(TextPart::Plain(letter.to_string()))
    }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn name_length(text: &str) -> Option<usize> {
    is_letter(*text.as_bytes().first()?).then(|| {
        let letters = text
            .bytes()
            .take_while(|byte| is_letter(*byte) || byte.is_ascii_digit());
        letters.count()
    })
}

/// The length of names with `::` between them.
fn path_length(text: &str) -> Option<usize> {
    let mut length = name_length(text)?;
    while let Some(more) = text[length..].strip_prefix("::").and_then(name_length) {
        length += 2 + more;
    }
    Some(length)
}

/// The length of what jq takes for a number before it looks closer: digits and points, and an exponent.
fn number_length(text: &str) -> usize {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mantissa = text
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
        .count();
    if mantissa == 0 {
        return 0;
    }
    let Some(exponent) = text[mantissa..].strip_prefix(['e', 'E']) else {
        return mantissa;
    };
    let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    match digits(unsigned) {
        0 => mantissa,
        length => mantissa + 1 + (exponent.len() - unsigned.len()) + length,
    }
}

/// `.` and `..` mean something else.
fn is_dots(text: &str) -> bool {
    matches!(text, "." | "..")
}
