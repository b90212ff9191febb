//! The query language: Trino's, as Athena speaks it.

mod chains;
mod functions;
mod places;
mod rewrite;
mod values;

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace};

use crate::SqlError;
pub(crate) use places::Places;
pub(crate) use rewrite::rewrite;

/// Nested queries and expressions deeper than this are refused.
const DEPTH_MAX: usize = 100;

#[derive(Debug)]
struct TrinoDialect;

impl Dialect for TrinoDialect {
    /// The parser asks for this where it has no question of its own; UNNEST is one of those places.
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_identifier_start(&self, c: char) -> bool {
        c.is_alphabetic() || c == '_'
    }

    fn is_identifier_part(&self, c: char) -> bool {
        c.is_alphanumeric() || matches!(c, '_' | '@' | '$')
    }

    fn is_delimited_identifier_start(&self, c: char) -> bool {
        c == '"' || c == '`'
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_within_after_array_aggregation(&self) -> bool {
        true
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_lambda_functions(&self) -> bool {
        true
    }

    fn supports_match_recognize(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_unicode_string_literal(&self) -> bool {
        true
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }
}

/// Parses one statement. Every name is folded to lower case, quoted or not.
pub(crate) fn parse(text: &str) -> Result<Statement, SqlError> {
    let tokens = values::with_rows(tokens(text)?);
    let mut parser = parser(tokens);
    let statement = parser.parse_statement().map_err(syntax)?;
    while parser.consume_token(&Token::SemiColon) {}
    expect_end(&parser)?;
    Ok(statement)
}

/// The text that may stand in place of a parameter that was given as `text`: what must be one expression stays one
/// whatever it is put between.
pub(crate) fn operand(text: &str) -> Result<String, SqlError> {
    let tokens = tokens(text)?;
    let mut words = tokens
        .iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    let literal = match (words.next(), words.next()) {
        (Some(only), None) => matches!(only.token, Token::Number(..) | Token::SingleQuotedString(_)),
        _ => false,
    };
    let commented = tokens.iter().any(|token| {
        matches!(
            token.token,
            Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_))
        )
    });
    let mut parser = parser(tokens);
    parser.parse_expr().map_err(syntax)?;
    expect_end(&parser)?;
    Ok(match (literal, commented) {
        (true, false) => format!(" {} ", text.trim()),
        // Behind a comment, only a new line is sure to be read.
        (_, true) => format!(" ({text}\n) "),
        (false, false) => format!(" ({}) ", text.trim()),
    })
}

fn tokens(text: &str) -> Result<Vec<TokenWithSpan>, SqlError> {
    let mut tokens = Tokenizer::new(&TrinoDialect, text)
        .tokenize_with_location()
        .map_err(|error| {
            SqlError::syntax(format!(
                "{}: {}",
                error.location.to_string().trim_start_matches(" at ").to_owned(),
                error.message
            ))
        })?;
    for token in &mut tokens {
        if let Token::Word(word) = &mut token.token
            && word.quote_style.is_some()
        {
            word.value = word.value.to_lowercase();
            word.quote_style = Some('"');
        }
    }
    chains::check(&tokens)?;
    Ok(tokens)
}

fn parser(tokens: Vec<TokenWithSpan>) -> Parser<'static> {
    Parser::new(&TrinoDialect)
        .with_recursion_limit(DEPTH_MAX)
        .with_tokens_with_locations(tokens)
}

fn expect_end(parser: &Parser<'_>) -> Result<(), SqlError> {
    let token = parser.peek_token();
    match token.token {
        Token::EOF => Ok(()),
        _ => {
            let (line, column) = (token.span.start.line, token.span.start.column);
            Err(SqlError::syntax(format!(
                "line {line}:{column}: mismatched input '{}'. Expecting: <EOF>",
                token.token
            )))
        }
    }
}

/// From "Expected: an expression, found: FROM at Line: 1, Column: 8" to the form the service has.
fn syntax(error: ParserError) -> SqlError {
    let message = match error {
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
        ParserError::RecursionLimitExceeded => {
            return SqlError::syntax(format!("statements nest deeper than {DEPTH_MAX}"));
        }
    };
    let (what, place) = message.rsplit_once(" at Line: ").unwrap_or((&message, ""));
    let place = match place.split_once(", Column: ") {
        Some((line, column)) => format!("line {line}:{column}: "),
        None => String::new(),
    };
    let what = match what
        .strip_prefix("Expected")
        .and_then(|rest| rest.trim_start_matches([':', ' ']).rsplit_once(", found: "))
    {
        Some((expected, found)) => format!(
            "mismatched input '{}'. Expecting: {expected}",
            found.replace("EOF", "<EOF>")
        ),
        None => what.to_owned(),
    };
    SqlError::syntax(format!("{place}{what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_stay_one_expression() {
        for (text, expect) in [
            ("7", " 7 "),
            (" 'it''s' ", " 'it''s' "),
            ("-1", " (-1) "),
            ("1 or true", " (1 or true) "),
            ("1 -- one", " (1 -- one\n) "),
            ("date '2013-01-01'", " (date '2013-01-01') "),
        ] {
            assert_eq!(operand(text).unwrap(), expect);
        }
        for text in ["", "1) or (1=1", "1, 2", "1; select 2", "select 1", "'open", "-- only"] {
            assert!(operand(text).is_err(), "{text}");
        }
    }

    #[test]
    fn syntax_errors_tell_the_place() {
        for (text, message) in [
            ("selec 1", "line 1:1: mismatched input 'selec'."),
            ("select\n 1 from", "mismatched input '<EOF>'."),
            ("select 1 1", "line 1:10: mismatched input '1'. Expecting: <EOF>"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.message.contains(message), "{text}: {error}");
        }
    }
}
