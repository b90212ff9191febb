//! URI templates of REST operations, and percent-encoding.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// RFC 3986's unreserved characters stay; all else is encoded (SigV4's UriEncode).
pub(crate) const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The same, with slashes left alone.
pub(crate) const PATH: &AsciiSet = &UNRESERVED.remove(b'/');

pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The pairs of a query string or form body, decoded, in order.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let plain = |text: &str| decode(&text.replace('+', " "));
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (plain(key), plain(value)))
        .collect()
}

/// `/2015-03-31/functions/{FunctionName}/code?publish=true`: literal segments, labels, greedy labels
/// (`{Key+}`) and required query literals.
#[derive(Debug)]
pub struct UriTemplate {
    segments: Vec<Segment>,
    query: Vec<(String, Option<String>)>,
}

#[derive(Debug, PartialEq)]
enum Segment {
    Literal(String),
    Label(String),
    Greedy(String),
}

impl UriTemplate {
    pub(crate) fn parse(template: &str) -> Self {
        let (path, query) = template.split_once('?').unwrap_or((template, ""));
        let segment = |text: &str| match text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            Some(label) => match label.strip_suffix('+') {
                Some(label) => Segment::Greedy(label.to_owned()),
                None => Segment::Label(label.to_owned()),
            },
            None => Segment::Literal(text.to_owned()),
        };
        let literal = |pair: &str| match pair.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (pair.to_owned(), None),
        };
        Self {
            segments: path.split('/').filter(|s| !s.is_empty()).map(segment).collect(),
            query: query.split('&').filter(|pair| !pair.is_empty()).map(literal).collect(),
        }
    }

    /// The labels' values if the template fits, most literal templates having the greatest [`Self::weight`].
    pub(crate) fn matches(&self, path: &str, query: &[(String, String)]) -> Option<Vec<(String, String)>> {
        let present = |(key, value): &(String, Option<String>)| {
            query
                .iter()
                .any(|(k, v)| k == key && value.as_ref().is_none_or(|value| value == v))
        };
        if !self.query.iter().all(present) {
            return None;
        }
        let given: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let mut labels = Vec::new();
        let mut at = 0;
        for (index, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Literal(text) => {
                    if *given.get(at)? != text {
                        return None;
                    }
                    at += 1;
                }
                Segment::Label(name) => {
                    labels.push((name.clone(), decode(given.get(at)?)));
                    at += 1;
                }
                Segment::Greedy(name) => {
                    let behind = self.segments.len() - index - 1;
                    let end = given.len().checked_sub(behind).filter(|end| *end > at)?;
                    labels.push((name.clone(), decode(&given[at..end].join("/"))));
                    at = end;
                }
            }
        }
        (at == given.len()).then_some(labels)
    }

    /// Literal segments and query literals: where two templates fit, the heavier one is meant.
    pub(crate) fn weight(&self) -> usize {
        self.segments
            .iter()
            .filter(|segment| matches!(segment, Segment::Literal(_)))
            .count()
            + self.query.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_match_labels_greedy_labels_and_queries() {
        let labels = |template: &str, path: &str, query: &str| {
            UriTemplate::parse(template).matches(path, &pairs(query)).map(|labels| {
                labels
                    .into_iter()
                    .map(|(k, v)| format!("{k}={v}"))
                    .collect::<Vec<_>>()
                    .join(",")
            })
        };
        assert_eq!(labels("/a/{B}", "/a/x%20y", "").as_deref(), Some("B=x y"));
        assert_eq!(labels("/a/{B}", "/a/x/y", ""), None);
        assert_eq!(labels("/a/{B}", "/a/", ""), None);
        assert_eq!(labels("/a/{B+}/c", "/a/x/y/c", "").as_deref(), Some("B=x/y"));
        assert_eq!(labels("/a?start", "/a", "start="), Some(String::new()));
        assert_eq!(labels("/a?Operation=X", "/a", "Operation=Y"), None);
        assert_eq!(
            pairs("a=b+c&d=%2B&e"),
            [("a", "b c"), ("d", "+"), ("e", "")].map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
    }
}
