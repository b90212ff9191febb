//! A query as the machine runs it: nodes that name each other by number, so that no depth of nesting is a depth of
//! calls.

use super::natives::Native;
use super::value::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NodeId(pub(super) u32);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct FunctionId(pub(super) u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PatternId(pub(super) u32);

/// A variable or parameter: how many functions further out it stands, and in which slot of that function's frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) hops: u32,
    pub(super) slot: u32,
}

#[derive(Debug)]
pub(super) enum Node {
    Identity,
    Empty,
    Literal(Value),
    Pipe(NodeId, NodeId),
    Comma(NodeId, NodeId),
    Index {
        of: NodeId,
        key: NodeId,
        is_optional: bool,
    },
    Slice {
        of: NodeId,
        from: NodeId,
        to: NodeId,
        is_optional: bool,
    },
    Each {
        of: NodeId,
        is_optional: bool,
    },
    And(NodeId, NodeId),
    Or(NodeId, NodeId),
    Alternative(NodeId, NodeId),
    If {
        condition: NodeId,
        then: NodeId,
        otherwise: NodeId,
    },
    Try {
        body: NodeId,
        /// Runs on the error's value.
        catch: NodeId,
    },
    Label {
        slot: u32,
        body: NodeId,
    },
    Break(Place),
    Object(Vec<(NodeId, NodeId)>),
    Collect(NodeId),
    Bind(Binding),
    Fold {
        binding: Binding,
        init: NodeId,
        /// What `foreach` yields of each state; `reduce` yields the last state.
        extract: Option<NodeId>,
    },
    Variable(Place),
    Call {
        function: FunctionId,
        /// How many functions further out the function stands; one of the library stands in none.
        hops: Option<u32>,
        /// What parameters run: functions of their own, which see what the call sees.
        arguments: Vec<FunctionId>,
    },
    /// A call of what the function was given.
    Parameter(Place),
    /// A function without parameters, run where it stands.
    Inner(FunctionId),
    /// A function of the input and of each combination of its arguments' outputs.
    Native(Native, Vec<NodeId>),
    Path(NodeId),
    GetPath(NodeId),
    Range(NodeId, NodeId),
    /// `paths |= update`
    Modify {
        paths: NodeId,
        update: NodeId,
    },
}

/// `source as patterns | body`, with alternatives where there are several patterns.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) source: NodeId,
    /// Whether a path goes on from the source, as jq has it where the source is the value of an update such as `+=`.
    pub(super) is_followed: bool,
    pub(super) patterns: Vec<PatternId>,
    /// The slots of all variables, which are null before one of several patterns is tried.
    pub(super) slots: Vec<u32>,
    pub(super) body: NodeId,
}

#[derive(Debug)]
pub(super) enum Pattern {
    Variable(u32),
    /// What stands at keys, each by a pattern of its own.
    Parts(Vec<Part>),
}

#[derive(Debug)]
pub(super) struct Part {
    pub(super) key: NodeId,
    /// `$name: ..` binds what stands there too.
    pub(super) slot: Option<u32>,
    pub(super) pattern: Option<PatternId>,
}

#[derive(Debug)]
pub(super) struct Function {
    pub(super) body: NodeId,
    /// Parameters and variables; the parameters come first.
    pub(super) slots: u32,
    /// Whether it needs no frame: it has no slots, and sees nothing around it.
    pub(super) is_closed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) nodes: Vec<Node>,
    pub(super) functions: Vec<Function>,
    pub(super) patterns: Vec<Pattern>,
    /// The query itself.
    pub(super) main: FunctionId,
}

impl Program {
    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub(super) fn function(&self, id: FunctionId) -> &Function {
        &self.functions[id.0 as usize]
    }

    pub(super) fn pattern(&self, id: PatternId) -> &Pattern {
        &self.patterns[id.0 as usize]
    }

    /// The nodes that a node may run, those of a called function among them.
    pub(super) fn children(&self, id: NodeId, out: &mut Vec<NodeId>) {
        match self.node(id) {
            Node::Identity | Node::Empty | Node::Literal(_) => {}
            Node::Variable(_) | Node::Parameter(_) | Node::Break(_) => {}
            Node::Pipe(left, right) | Node::Comma(left, right) => out.extend([left, right]),
            Node::And(left, right) | Node::Or(left, right) => out.extend([left, right]),
            Node::Alternative(left, right) | Node::Range(left, right) => out.extend([left, right]),
            Node::Index { of, key, .. } => out.extend([of, key]),
            Node::Slice { of, from, to, .. } => out.extend([of, from, to]),
            Node::Each { of, .. } => out.push(*of),
            Node::If {
                condition,
                then,
                otherwise,
            } => out.extend([condition, then, otherwise]),
            Node::Try { body, catch } => out.extend([body, catch]),
            Node::Label { body, .. } => out.push(*body),
            Node::Object(entries) => out.extend(entries.iter().flat_map(|(key, value)| [key, value])),
            Node::Collect(of) | Node::Path(of) | Node::GetPath(of) => out.push(*of),
            Node::Bind(binding) => self.children_of_binding(binding, out),
            Node::Fold { binding, init, extract } => {
                self.children_of_binding(binding, out);
                out.push(*init);
                out.extend(extract);
            }
            Node::Call {
                function, arguments, ..
            } => {
                out.extend(arguments.iter().map(|argument| self.function(*argument).body));
                out.push(self.function(*function).body);
            }
            Node::Inner(function) => out.push(self.function(*function).body),
            Node::Native(_, arguments) => out.extend(arguments),
            Node::Modify { paths, update } => out.extend([paths, update]),
        }
    }

    fn children_of_binding(&self, binding: &Binding, out: &mut Vec<NodeId>) {
        out.extend([binding.source, binding.body]);
        let mut patterns = binding.patterns.clone();
        while let Some(pattern) = patterns.pop() {
            if let Pattern::Parts(parts) = self.pattern(pattern) {
                out.extend(parts.iter().map(|part| part.key));
                patterns.extend(parts.iter().filter_map(|part| part.pattern));
            }
        }
    }
}
