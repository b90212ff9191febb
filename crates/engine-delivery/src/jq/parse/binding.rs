//! Bindings: `source as patterns | body`, `reduce` and `foreach`.

use super::{Builder, PIPE, Parser};
use crate::jq::lex::Token;
use crate::jq::program::{Binding, Node, NodeId, Part, Pattern, PatternId};
use crate::jq::value::Value;

/// The variables of patterns, and their slots.
type Variables<'q> = Vec<(&'q str, u32)>;

impl<'q> Parser<'q, '_> {
    /// What follows `source as`.
    pub(super) fn binding(&mut self, source: NodeId) -> Result<NodeId, String> {
        let (patterns, variables) = self.patterns()?;
        self.expect_sign("|")?;
        let mark = self.scope.mark();
        self.see(&variables);
        let body = self.expression(PIPE)?;
        self.scope.reset(mark);
        let slots = variables.into_iter().map(|(_, slot)| slot).collect();
        Ok(self.node(Node::Bind(Binding {
            source,
            is_followed: false,
            patterns,
            slots,
            body,
        })))
    }

    /// `reduce source as patterns (init; update)`, and `foreach` the same with what it yields of each state.
    pub(super) fn fold(&mut self, is_foreach: bool) -> Result<NodeId, String> {
        self.next = None;
        let source = self.term()?;
        self.expect_word("as")?;
        let (patterns, variables) = self.patterns()?;
        self.expect_sign("(")?;
        let init = self.expression(PIPE)?;
        self.expect_sign(";")?;
        let mark = self.scope.mark();
        self.see(&variables);
        let body = self.expression(PIPE)?;
        let extract = match is_foreach {
            false => None,
            true if self.takes_sign(";")? => Some(self.expression(PIPE)?),
            true => Some(self.node(Node::Identity)),
        };
        self.scope.reset(mark);
        self.expect_sign(")")?;
        let slots = variables.into_iter().map(|(_, slot)| slot).collect();
        let binding = Binding {
            source,
            is_followed: false,
            patterns,
            slots,
            body,
        };
        Ok(self.node(Node::Fold { binding, init, extract }))
    }

    fn see(&mut self, variables: &Variables<'q>) {
        for (name, slot) in variables {
            self.scope.add_variable(name, *slot);
        }
    }

    /// Patterns with `?//` between them. A name that stands in several is one variable.
    fn patterns(&mut self) -> Result<(Vec<PatternId>, Variables<'q>), String> {
        let mut variables = Vec::new();
        let mut patterns = vec![self.alternative(&mut variables)?];
        while self.takes_sign("?//")? {
            patterns.push(self.alternative(&mut variables)?);
        }
        Ok((patterns, variables))
    }

    /// A whole pattern. Of a name that stands in it several times the one that is matched first counts.
    fn alternative(&mut self, variables: &mut Variables<'q>) -> Result<PatternId, String> {
        let first = self.builder.program.patterns.len();
        let (pattern, matched) = self.pattern()?;
        let mut seen = Vec::new();
        for (name, slot) in matched {
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            match variables.iter().find(|(known, _)| *known == name) {
                Some((_, known)) => self.rename(first, slot, *known),
                None => variables.push((name, slot)),
            }
        }
        Ok(pattern)
    }

    /// Gives a variable of the patterns from one on the slot of another.
    fn rename(&mut self, first: usize, from: u32, to: u32) {
        for pattern in &mut self.builder.program.patterns[first..] {
            match pattern {
                Pattern::Variable(slot) if *slot == from => *slot = to,
                Pattern::Variable(_) => {}
                Pattern::Parts(parts) => {
                    let slots = parts.iter_mut().filter_map(|part| part.slot.as_mut());
                    slots.filter(|slot| **slot == from).for_each(|slot| *slot = to);
                }
            }
        }
    }

    /// A pattern and its variables in the order in which they are matched.
    fn pattern(&mut self) -> Result<(PatternId, Variables<'q>), String> {
        self.nested(|parser| {
            let (pattern, variables) = match parser.advance()? {
                Token::Sign("$") => {
                    let (name, slot) = (parser.name()?, parser.scope.new_slot());
                    (Pattern::Variable(slot), vec![(name, slot)])
                }
                Token::Sign("[") => parser.array_pattern()?,
                Token::Sign("{") => parser.object_pattern()?,
                _ => return Err(parser.unexpected()),
            };
            Ok((parser.builder.pattern(pattern), variables))
        })
    }

    /// The last item is matched first.
    fn array_pattern(&mut self) -> Result<(Pattern, Variables<'q>), String> {
        let (mut parts, mut variables) = (Vec::new(), Vec::new());
        loop {
            let key = self.literal(Value::Number(parts.len() as f64));
            let (pattern, inner) = self.pattern()?;
            parts.push(Part {
                key,
                slot: None,
                pattern: Some(pattern),
            });
            variables.splice(0..0, inner);
            if !self.takes_sign(",")? {
                break;
            }
        }
        self.expect_sign("]")?;
        parts.reverse();
        Ok((Pattern::Parts(parts), variables))
    }

    fn object_pattern(&mut self) -> Result<(Pattern, Variables<'q>), String> {
        let (mut parts, mut variables) = (Vec::new(), Vec::new());
        loop {
            parts.push(self.entry_pattern(&mut variables)?);
            if !self.takes_sign(",")? {
                break;
            }
        }
        self.expect_sign("}")?;
        Ok((Pattern::Parts(parts), variables))
    }

    fn entry_pattern(&mut self, variables: &mut Variables<'q>) -> Result<Part, String> {
        if self.takes_sign("$")? {
            let name = self.name()?;
            let key = self.text(name);
            let slot = self.scope.new_slot();
            variables.push((name, slot));
            let pattern = match self.takes_sign(":")? {
                true => Some(self.inner_pattern(variables)?),
                false => None,
            };
            let slot = Some(slot);
            return Ok(Part { key, slot, pattern });
        }
        let key = match self.advance()? {
            Token::Name(name) | Token::Keyword(name) => self.text(name),
            Token::Quote => self.quoted("text")?,
            Token::Format(format) => {
                if !self.takes(&Token::Quote)? {
                    return Err(self.unexpected());
                }
                self.quoted(&format[1..])?
            }
            Token::Sign("(") => {
                let key = self.expression(PIPE)?;
                self.expect_sign(")")?;
                key
            }
            _ => return Err(self.unexpected()),
        };
        refuse_key(self.builder, key)?;
        self.expect_sign(":")?;
        let pattern = Some(self.inner_pattern(variables)?);
        Ok(Part {
            key,
            slot: None,
            pattern,
        })
    }

    fn inner_pattern(&mut self, variables: &mut Variables<'q>) -> Result<PatternId, String> {
        let (pattern, inner) = self.pattern()?;
        variables.extend(inner);
        Ok(pattern)
    }
}

/// A key that stands in the query must be a text.
pub(super) fn refuse_key(builder: &Builder, key: NodeId) -> Result<(), String> {
    match builder.literal(key) {
        None | Some(Value::Text(_)) => Ok(()),
        Some(other) => Err(format!("uses a {} as a key", other.kind())),
    }
}
