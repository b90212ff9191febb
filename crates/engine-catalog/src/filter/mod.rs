//! Filters over partition values, in the SQL-like language of `GetPartitions`.
//!
//! `year = 2013 AND (month IN (1, 2) OR day LIKE '3%') AND carrier IS NOT NULL`. A value compares by the type of
//! its key: numbers as numbers, dates and timestamps as times, the rest as text. A value that is not of its
//! key's type is NULL, and NULL makes a comparison neither true nor false, as in SQL.
//! Source: AWS Glue, GetPartitions, `Expression`.

mod lexer;
mod parser;
mod value;

use std::cmp::Ordering;

use crate::{CatalogError, Column, HiveType, PartitionValues};
use value::Literal;

/// A parsed filter, bound to a table's partition keys.
#[derive(Debug, Clone)]
pub struct PartitionFilter {
    condition: Option<Condition>,
    types: Vec<HiveType>,
}

#[derive(Debug, Clone, PartialEq)]
enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Compare(usize, Comparison, Literal),
    In(usize, Vec<Literal>),
    Between(usize, Literal, Literal),
    Like(usize, String),
    IsNull(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl PartitionFilter {
    /// Parses `text` against the partition keys of a table. Blank text lets everything through.
    pub fn parse(text: &str, keys: &[Column]) -> Result<Self, CatalogError> {
        if text.trim().is_empty() {
            // Nothing is compared, so types that nobody can read are no obstacle.
            return Ok(Self {
                condition: None,
                types: Vec::new(),
            });
        }
        let types = keys
            .iter()
            .map(|key| key.hive_type().map_err(|e| CatalogError::BadExpression(e.to_string())))
            .collect::<Result<Vec<_>, _>>()?;
        let condition = parser::parse(text, keys, &types).map_err(CatalogError::BadExpression)?;
        Ok(Self { condition, types })
    }

    pub fn matches(&self, values: &PartitionValues) -> bool {
        let Some(condition) = &self.condition else { return true };
        let typed: Vec<_> = values
            .0
            .iter()
            .zip(&self.types)
            .map(|(text, t)| Literal::of_type(text, t))
            .collect();
        self.evaluate(condition, &typed, values) == Some(true)
    }

    /// In SQL's three values, NULL being `None`.
    fn evaluate(&self, condition: &Condition, typed: &[Option<Literal>], values: &PartitionValues) -> Option<bool> {
        let value = |key: usize| typed.get(key).and_then(Option::as_ref);
        match condition {
            Condition::And(a, b) => match (self.evaluate(a, typed, values), self.evaluate(b, typed, values)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Condition::Or(a, b) => match (self.evaluate(a, typed, values), self.evaluate(b, typed, values)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Condition::Not(inner) => self.evaluate(inner, typed, values).map(|truth| !truth),
            Condition::Compare(key, comparison, literal) => {
                let ordering = value(*key)?.compare(literal)?;
                Some(comparison.holds(ordering))
            }
            Condition::In(key, literals) => {
                let value = value(*key)?;
                Some(
                    literals
                        .iter()
                        .any(|literal| value.compare(literal) == Some(Ordering::Equal)),
                )
            }
            Condition::Between(key, low, high) => {
                let value = value(*key)?;
                Some(value.compare(low)?.is_ge() && value.compare(high)?.is_le())
            }
            Condition::Like(key, pattern) => {
                value(*key)?;
                Some(like(values.0.get(*key)?, pattern))
            }
            Condition::IsNull(key) => Some(value(*key).is_none()),
        }
    }
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }

    /// The comparison with its sides exchanged.
    fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }
}

/// SQL's LIKE: `%` is any text, `_` any one character. Linear in the product of the lengths.
fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut t, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('%') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '_' || c == text[t] => {
                t += 1;
                p += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    p = star + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> Vec<Column> {
        vec![
            Column::new("year", "int"),
            Column::new("city", "string"),
            Column::new("day", "date"),
        ]
    }

    fn check(expression: &str, expect: bool) {
        let filter = PartitionFilter::parse(expression, &keys()).expect(expression);
        let values = ["2013", "New York", "2013-01-31"].into_iter().collect();
        assert_eq!(filter.matches(&values), expect, "{expression}");
    }

    #[test]
    fn conditions() {
        check("", true);
        check("year = 2013", true);
        check("year = '2013'", true);
        check("2013 = year", true);
        check("2012 < year", true);
        check("\"year\" >= 2013.5", false);
        check("year <> 2013", false);
        check("year != 2012 and city='New York'", true);
        check("year in (2011, 2012, 2013)", true);
        check("year not in (2013)", false);
        check("year BETWEEN 2012 AND 2014 AND city LIKE 'New%'", true);
        check("year not between 2012 and 2014", false);
        check("city like '_ew Y_rk'", true);
        check("city LIKE 'york'", false);
        check("city is not null", true);
        check("city is null or year=1", false);
        check("not (year=1 or city='x')", true);
        check("day > date '2013-01-30'", true);
        check("day >= '2013-02-01'", false);
        check("(year=1 or year=2013) and not city='Rome'", true);
        check("year=1 and year=2 or year=2013", true);
        check("city = 'it''s'", false);
    }

    #[test]
    fn nulls_are_neither() {
        let null = [crate::NULL_PARTITION, crate::NULL_PARTITION, "not a date"]
            .into_iter()
            .collect();
        for (expression, expect) in [
            ("year is null and city is null and day is null", true),
            ("year = 1", false),
            ("year <> 1", false),
            ("not year = 1", false),
            ("year = 1 or city is null", true),
        ] {
            let filter = PartitionFilter::parse(expression, &keys()).expect(expression);
            assert_eq!(filter.matches(&null), expect, "{expression}");
        }
    }

    #[test]
    fn refusals() {
        let deep = format!("{}year=1{}", "(".repeat(500), ")".repeat(500));
        for expression in [
            "year",
            "year =",
            "month = 1",
            "year = 'x'",
            "year = 1 and",
            "(year = 1",
            "year = 1)",
            "year in ()",
            "city = 'x",
            "year like 1",
            "year is 1",
            "year ~ 1",
            "day = '2013-13-01'",
            &deep,
        ] {
            assert!(PartitionFilter::parse(expression, &keys()).is_err(), "{expression}");
        }
    }

    /// A condition on the first key and what it means, computed another way.
    fn any_condition() -> impl Strategy<Value = (String, fn(i64, i64, i64) -> bool, i64, i64)> {
        let kinds: Vec<(&'static str, fn(i64, i64, i64) -> bool)> = vec![
            ("year = {a}", |v, a, _| v == a),
            ("year != {a}", |v, a, _| v != a),
            ("year < {a}", |v, a, _| v < a),
            ("{a} <= year", |v, a, _| a <= v),
            ("year between {a} and {b}", |v, a, b| a <= v && v <= b),
            ("year not in ({a}, '{b}')", |v, a, b| v != a && v != b),
            ("not (year > {a} or year = {b})", |v, a, b| !(v > a || v == b)),
        ];
        (proptest::sample::select(kinds), -20..20i64, -20..20i64).prop_map(|((text, meaning), a, b)| {
            (
                text.replace("{a}", &a.to_string()).replace("{b}", &b.to_string()),
                meaning,
                a,
                b,
            )
        })
    }

    proptest! {
        #[test]
        fn numbers_compare_as_numbers(x in any_condition(), y in any_condition(), value in -20..20i64) {
            let meaning = |c: &(String, fn(i64, i64, i64) -> bool, i64, i64)| (c.1)(value, c.2, c.3);
            let values = [value.to_string(), String::new(), String::new()].into_iter().collect();
            for (text, expect) in [
                (format!("{} and {}", x.0, y.0), meaning(&x) && meaning(&y)),
                (format!("({}) or {}", x.0, y.0), meaning(&x) || meaning(&y)),
            ] {
                let filter = PartitionFilter::parse(&text, &keys()).expect(&text);
                prop_assert_eq!(filter.matches(&values), expect, "{}", text);
            }
        }

        #[test]
        fn like_is_the_regular_expression(text in "[ab]{0,6}", pattern in "[ab%_]{0,6}") {
            fn naive(text: &[u8], pattern: &[u8]) -> bool {
                match pattern.split_first() {
                    None => text.is_empty(),
                    Some((b'%', rest)) => (0..=text.len()).any(|n| naive(&text[n..], rest)),
                    Some((c, rest)) => text.first().is_some_and(|t| *c == b'_' || t == c) && naive(&text[1..], rest),
                }
            }
            prop_assert_eq!(like(&text, &pattern), naive(text.as_bytes(), pattern.as_bytes()));
        }

        #[test]
        fn no_text_panics(text in "(year|city|day|and|or|not|in|between|like|is|null|[ ()=<>!',\"0-9.-]){0,12}") {
            let _ = PartitionFilter::parse(&text, &keys());
        }
    }
}
