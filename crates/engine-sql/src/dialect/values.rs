//! `VALUES 1, 2`: rows of one column need no parentheses in Trino, and do for the parser.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// Words behind which no row of VALUES can go on.
const ENDS: [Keyword; 8] = [
    Keyword::ORDER,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::FETCH,
    Keyword::UNION,
    Keyword::EXCEPT,
    Keyword::INTERSECT,
    Keyword::AS,
];

/// Puts parentheses around rows that have none.
pub(super) fn with_rows(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut depth = 0_usize;
    // Of each list of bare rows that is open, the depth that it is at.
    let mut open: Vec<usize> = Vec::new();
    let mut after_values = false;
    for token in tokens {
        let blank = matches!(token.token, Token::Whitespace(_));
        let at = |kind: Token| TokenWithSpan {
            token: kind,
            span: token.span,
        };
        if after_values && !blank {
            after_values = false;
            if token.token != Token::LParen {
                out.push(at(Token::LParen));
                open.push(depth);
            }
        }
        let in_rows = open.last() == Some(&depth);
        match &token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => {
                if in_rows {
                    open.pop();
                    out.push(at(Token::RParen));
                }
                depth = depth.saturating_sub(1);
            }
            Token::Comma if in_rows => {
                out.extend([at(Token::RParen), token.clone(), at(Token::LParen)]);
                continue;
            }
            Token::EOF | Token::SemiColon if in_rows => {
                open.pop();
                out.push(at(Token::RParen));
            }
            Token::Word(word) if in_rows && ENDS.contains(&word.keyword) => {
                open.pop();
                out.push(at(Token::RParen));
            }
            Token::Word(word) if word.keyword == Keyword::VALUES => after_values = true,
            _ => {}
        }
        out.push(token);
    }
    // The tokenizer need not end with a token for the end.
    out.extend(open.into_iter().map(|_| TokenWithSpan::wrap(Token::RParen)));
    out
}
