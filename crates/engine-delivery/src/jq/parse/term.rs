//! Terms: what stands by itself, with fields, indices and slices behind it.

use super::binding::refuse_key;
use super::{PIPE, Parser};
use crate::jq::lex::{TextPart, Token};
use crate::jq::natives;
use crate::jq::operators;
use crate::jq::program::{Node, NodeId};
use crate::jq::value::{Object, Text, Value};

impl<'q> Parser<'q, '_> {
    pub(super) fn term(&mut self) -> Result<NodeId, String> {
        let mut term = self.term_start()?;
        loop {
            let token = self.peek()?.clone();
            term = match token {
                Token::Field(name) => {
                    self.next = None;
                    let key = self.text(name);
                    self.index(term, key)?
                }
                Token::Sign(".") => {
                    self.next = None;
                    let key = self.string()?.ok_or_else(|| self.unexpected())?;
                    self.index(term, key)?
                }
                Token::Sign("[") => {
                    self.next = None;
                    self.bracket(term)?
                }
                _ => return Ok(term),
            };
        }
    }

    fn term_start(&mut self) -> Result<NodeId, String> {
        let node = match self.advance()? {
            Token::Sign(".") => {
                let input = self.node(Node::Identity);
                return match self.string()? {
                    Some(key) => self.index(input, key),
                    None => Ok(input),
                };
            }
            Token::Sign("..") => return self.call("recurse", Vec::new()),
            Token::Field(name) => {
                let (input, key) = (self.node(Node::Identity), self.text(name));
                return self.index(input, key);
            }
            Token::Number(number) => Node::Literal(Value::Number(number)),
            Token::Quote => return self.quoted("text"),
            Token::Format(format) => {
                let format = &format[1..];
                if self.takes(&Token::Quote)? {
                    return self.quoted(format);
                }
                let format = self.text(format);
                Node::Native(natives::FORMAT, vec![format])
            }
            Token::Sign("(") => {
                let inner = self.expression(PIPE)?;
                self.expect_sign(")")?;
                return Ok(inner);
            }
            Token::Sign("[") => {
                if self.takes_sign("]")? {
                    return Ok(self.literal(Value::array([])));
                }
                let items = self.expression(PIPE)?;
                self.expect_sign("]")?;
                return Ok(self.array(items));
            }
            Token::Sign("{") => return self.nested(Self::object),
            Token::Sign("$") => {
                if self.takes_word("__loc__")? {
                    return Ok(self.location());
                }
                let name = self.name()?;
                return Ok(self.variable(name));
            }
            Token::Keyword("break") => {
                self.expect_sign("$")?;
                let name = self.name()?;
                return Ok(match self.scope.label(name) {
                    Some(place) => self.node(Node::Break(place)),
                    None => self.unknown(format!("names what is not defined: the label ${name}")),
                });
            }
            Token::Name(name) => {
                let mut arguments = Vec::new();
                if self.takes_sign("(")? {
                    loop {
                        arguments.push(self.argument()?);
                        if !self.takes_sign(";")? {
                            break;
                        }
                    }
                    self.expect_sign(")")?;
                }
                return self.call(name, arguments);
            }
            _ => return Err(self.unexpected()),
        };
        Ok(self.node(node))
    }

    /// An array of items that stand in the query is made once.
    fn array(&mut self, items: NodeId) -> NodeId {
        let mut values = Vec::new();
        let mut rest = items;
        loop {
            // Commas gather to the left.
            let (before, last) = match self.builder.program.node(rest) {
                Node::Comma(before, last) => (Some(*before), *last),
                _ => (None, rest),
            };
            match self.builder.literal(last) {
                Some(value) => values.push(value.clone()),
                None => return self.node(Node::Collect(items)),
            }
            match before {
                Some(before) => rest = before,
                None => break,
            }
        }
        values.reverse();
        self.literal(Value::array(values))
    }

    /// A text that may stand here.
    fn string(&mut self) -> Result<Option<NodeId>, String> {
        match self.peek()?.clone() {
            Token::Quote => {
                self.next = None;
                self.quoted("text").map(Some)
            }
            Token::Format(format) => {
                self.next = None;
                match self.takes(&Token::Quote)? {
                    true => self.quoted(&format[1..]).map(Some),
                    false => Err(self.unexpected()),
                }
            }
            _ => Ok(None),
        }
    }

    /// The rest of a text whose quote is read. What terms in it yield is written by a format.
    pub(super) fn quoted(&mut self, format: &str) -> Result<NodeId, String> {
        let mut plain = String::new();
        let mut made = None;
        loop {
            match self.lexer.text_part()? {
                TextPart::Plain(text) => plain.push_str(&text),
                TextPart::Term => {
                    let before = self.with_text(made, std::mem::take(&mut plain))?;
                    let term = self.expression(PIPE)?;
                    // Reading goes on in the text behind the parenthesis.
                    self.expect_sign(")")?;
                    let format = self.text(format);
                    let written = self.native(natives::FORMAT, vec![format]);
                    let written = self.node(Node::Pipe(term, written));
                    made = Some(self.native(operators::ADD, vec![before, written]));
                }
                TextPart::End => break,
            }
        }
        match made {
            Some(made) if plain.is_empty() => Ok(made),
            made => self.with_text(made, plain),
        }
    }

    fn with_text(&mut self, made: Option<NodeId>, plain: String) -> Result<NodeId, String> {
        let plain = self.text(plain);
        Ok(match made {
            Some(made) => self.native(operators::ADD, vec![made, plain]),
            None => plain,
        })
    }

    fn index(&mut self, of: NodeId, key: NodeId) -> Result<NodeId, String> {
        let is_optional = self.takes_sign("?")?;
        Ok(self.node(Node::Index { of, key, is_optional }))
    }

    /// What follows `term[`.
    fn bracket(&mut self, of: NodeId) -> Result<NodeId, String> {
        if self.takes_sign("]")? {
            let is_optional = self.takes_sign("?")?;
            return Ok(self.node(Node::Each { of, is_optional }));
        }
        let from = match self.takes_sign(":")? {
            true => None,
            false => Some(self.expression(PIPE)?),
        };
        let to = match from {
            None => Some(self.expression(PIPE)?),
            Some(key) if !self.takes_sign(":")? => {
                self.expect_sign("]")?;
                return self.index(of, key);
            }
            Some(_) if *self.peek()? == Token::Sign("]") => None,
            Some(_) => Some(self.expression(PIPE)?),
        };
        self.expect_sign("]")?;
        let is_optional = self.takes_sign("?")?;
        let mut bound = |bound: Option<NodeId>| match bound {
            Some(bound) => bound,
            None => self.literal(Value::Null),
        };
        let (from, to) = (bound(from), bound(to));
        Ok(self.node(Node::Slice {
            of,
            from,
            to,
            is_optional,
        }))
    }

    /// What follows `{`.
    fn object(&mut self) -> Result<NodeId, String> {
        let mut entries = Vec::new();
        while !self.takes_sign("}")? {
            entries.push(self.entry()?);
            if !self.takes_sign(",")? {
                self.expect_sign("}")?;
                break;
            }
        }
        let literals = entries.iter().map(|(key, value)| {
            let pair = (self.builder.literal(*key), self.builder.literal(*value));
            match pair {
                (Some(Value::Text(key)), Some(value)) => Some((key.clone(), value.clone())),
                _ => None,
            }
        });
        match literals.collect::<Option<Vec<(Text, Value)>>>() {
            Some(literals) => Ok(self.literal(Value::Object(Object::from_iter(literals)))),
            None => Ok(self.node(Node::Object(entries))),
        }
    }

    fn entry(&mut self) -> Result<(NodeId, NodeId), String> {
        let key = match self.advance()? {
            Token::Sign("$") => {
                let name = self.name()?;
                let key = self.text(name);
                return Ok((key, self.variable(name)));
            }
            Token::Name(name) => {
                let key = self.text(name);
                if *self.peek()? != Token::Sign(":") {
                    return Ok((key, self.field_of_input(key)));
                }
                key
            }
            Token::Keyword(name) => self.text(name),
            Token::Quote => {
                let key = self.quoted("text")?;
                if *self.peek()? != Token::Sign(":") {
                    return Ok((key, self.field_of_input(key)));
                }
                key
            }
            Token::Format(format) if self.takes(&Token::Quote)? => {
                let key = self.quoted(&format[1..])?;
                if *self.peek()? != Token::Sign(":") {
                    return Ok((key, self.field_of_input(key)));
                }
                key
            }
            Token::Sign("(") => {
                let key = self.expression(PIPE)?;
                self.expect_sign(")")?;
                refuse_key(self.builder, key)?;
                key
            }
            _ => return Err(self.unexpected()),
        };
        self.expect_sign(":")?;
        Ok((key, self.nested(Self::entry_value)?))
    }

    fn field_of_input(&mut self, key: NodeId) -> NodeId {
        let of = self.node(Node::Identity);
        self.node(Node::Index {
            of,
            key,
            is_optional: false,
        })
    }

    /// Terms with pipes between them and signs before them; other operators need parentheses.
    fn entry_value(&mut self) -> Result<NodeId, String> {
        let mut piped = Vec::new();
        let mut value = self.signed_term()?;
        while self.takes_sign("|")? {
            piped.push(value);
            value = self.signed_term()?;
        }
        while let Some(before) = piped.pop() {
            value = self.node(Node::Pipe(before, value));
        }
        Ok(value)
    }

    fn signed_term(&mut self) -> Result<NodeId, String> {
        if !self.takes_sign("-")? {
            return self.term();
        }
        let of = self.nested(Self::signed_term)?;
        let negated = self.native(operators::NEGATE, Vec::new());
        Ok(self.node(Node::Pipe(of, negated)))
    }
}
