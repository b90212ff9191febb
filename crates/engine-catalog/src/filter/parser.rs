//! From text to a condition, by recursive descent: OR, AND, NOT, then one predicate.

use super::lexer::{Token, tokens};
use super::value::Literal;
use super::{Comparison, Condition};
use crate::{Column, HiveType};

/// How deeply parentheses and NOTs may nest.
const DEPTH_MAX: usize = 100;

/// `None` for blank text.
pub(super) fn parse(text: &str, keys: &[Column], types: &[HiveType]) -> Result<Option<Condition>, String> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        keys,
        types,
    };
    let condition = parser.any(0)?;
    match parser.peek() {
        None => Ok(Some(condition)),
        Some(token) => Err(format!("{} is not expected", show(token))),
    }
}

struct Parser<'p> {
    tokens: &'p [Token],
    at: usize,
    keys: &'p [Column],
    types: &'p [HiveType],
}

impl<'p> Parser<'p> {
    fn any(&mut self, depth: usize) -> Result<Condition, String> {
        let mut condition = self.all(depth)?;
        while self.keyword("or") {
            condition = Condition::Or(Box::new(condition), Box::new(self.all(depth)?));
        }
        Ok(condition)
    }

    fn all(&mut self, depth: usize) -> Result<Condition, String> {
        let mut condition = self.one(depth)?;
        while self.keyword("and") {
            condition = Condition::And(Box::new(condition), Box::new(self.one(depth)?));
        }
        Ok(condition)
    }

    fn one(&mut self, depth: usize) -> Result<Condition, String> {
        if depth > DEPTH_MAX {
            return Err(format!("conditions nest deeper than {DEPTH_MAX}"));
        }
        if self.keyword("not") {
            return Ok(negate(self.one(depth + 1)?));
        }
        if self.sign("(") {
            let condition = self.any(depth + 1)?;
            self.expect(")")?;
            return Ok(condition);
        }
        self.predicate()
    }

    fn predicate(&mut self) -> Result<Condition, String> {
        let Some(key) = self.key()? else {
            // A literal on the left: only a comparison can follow.
            let (from, comparison_at) = (self.at, self.skip_literal()?);
            let comparison = self.comparison().ok_or("a comparison is expected")?;
            let key = self.key()?.ok_or("a partition key is expected")?;
            let after = self.at;
            self.at = from;
            let literal = self.literal(key)?;
            debug_assert_eq!(self.at, comparison_at);
            self.at = after;
            return Ok(Condition::Compare(key, comparison.mirrored(), literal));
        };
        if let Some(comparison) = self.comparison() {
            return Ok(Condition::Compare(key, comparison, self.literal(key)?));
        }
        if self.keyword("is") {
            let not = self.keyword("not");
            if !self.keyword("null") {
                return Err("NULL is expected behind IS".to_owned());
            }
            let condition = Condition::IsNull(key);
            return Ok(if not { negate(condition) } else { condition });
        }
        let not = self.keyword("not");
        let condition = if self.keyword("in") {
            self.expect("(")?;
            let mut literals = vec![self.literal(key)?];
            while self.sign(",") {
                literals.push(self.literal(key)?);
            }
            self.expect(")")?;
            Condition::In(key, literals)
        } else if self.keyword("between") {
            let low = self.literal(key)?;
            if !self.keyword("and") {
                return Err("AND is expected in BETWEEN".to_owned());
            }
            Condition::Between(key, low, self.literal(key)?)
        } else if self.keyword("like") {
            match self.next() {
                Some(Token::Text(pattern)) => Condition::Like(key, pattern.clone()),
                _ => return Err("a quoted pattern is expected behind LIKE".to_owned()),
            }
        } else {
            return Err(format!("a comparison is expected behind {}", self.keys[key].name));
        };
        Ok(if not { negate(condition) } else { condition })
    }

    /// The index of the partition key that stands next, if a name does.
    fn key(&mut self) -> Result<Option<usize>, String> {
        let name = match self.peek() {
            Some(Token::QuotedName(name)) => name,
            Some(Token::Word(word)) if !self.typed_literal_ahead(word) && !is_boolean(word) => word,
            _ => return Ok(None),
        };
        let found = self.keys.iter().position(|key| key.name.eq_ignore_ascii_case(name));
        let key = found.ok_or_else(|| format!("{name} is not a partition key"))?;
        self.at += 1;
        Ok(Some(key))
    }

    /// `date '2013-01-31'`, where `date` may also be a key's name.
    fn typed_literal_ahead(&self, word: &str) -> bool {
        let typed = word.eq_ignore_ascii_case("date") || word.eq_ignore_ascii_case("timestamp");
        typed && matches!(self.tokens.get(self.at + 1), Some(Token::Text(_)))
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let comparison = match self.peek()? {
            Token::Sign("=") => Comparison::Equal,
            Token::Sign("<>" | "!=") => Comparison::NotEqual,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::LessOrEqual,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign(">=") => Comparison::GreaterOrEqual,
            _ => return None,
        };
        self.at += 1;
        Some(comparison)
    }

    /// A literal that must be a value of the key's type.
    fn literal(&mut self, key: usize) -> Result<Literal, String> {
        let text = self.literal_text()?;
        let key_type = &self.types[key];
        Literal::of_type(&text, key_type).ok_or_else(|| format!("{text:?} is not a {key_type}"))
    }

    fn skip_literal(&mut self) -> Result<usize, String> {
        self.literal_text()?;
        Ok(self.at)
    }

    fn literal_text(&mut self) -> Result<String, String> {
        let negative = self.sign("-");
        if !negative {
            self.sign("+");
        }
        match self.next() {
            Some(Token::Number(number)) => Ok(if negative { format!("-{number}") } else { number.clone() }),
            Some(Token::Text(text)) if !negative => Ok(text.clone()),
            Some(Token::Word(word)) if !negative && is_boolean(word) => Ok(word.clone()),
            Some(Token::Word(_)) if !negative => match self.next() {
                Some(Token::Text(text)) => Ok(text.clone()),
                _ => Err("a literal is expected".to_owned()),
            },
            Some(token) => Err(format!("a literal is expected in place of {}", show(token))),
            None => Err("a literal is expected at the end".to_owned()),
        }
    }

    fn peek(&self) -> Option<&'p Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<&'p Token> {
        let token = self.tokens.get(self.at);
        self.at += 1;
        token
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(s)) if *s == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.sign(sign) {
            Ok(())
        } else {
            Err(format!("{sign:?} is expected"))
        }
    }
}

fn is_boolean(word: &str) -> bool {
    word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false")
}

fn negate(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

fn show(token: &Token) -> String {
    match token {
        Token::Word(text) | Token::QuotedName(text) | Token::Number(text) => text.clone(),
        Token::Text(text) => format!("'{text}'"),
        Token::Sign(sign) => format!("{sign:?}"),
    }
}
