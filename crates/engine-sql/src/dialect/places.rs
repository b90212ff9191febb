//! Where names stand in the text, for error messages.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName, Statement, Visit, Visitor};

/// The line and column where each name occurs first.
#[derive(Debug, Default, Clone)]
pub(crate) struct Places {
    tables: HashMap<String, (u64, u64)>,
    columns: HashMap<String, (u64, u64)>,
}

impl Places {
    pub(crate) fn of(statement: &Statement) -> Self {
        let mut places = Self::default();
        _ = statement.visit(&mut places);
        places
    }

    /// `line 1:15: `, or nothing where the name does not occur.
    pub(crate) fn table(&self, name: &str) -> String {
        show(self.tables.get(name))
    }

    pub(crate) fn column(&self, name: &str) -> String {
        show(self.columns.get(name))
    }

    fn add_column(&mut self, ident: &Ident, from: &Ident) {
        let start = from.span.start;
        self.columns
            .entry(ident.value.to_lowercase())
            .or_insert((start.line, start.column));
    }
}

fn show(place: Option<&(u64, u64)>) -> String {
    place.map_or(String::new(), |(line, column)| format!("line {line}:{column}: "))
}

impl Visitor for Places {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let idents: Vec<_> = relation.0.iter().filter_map(|part| part.as_ident()).collect();
        if let (Some(first), Some(last)) = (idents.first(), idents.last()) {
            let start = first.span.start;
            self.tables
                .entry(last.value.to_lowercase())
                .or_insert((start.line, start.column));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.add_column(ident, ident),
            Expr::CompoundIdentifier(idents) => {
                if let (Some(first), Some(last)) = (idents.first(), idents.last()) {
                    self.add_column(last, first);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
