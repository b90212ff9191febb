//! From Trino's statements to those that the planner understands, where the two differ in form.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, CastKind, DataType, ExactNumberInfo, Expr, Ident, ObjectName, OrderBy, OrderByExpr, OrderByKind, Query,
    Select, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins, TimezoneInfo, UnaryOperator, Value, VisitMut,
    VisitorMut,
};

use super::functions;
use crate::SqlError;

/// What a statement became.
#[derive(Debug)]
pub(crate) struct Rewritten {
    pub(crate) statement: Statement,
    /// Names of result columns that stand for another: the planner wants every name once.
    pub(crate) labels: Vec<(String, String)>,
}

pub(crate) fn rewrite(mut statement: Statement) -> Result<Rewritten, SqlError> {
    let mut labels = Vec::new();
    let query = match &mut statement {
        Statement::Query(query) => Some(query),
        Statement::Explain { statement, .. } => match &mut **statement {
            Statement::Query(query) => Some(query),
            _ => None,
        },
        _ => None,
    };
    if let Some(query) = query {
        finish_top_level(&mut query.body, query.order_by.as_ref(), &mut labels);
    }
    match statement.visit(&mut Rewrite) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(Rewritten { statement, labels }),
    }
}

/// Only where nothing else refers to the columns by position or name: types of bare numbers, and names that
/// occur twice.
fn finish_top_level(body: &mut SetExpr, order: Option<&OrderBy>, labels: &mut Vec<(String, String)>) {
    let SetExpr::Select(select) = body else { return };
    let fields = Fields::of(select, order);
    let mut seen = std::collections::HashSet::new();
    for (index, item) in select.projection.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
            && is_small_integer(expr)
        {
            // A number that fits is an integer in Trino, and a bigint for the planner.
            let number = expr.clone();
            *expr = functions::cast(number, DataType::Integer(None));
        }
        let (expr, name) = match &*item {
            SelectItem::UnnamedExpr(expr) => (expr, column_name(expr)),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias.value.to_lowercase())),
            _ => continue,
        };
        let Some(name) = name else { continue };
        if !seen.insert(name.clone()) || fields.is_ambiguous(index) {
            let unique = format!("{name}\u{1}{index}");
            let alias = Ident::with_quote('"', unique.clone());
            *item = SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias,
            };
            labels.push((unique, name));
        }
    }
}

/// Gives a field that is taken out of a row the field's name, where nothing else in the query may be meant by it.
fn name_fields(body: &mut SetExpr, order: Option<&OrderBy>) {
    match body {
        SetExpr::Select(select) => {
            let fields = Fields::of(select, order);
            for (index, item) in select.projection.iter_mut().enumerate() {
                if let (Some(alias), SelectItem::UnnamedExpr(expr)) = (fields.name(index), &*item) {
                    *item = SelectItem::ExprWithAlias {
                        expr: expr.clone(),
                        alias,
                    };
                }
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            name_fields(left, None);
            name_fields(right, None);
        }
        // A query of its own is visited by itself.
        _ => {}
    }
}

/// The items of a SELECT that are fields of rows, written as names: by their places, and whether the name is free.
struct Fields(HashMap<usize, (Ident, bool)>);

impl Fields {
    fn of(select: &Select, order: Option<&OrderBy>) -> Self {
        let relations = Relations::of(&select.from);
        let items = &select.projection;
        let is_open = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
        let has_wildcard = items.iter().any(is_open);
        let name_of = |item: &SelectItem| match item {
            SelectItem::UnnamedExpr(expr) => column_name(expr),
            SelectItem::ExprWithAlias { alias, .. } => Some(lower(alias)),
            _ => None,
        };
        let keys = match order.map(|order| &order.kind) {
            Some(OrderByKind::Expressions(keys)) => &keys[..],
            _ => &[],
        };
        let mut fields = HashMap::new();
        for (index, item) in items.iter().enumerate() {
            let SelectItem::UnnamedExpr(expr @ Expr::CompoundIdentifier(idents)) = item else {
                continue;
            };
            let Some(last) = idents.last().filter(|_| !relations.have_column(idents)) else {
                continue;
            };
            let name = lower(last);
            let others = items.iter().enumerate().filter(|(at, _)| *at != index);
            let is_taken = others
                .map(|(_, item)| name_of(item))
                .any(|other| other.as_ref() == Some(&name));
            let is_column = |key: &OrderByExpr| match &key.expr {
                Expr::CompoundIdentifier(named) => key.expr != *expr && named.last().map(lower).as_ref() == Some(&name),
                _ => false,
            };
            let is_free = !has_wildcard && !is_taken && !keys.iter().any(is_column);
            fields.insert(index, (last.clone(), is_free));
        }
        Self(fields)
    }

    /// Whether the item's name may stand for something else.
    fn is_ambiguous(&self, index: usize) -> bool {
        self.0.get(&index).is_some_and(|(_, is_free)| !is_free)
    }

    fn name(&self, index: usize) -> Option<Ident> {
        self.0
            .get(&index)
            .filter(|(_, is_free)| *is_free)
            .map(|(name, _)| name.clone())
    }
}

fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(ident.value.to_lowercase()),
        Expr::CompoundIdentifier(idents) => idents.last().map(|ident| ident.value.to_lowercase()),
        _ => None,
    }
}

fn is_small_integer(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(&value.value, Value::Number(digits, _) if digits.parse::<i32>().is_ok()),
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => is_small_integer(expr),
        _ => false,
    }
}

/// What a column may be qualified with: the relations that a SELECT reads, each by the names it is known by, of one
/// part or more.
#[derive(Default)]
struct Relations {
    names: Vec<Vec<String>>,
    /// There is one whose names are not known.
    others: bool,
}

impl Relations {
    fn of(from: &[TableWithJoins]) -> Self {
        let mut relations = Self::default();
        relations.add_all(from);
        relations
    }

    fn add_all(&mut self, from: &[TableWithJoins]) {
        for table in from {
            self.add(&table.relation);
            for join in &table.joins {
                self.add(&join.relation);
            }
        }
    }

    fn add(&mut self, factor: &TableFactor) {
        match factor {
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::Derived { alias: Some(alias), .. }
            | TableFactor::UNNEST { alias: Some(alias), .. } => self.names.push(vec![lower(&alias.name)]),
            TableFactor::Table { name, alias: None, .. } => {
                let parts = name.0.iter().filter_map(|part| part.as_ident());
                let parts: Vec<_> = parts.map(lower).collect();
                // A table can be named without its database and its catalog.
                self.names.extend((0..parts.len()).map(|from| parts[from..].to_vec()));
            }
            TableFactor::Derived { alias: None, .. } | TableFactor::UNNEST { alias: None, .. } => {}
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => self.add_all(std::slice::from_ref(table_with_joins)),
            _ => self.others = true,
        }
    }

    /// Whether the name may be that of a column, rather than of a field of one.
    fn have_column(&self, idents: &[Ident]) -> bool {
        let Some((_, qualifier)) = idents.split_last() else {
            return true;
        };
        let qualifier: Vec<_> = qualifier.iter().map(lower).collect();
        self.others || self.names.contains(&qualifier)
    }
}

fn lower(ident: &Ident) -> String {
    ident.value.to_lowercase()
}

struct Rewrite;

impl VisitorMut for Rewrite {
    type Break = SqlError;

    /// Columns without a name are `_col0`, `_col1`, .. by their place.
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        for (index, item) in select.projection.iter_mut().enumerate() {
            if let SelectItem::UnnamedExpr(expr) = item
                && !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
            {
                // A field that is taken out of a row has the field's name.
                let field = match expr {
                    Expr::CompoundFieldAccess { access_chain, .. } => match access_chain.last() {
                        Some(AccessExpr::Dot(Expr::Identifier(field))) => Some(field.clone()),
                        _ => None,
                    },
                    _ => None,
                };
                *item = SelectItem::ExprWithAlias {
                    expr: expr.clone(),
                    alias: field.unwrap_or_else(|| Ident::new(format!("_col{index}"))),
                };
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        if let SetExpr::Table(_) = &*query.body {
            return ControlFlow::Break(SqlError::not_supported("TABLE as a query"));
        }
        name_fields(&mut query.body, query.order_by.as_ref());
        ControlFlow::Continue(())
    }

    /// What is distinct can be ordered by a column of the result only, which may be written as the expression again.
    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        let (SetExpr::Select(select), Some(order)) = (&*query.body, &mut query.order_by) else {
            return ControlFlow::Continue(());
        };
        if let (Some(_), OrderByKind::Expressions(keys)) = (&select.distinct, &mut order.kind) {
            for key in keys {
                let column = select.projection.iter().find_map(|item| match item {
                    SelectItem::ExprWithAlias { expr, alias } if *expr == key.expr => Some(alias.clone()),
                    _ => None,
                });
                if let Some(alias) = column {
                    key.expr = Expr::Identifier(alias);
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        if let TableFactor::Table { sample: Some(_), .. } = factor {
            return ControlFlow::Break(SqlError::not_supported("TABLESAMPLE"));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<SqlError> {
        // Only one catalog has the tables, whatever name older clients know it by.
        if relation.0.len() == 3
            && let Some(catalog) = relation.0.first().and_then(|part| part.as_ident())
            && matches!(
                catalog.value.to_lowercase().as_str(),
                "awsdatacatalog" | "hive" | "glue"
            )
        {
            relation.0.remove(0);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        match expr {
            Expr::Cast { data_type, kind, .. } => {
                if matches!(kind, CastKind::DoubleColon) {
                    *kind = CastKind::Cast;
                }
                fit_type(data_type);
            }
            Expr::TypedString(typed) => {
                fit_type(&mut typed.data_type);
                if let (DataType::Timestamp(..), Value::SingleQuotedString(text)) =
                    (&typed.data_type, &mut typed.value.value)
                    && text.len() == "2012-08-08 01:00".len()
                {
                    // Seconds may be left out.
                    text.push_str(":00");
                }
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                // What follows a name is part of it. Fields of other things the planner knows by their texts only.
                let mut is_name = matches!(**root, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                for access in access_chain {
                    match access {
                        AccessExpr::Dot(Expr::Identifier(_)) if is_name => {}
                        AccessExpr::Dot(field) => {
                            if let Expr::Identifier(ident) = field {
                                *field = functions::text(&lower(ident));
                            }
                        }
                        AccessExpr::Subscript(_) => is_name = false,
                    }
                }
            }
            Expr::Value(value) => {
                // A number with an exponent is a double; one with only a point is a decimal.
                if let Value::Number(digits, _) = &value.value
                    && digits.contains(['e', 'E'])
                {
                    *expr = functions::double(&digits.clone());
                }
            }
            _ => match functions::rewrite(expr) {
                Ok(Some(rewritten)) => *expr = rewritten,
                Ok(None) => {}
                Err(error) => return ControlFlow::Break(error),
            },
        }
        ControlFlow::Continue(())
    }
}

/// Trino's types that the planner would take for others.
fn fit_type(data_type: &mut DataType) {
    match data_type {
        // Nanoseconds, the planner's default, end in 2262.
        DataType::Timestamp(precision, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            *data_type = DataType::Timestamp(
                Some(precision.map_or(6, |p| if p > 6 { 9 } else { 6 })),
                TimezoneInfo::None,
            );
        }
        DataType::Decimal(ExactNumberInfo::None) => {
            *data_type = DataType::Decimal(ExactNumberInfo::PrecisionAndScale(38, 0))
        }
        DataType::Varbinary(_) => *data_type = DataType::Bytea,
        _ => {}
    }
}
