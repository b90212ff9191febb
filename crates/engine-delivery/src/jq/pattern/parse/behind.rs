//! Looking behind.

use super::Node;

/// How many letters a look behind goes back: all that it may match has that length. Only what comes first in it may
/// vary, and counts as often as it must.
pub(super) fn length_behind(node: &Node, is_negative: bool) -> Result<usize, &'static str> {
    length(node, is_negative, true).ok_or("invalid pattern in look-behind")
}

fn length(node: &Node, is_negative: bool, is_head: bool) -> Option<usize> {
    match node {
        Node::Assertion(_) | Node::Keep => Some(0),
        Node::Char(_) | Node::Class(_) => Some(1),
        Node::Capture(..) if is_negative => None,
        Node::Capture(_, inner) | Node::Atomic(inner) => length(inner, is_negative, false),
        Node::Look { behind: Some(_), .. } => Some(0),
        Node::Look { .. } | Node::Repeated { .. } => None,
        Node::Sequence(nodes) => {
            let mut lengths = nodes.iter().enumerate();
            lengths.try_fold(0_usize, |sum, (at, node)| {
                sum.checked_add(length(node, is_negative, is_head && at == 0)?)
            })
        }
        Node::Alternatives(nodes) => {
            let mut lengths = nodes.iter().map(|node| length(node, is_negative, is_head));
            let first = lengths.next()??;
            lengths.all(|length| length == Some(first)).then_some(first)
        }
        Node::Repeat { inner, min, max, .. } => {
            let inner = length(inner, is_negative, false)?;
            let is_fixed = is_head || *max == Some(*min);
            is_fixed.then(|| inner.checked_mul(*min as usize)).flatten()
        }
    }
}
