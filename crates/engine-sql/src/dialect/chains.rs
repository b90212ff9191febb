//! How deep a statement's tree would be, told from its tokens before there is a tree.
//!
//! The parser bounds how deep expressions nest, but reads `1 + 1 + ..` in a loop, and the tree of such a chain is as
//! deep as the chain is long. Walking, copying and dropping it takes stack for every level.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::SqlError;

/// Operators, joins and unions that may stand one upon another.
const LINKS_MAX: usize = 2_000;

/// What one pair of parentheses holds.
#[derive(Default)]
struct Level {
    /// Operators since the last comma.
    operators: usize,
    /// The most operators that stood between two commas.
    longest: usize,
    /// Joins and unions; commas do not separate them.
    relations: usize,
}

/// Refuses a statement of which the tree would be too deep, as Trino does.
pub(super) fn check(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    let mut levels = vec![Level::default()];
    // Of the levels that are open, all operators and relations.
    let mut links = 0;
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket => levels.push(Level::default()),
            Token::RParen | Token::RBracket if levels.len() > 1 => {
                let Some(inner) = levels.pop() else { continue };
                // What stands in parentheses may be the left side of what follows them.
                let subscript = usize::from(token.token == Token::RBracket);
                let depth = inner.longest.max(inner.operators) + inner.relations + subscript;
                links = links + depth - inner.operators - inner.relations;
                if let Some(outer) = levels.last_mut() {
                    outer.operators += depth;
                }
            }
            other => {
                let Some(level) = levels.last_mut() else { continue };
                match other {
                    Token::Comma => {
                        level.longest = level.longest.max(level.operators);
                        links -= std::mem::take(&mut level.operators);
                    }
                    other if is_relation(other) => {
                        level.relations += 1;
                        links += 1;
                    }
                    other if is_operator(other) => {
                        level.operators += 1;
                        links += 1;
                    }
                    _ => {}
                }
            }
        }
        if links > LINKS_MAX {
            return Err(SqlError::syntax(
                "line 1:1: statement is too large (stack overflow while parsing)",
            ));
        }
    }
    Ok(())
}

fn is_relation(token: &Token) -> bool {
    use Keyword::{EXCEPT, INTERSECT, JOIN, UNION};
    matches!(token, Token::Word(word) if matches!(word.keyword, UNION | INTERSECT | EXCEPT | JOIN))
}

/// Whether a token may join two expressions. All signs that are neither brackets nor ends count.
fn is_operator(token: &Token) -> bool {
    use Keyword::{
        AND, AT, BETWEEN, COLLATE, DIV, ILIKE, IN, IS, LIKE, NOT, OR, OVERLAPS, REGEXP, RLIKE, SIMILAR, XOR,
    };
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            AND | AT
                | BETWEEN
                | COLLATE
                | DIV
                | ILIKE
                | IN
                | IS
                | LIKE
                | NOT
                | OR
                | OVERLAPS
                | REGEXP
                | RLIKE
                | SIMILAR
                | XOR
        ),
        Token::EOF
        | Token::Whitespace(_)
        | Token::Number(..)
        | Token::Char(_)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::NationalStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::Period
        | Token::SemiColon
        | Token::LBrace
        | Token::RBrace
        | Token::Placeholder(_) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn trees_have_a_bound_and_long_lists_have_none() {
        let chain = |link: &str, count: usize| format!("select {}", vec!["1"; count].join(link));
        for refused in [
            chain("+", 130_000),
            chain(" or ", 3_000),
            chain(" is null and ", 3_000),
            chain(" union all select ", 3_000),
            format!("select a{}", "[1]".repeat(3_000)),
            // Each pair of parentheses is short and stands to the left of the next chain.
            format!(
                "select {}1{}",
                "(".repeat(40),
                format!("{})", "+1".repeat(100)).repeat(40)
            ),
            format!("select 1 from t {}", "join t on true ".repeat(3_000)),
        ] {
            let error = parse(&refused).expect_err("too deep");
            assert!(error.message.contains("statement is too large"), "{error}");
        }
        for taken in [
            chain(",", 50_000),
            chain("+1,", 10_000),
            chain(" or ", 2_000),
            format!("select * from t where x in ({}1)", "-1, ".repeat(30_000)),
        ] {
            parse(&taken).unwrap();
        }
    }
}
