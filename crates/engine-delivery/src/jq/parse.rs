//! The grammar of jq 1.6. What is read becomes nodes at once, since names mean what came before them.

mod binding;
mod term;

use std::collections::HashMap;

use super::lex::{Lexer, Token};
use super::library;
use super::natives::{self, Native};
use super::operators;
use super::program::{Binding, Function, FunctionId, Node, NodeId, Pattern, PatternId, Place, Program};
use super::scope::{Callee, Scope};
use super::value::{Text, Value};

/// Terms within terms. Reading one calls itself for what stands in it.
const NESTING_MAX: usize = 100;

/// How operators bind, the loosest first.
const PIPE: u8 = 0;
const COMMA: u8 = 1;
const ALTERNATIVE: u8 = 2;
const ASSIGNMENT: u8 = 3;
const OR: u8 = 4;
const AND: u8 = 5;
const COMPARISON: u8 = 6;
const SUM: u8 = 7;
const PRODUCT: u8 = 8;
const OPTIONAL: u8 = 9;
/// No operator behind it belongs to it.
const CLOSED: u8 = 10;

/// Reads a query. An error says what is wrong with it.
pub(super) fn parse(query: &str) -> Result<Program, String> {
    let mut builder = Builder::default();
    let mut parser = Parser::new(query, &mut builder, false);
    let main = parser.main()?;
    builder.program.main = main;
    builder.refuse_unknown()?;
    Ok(builder.program)
}

/// What is made of a query and of the parts of the library that it uses.
#[derive(Default)]
pub(super) struct Builder {
    program: Program,
    library: HashMap<(&'static str, usize), FunctionId>,
    /// Nodes that name what there is not. They matter only where something uses them.
    unknown: HashMap<NodeId, String>,
}

impl Builder {
    fn node(&mut self, node: Node) -> NodeId {
        self.program.nodes.push(node);
        NodeId(self.program.nodes.len() as u32 - 1)
    }

    fn pattern(&mut self, pattern: Pattern) -> PatternId {
        self.program.patterns.push(pattern);
        PatternId(self.program.patterns.len() as u32 - 1)
    }

    /// A function whose body is still to come.
    fn function(&mut self) -> FunctionId {
        let body = self.node(Node::Identity);
        self.program.functions.push(Function {
            body,
            slots: 0,
            is_closed: false,
        });
        FunctionId(self.program.functions.len() as u32 - 1)
    }

    fn complete(&mut self, function: FunctionId, body: NodeId, slots: u32) {
        let is_closed = false;
        self.program.functions[function.0 as usize] = Function { body, slots, is_closed };
    }

    fn literal(&self, node: NodeId) -> Option<&Value> {
        match self.program.node(node) {
            Node::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// A function of the library, read when it is first used.
    fn of_library(&mut self, name: &str, arguments: usize) -> Result<Option<FunctionId>, String> {
        let Some((name, text)) = library::find(name, arguments) else {
            return Ok(None);
        };
        if let Some(known) = self.library.get(&(name, arguments)) {
            return Ok(Some(*known));
        }
        let function = self.function();
        self.library.insert((name, arguments), function);
        Parser::new(text, self, true).definition_of(function)?;
        Ok(Some(function))
    }

    fn refuse_unknown(&self) -> Result<(), String> {
        let mut is_seen = vec![false; self.program.nodes.len()];
        let mut rest = vec![self.program.function(self.program.main).body];
        while let Some(node) = rest.pop() {
            if std::mem::replace(&mut is_seen[node.0 as usize], true) {
                continue;
            }
            if let Some(reason) = self.unknown.get(&node) {
                return Err(reason.clone());
            }
            self.program.children(node, &mut rest);
        }
        Ok(())
    }
}

struct Parser<'q, 'b> {
    lexer: Lexer<'q>,
    next: Option<Token<'q>>,
    scope: Scope<'q>,
    builder: &'b mut Builder,
    nesting: usize,
    /// The library may use what queries may not.
    is_library: bool,
}

impl<'q, 'b> Parser<'q, 'b> {
    fn new(query: &'q str, builder: &'b mut Builder, is_library: bool) -> Self {
        Self {
            lexer: Lexer::new(query),
            next: None,
            scope: Scope::default(),
            builder,
            nesting: 0,
            is_library,
        }
    }

    fn main(&mut self) -> Result<FunctionId, String> {
        let function = self.builder.function();
        self.scope.enter_function();
        self.definitions()?;
        let body = match self.peek()? {
            Token::End => self.node(Node::Identity),
            Token::Keyword(word @ ("import" | "include" | "module")) => {
                return Err(format!("may not use {word}"));
            }
            _ => self.expression(PIPE)?,
        };
        if *self.peek()? != Token::End {
            return Err(self.unexpected());
        }
        let slots = self.scope.leave_function();
        self.builder.complete(function, body, slots);
        Ok(function)
    }

    fn peek(&mut self) -> Result<&Token<'q>, String> {
        if self.next.is_none() {
            let next = self.lexer.next();
            self.next = Some(next.ok_or_else(|| self.unexpected())?);
        }
        Ok(self.next.as_ref().unwrap_or(&Token::End))
    }

    fn advance(&mut self) -> Result<Token<'q>, String> {
        self.peek()?;
        Ok(self.next.take().unwrap_or(Token::End))
    }

    fn takes(&mut self, token: &Token<'_>) -> Result<bool, String> {
        let is_there = self.peek()? == token;
        if is_there {
            self.next = None;
        }
        Ok(is_there)
    }

    fn takes_sign(&mut self, sign: &str) -> Result<bool, String> {
        self.takes(&Token::Sign(sign))
    }

    fn takes_word(&mut self, word: &str) -> Result<bool, String> {
        self.takes(&Token::Keyword(word))
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), String> {
        match self.takes_sign(sign)? {
            true => Ok(()),
            false => Err(self.unexpected()),
        }
    }

    fn expect_word(&mut self, word: &str) -> Result<(), String> {
        match self.takes_word(word)? {
            true => Ok(()),
            false => Err(self.unexpected()),
        }
    }

    fn name(&mut self) -> Result<&'q str, String> {
        match self.advance()? {
            Token::Name(name) => Ok(name),
            _ => Err(self.unexpected()),
        }
    }

    /// What was read last means nothing there.
    fn unexpected(&self) -> String {
        let at = self.lexer.at();
        match self.lexer.is_before('\'') {
            true => format!("does not parse before byte {at}, a single quote: texts stand in double quotes"),
            false => format!("does not parse before byte {at}"),
        }
    }

    fn node(&mut self, node: Node) -> NodeId {
        self.builder.node(node)
    }

    fn literal(&mut self, value: Value) -> NodeId {
        self.node(Node::Literal(value))
    }

    fn text(&mut self, text: impl Into<String>) -> NodeId {
        self.literal(Value::text(text))
    }

    fn native(&mut self, native: Native, arguments: Vec<NodeId>) -> NodeId {
        self.node(Node::Native(native, arguments))
    }

    /// What reads one term within another.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            return Err(format!("is nested deeper than {NESTING_MAX}"));
        }
        let read = read(self);
        self.nesting -= 1;
        read
    }

    /// A term and the operators behind it that bind at least so tightly.
    fn expression(&mut self, tightness: u8) -> Result<NodeId, String> {
        self.nested(|parser| parser.operators(tightness))
    }

    fn operators(&mut self, tightness: u8) -> Result<NodeId, String> {
        let mut left = self.prefix()?;
        let mut piped = Vec::new();
        while let Token::Sign(operator) | Token::Keyword(operator) = *self.peek()? {
            let Some(binds) = binding_of(operator).filter(|binds| *binds >= tightness) else {
                break;
            };
            self.next = None;
            match binds {
                PIPE => {
                    piped.push(left);
                    left = self.expression(COMMA)?;
                }
                OPTIONAL => {
                    let catch = self.node(Node::Empty);
                    left = self.node(Node::Try { body: left, catch });
                }
                ALTERNATIVE => {
                    let right = self.expression(ALTERNATIVE)?;
                    left = self.node(Node::Alternative(left, right));
                }
                _ => {
                    let right = self.expression(binds + 1)?;
                    if matches!(binds, ASSIGNMENT | COMPARISON)
                        && let Token::Sign(next) = self.peek()?
                        && binding_of(next) == Some(binds)
                    {
                        return Err(self.unexpected());
                    }
                    left = self.operation(operator, left, right)?;
                }
            }
        }
        while let Some(before) = piped.pop() {
            left = self.node(Node::Pipe(before, left));
        }
        Ok(left)
    }

    fn operation(&mut self, operator: &str, left: NodeId, right: NodeId) -> Result<NodeId, String> {
        let node = match operator {
            "," => Node::Comma(left, right),
            "or" => Node::Or(left, right),
            "and" => Node::And(left, right),
            "|=" => Node::Modify {
                paths: left,
                update: right,
            },
            "=" | "//=" | "+=" | "-=" | "*=" | "/=" | "%=" => return self.assignment(operator, left, right),
            operator => return self.calculation(operator, left, right),
        };
        Ok(self.node(node))
    }

    /// `paths op= value`: the value is made once, of the whole input.
    fn assignment(&mut self, operator: &str, paths: NodeId, value: NodeId) -> Result<NodeId, String> {
        let slot = self.scope.new_slot();
        let made = self.node(Node::Variable(Place { hops: 0, slot }));
        let update = match operator {
            "=" => made,
            "//=" => {
                let old = self.node(Node::Identity);
                self.node(Node::Alternative(old, made))
            }
            _ => {
                let old = self.node(Node::Identity);
                self.calculation(&operator[..1], old, made)?
            }
        };
        let body = self.node(Node::Modify { paths, update });
        let pattern = self.builder.pattern(Pattern::Variable(slot));
        Ok(self.node(Node::Bind(Binding {
            source: value,
            is_followed: operator != "=",
            patterns: vec![pattern],
            slots: vec![slot],
            body,
        })))
    }

    fn calculation(&mut self, operator: &str, left: NodeId, right: NodeId) -> Result<NodeId, String> {
        let operands = (self.builder.literal(left), self.builder.literal(right));
        if let (Some(Value::Number(left)), Some(Value::Number(right))) = operands {
            let (left, right) = (*left, *right);
            let folded = match operator {
                "+" => Some(left + right),
                "-" => Some(left - right),
                "*" => Some(left * right),
                "/" if (left / right).is_infinite() => return Err("divides by zero".into()),
                "/" => Some(left / right),
                _ => None,
            };
            if let Some(folded) = folded {
                return Ok(self.literal(Value::Number(folded)));
            }
        }
        let native = operators::find(operator).ok_or_else(|| self.unexpected())?;
        Ok(self.native(native, vec![left, right]))
    }

    /// What may stand where an expression begins.
    fn prefix(&mut self) -> Result<NodeId, String> {
        match self.peek()? {
            Token::Keyword("def") => {
                let mark = self.scope.mark();
                self.definitions()?;
                let body = self.expression(PIPE)?;
                self.scope.reset(mark);
                Ok(body)
            }
            Token::Keyword("reduce") => self.fold(false),
            Token::Keyword("foreach") => self.fold(true),
            Token::Keyword("if") => self.condition(),
            Token::Keyword("try") => {
                self.next = None;
                let body = self.expression(CLOSED)?;
                let catch = match self.takes_word("catch")? {
                    true => self.expression(CLOSED)?,
                    false => self.node(Node::Empty),
                };
                Ok(self.node(Node::Try { body, catch }))
            }
            Token::Keyword("label") => {
                self.next = None;
                self.expect_sign("$")?;
                let name = self.name()?;
                self.expect_sign("|")?;
                let mark = self.scope.mark();
                let slot = self.scope.add_label(name);
                let body = self.expression(PIPE)?;
                self.scope.reset(mark);
                Ok(self.node(Node::Label { slot, body }))
            }
            Token::Sign("-") => {
                self.next = None;
                let of = self.expression(PRODUCT)?;
                let negated = self.native(operators::NEGATE, Vec::new());
                Ok(self.node(Node::Pipe(of, negated)))
            }
            _ => {
                let term = self.term()?;
                match self.takes_word("as")? {
                    true => self.binding(term),
                    false => Ok(term),
                }
            }
        }
    }

    fn condition(&mut self) -> Result<NodeId, String> {
        let mut branches = Vec::new();
        // `if` or `elif`
        self.next = None;
        loop {
            let condition = self.expression(PIPE)?;
            self.expect_word("then")?;
            branches.push((condition, self.expression(PIPE)?));
            if !self.takes_word("elif")? {
                break;
            }
        }
        self.expect_word("else")?;
        let mut otherwise = self.expression(PIPE)?;
        self.expect_word("end")?;
        while let Some((condition, then)) = branches.pop() {
            otherwise = self.node(Node::If {
                condition,
                then,
                otherwise,
            });
        }
        Ok(otherwise)
    }

    /// Definitions that follow each other; they stay in sight.
    fn definitions(&mut self) -> Result<(), String> {
        while *self.peek()? == Token::Keyword("def") {
            self.nested(|parser| {
                let function = parser.builder.function();
                parser.definition_of(function)
            })?;
        }
        Ok(())
    }

    /// `def name(parameters): body;`
    fn definition_of(&mut self, function: FunctionId) -> Result<(), String> {
        self.expect_word("def")?;
        let name = self.name()?;
        let mut parameters = Vec::new();
        if self.takes_sign("(")? {
            loop {
                let is_value = self.takes_sign("$")?;
                parameters.push((self.name()?, is_value));
                if !self.takes_sign(";")? {
                    break;
                }
            }
            self.expect_sign(")")?;
        }
        self.expect_sign(":")?;
        self.scope.add_function(name, parameters.len(), function);
        let mark = self.scope.mark();
        self.scope.enter_function();
        let slots: Vec<_> = parameters
            .iter()
            .map(|(name, _)| self.scope.add_parameter(name))
            .collect();
        // A parameter `$a` is a variable too, bound to each output of what is given, the first outermost.
        let values = parameters.iter().zip(&slots).filter(|((_, is_value), _)| *is_value);
        let values: Vec<_> = values.map(|((name, _), slot)| (*name, *slot)).collect();
        let values: Vec<_> = values
            .into_iter()
            .map(|(name, parameter)| {
                let slot = self.scope.new_slot();
                self.scope.add_variable(name, slot);
                (parameter, slot)
            })
            .collect();
        let mut body = self.expression(PIPE)?;
        self.expect_sign(";")?;
        for (parameter, slot) in values.into_iter().rev() {
            let place = Place {
                hops: 0,
                slot: parameter,
            };
            let source = self.node(Node::Parameter(place));
            let pattern = self.builder.pattern(Pattern::Variable(slot));
            body = self.node(Node::Bind(Binding {
                source,
                is_followed: false,
                patterns: vec![pattern],
                slots: vec![slot],
                body,
            }));
        }
        let slots = self.scope.leave_function();
        self.scope.reset(mark);
        self.builder.complete(function, body, slots);
        Ok(())
    }

    /// What is given to a function.
    fn argument(&mut self) -> Result<FunctionId, String> {
        let function = self.builder.function();
        let found = self.scope.found();
        self.scope.enter_function();
        let body = self.expression(PIPE)?;
        let slots = self.scope.leave_function();
        self.builder.program.functions[function.0 as usize] = Function {
            body,
            slots,
            is_closed: slots == 0 && self.scope.found() == found,
        };
        Ok(function)
    }

    /// An argument that is run where it stands.
    fn inner(&mut self, argument: FunctionId) -> NodeId {
        let function = self.builder.program.function(argument);
        match function.is_closed {
            true => function.body,
            false => self.node(Node::Inner(argument)),
        }
    }

    /// A call, by what the name means here.
    fn call(&mut self, name: &'q str, arguments: Vec<FunctionId>) -> Result<NodeId, String> {
        let count = arguments.len();
        match self.scope.callee(name, count) {
            Some(Callee::Parameter(place)) => return Ok(self.node(Node::Parameter(place))),
            Some(Callee::Function { function, hops }) => {
                return Ok(self.node(Node::Call {
                    function,
                    hops: Some(hops),
                    arguments,
                }));
            }
            None => {}
        }
        let is_hidden = name.starts_with('_') && !self.is_library;
        let node = match (name, arguments.as_slice()) {
            ("empty", []) => Node::Empty,
            ("true", []) => Node::Literal(Value::Bool(true)),
            ("false", []) => Node::Literal(Value::Bool(false)),
            ("null", []) => Node::Literal(Value::Null),
            ("path", [of]) => Node::Path(self.inner(*of)),
            ("getpath", [path]) => Node::GetPath(self.inner(*path)),
            ("range", [from, to]) => Node::Range(self.inner(*from), self.inner(*to)),
            _ if is_hidden => return Ok(self.unknown(format!("names what is not defined: {name}/{count}"))),
            _ => {
                if let Some(native) = natives::find(name, count) {
                    let arguments = arguments.into_iter().map(|argument| self.inner(argument));
                    let arguments = arguments.collect();
                    Node::Native(native, arguments)
                } else if let Some(function) = self.builder.of_library(name, count)? {
                    Node::Call {
                        function,
                        hops: None,
                        arguments,
                    }
                } else if library::is_off(name, count) {
                    return Ok(self.unknown(format!("may not use {name}/{count}")));
                } else {
                    return Ok(self.unknown(format!("names what is not defined: {name}/{count}")));
                }
            }
        };
        Ok(self.node(node))
    }

    fn unknown(&mut self, reason: String) -> NodeId {
        let node = self.node(Node::Empty);
        self.builder.unknown.insert(node, reason);
        node
    }

    fn variable(&mut self, name: &'q str) -> NodeId {
        match self.scope.variable(name) {
            Some(place) => self.node(Node::Variable(place)),
            // There is no environment for queries.
            None if name == "ENV" => self.literal(Value::Object(Default::default())),
            None => self.unknown(format!("names what is not defined: ${name}")),
        }
    }

    /// Where the query stands, as `$__loc__` tells.
    fn location(&mut self) -> NodeId {
        let line = Value::Number(self.lexer.line() as f64);
        let entries = [("file", Value::text("<top-level>")), ("line", line)];
        let entries = entries.map(|(key, value)| (Text::new(key.to_owned()), value));
        self.literal(Value::Object(entries.into_iter().collect()))
    }
}

/// How an operator binds.
fn binding_of(operator: &str) -> Option<u8> {
    Some(match operator {
        "|" => PIPE,
        "," => COMMA,
        "//" => ALTERNATIVE,
        "=" | "|=" | "+=" | "-=" | "*=" | "/=" | "%=" | "//=" => ASSIGNMENT,
        "or" => OR,
        "and" => AND,
        "==" | "!=" | "<" | "<=" | ">" | ">=" => COMPARISON,
        "+" | "-" => SUM,
        "*" | "/" | "%" => PRODUCT,
        "?" => OPTIONAL,
        _ => return None,
    })
}
