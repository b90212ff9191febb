//! Sets of letters.

use std::sync::LazyLock;

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange, HirKind};

use crate::jq::fault::Outcome;
use crate::jq::memory::Meter;

/// A set of letters, as it is looked up.
#[derive(Debug)]
pub(super) struct Set {
    /// The letters of ASCII, one to a bit.
    ascii: u128,
    /// The others, in order.
    ranges: Vec<(char, char)>,
}

impl Set {
    pub(super) fn new(class: &ClassUnicode) -> Self {
        let mut ascii = 0_u128;
        let mut ranges = Vec::with_capacity(class.ranges().len());
        for range in class.ranges() {
            let (start, end) = (range.start(), range.end());
            for letter in (start..=end).take_while(char::is_ascii) {
                ascii |= 1 << u32::from(letter);
            }
            if !end.is_ascii() {
                ranges.push((start.max('\u{80}'), end));
            }
        }
        Self { ascii, ranges }
    }

    pub(super) fn contains(&self, letter: char) -> bool {
        if letter.is_ascii() {
            return self.ascii >> u32::from(letter) & 1 == 1;
        }
        let at = self.ranges.partition_point(|(_, end)| *end < letter);
        self.ranges.get(at).is_some_and(|(start, _)| *start <= letter)
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.ranges.capacity() * size_of::<(char, char)>()
    }
}

/// Whether a letter is one of a word, as `\b` has it.
pub(super) fn is_word(letter: char) -> bool {
    static WORD: LazyLock<Option<Set>> = LazyLock::new(|| named("word").map(|class| Set::new(&class)));
    WORD.as_ref().is_some_and(|word| word.contains(letter))
}

pub(super) fn range(from: char, to: char) -> ClassUnicode {
    ClassUnicode::new([ClassUnicodeRange::new(from, to)])
}

pub(super) fn negated(mut class: ClassUnicode) -> ClassUnicode {
    class.negate();
    class
}

/// The letters that have another case.
static CASED: LazyLock<Option<ClassUnicode>> = LazyLock::new(|| unicode(r"[\p{CWCF}\p{CWCM}]"));

/// All letters that are like one in the class but for their case.
pub(super) fn folded(mut class: ClassUnicode, meter: &mut Meter) -> Outcome<ClassUnicode> {
    let mut cased = class.clone();
    if let Some(all) = &*CASED {
        cased.intersect(all);
    }
    // The library goes through them letter by letter.
    meter.spend(cased.iter().map(ClassUnicodeRange::len).sum())?;
    // There are tables for it.
    let _ = cased.try_case_fold_simple();
    class.union(&cased);
    Ok(class)
}

/// The letters of `\d`, `\s` or `\w`.
pub(super) fn of_escape(letter: char) -> Option<ClassUnicode> {
    match letter {
        'd' => named("digit"),
        's' => named("space"),
        'w' => named("word"),
        _ => None,
    }
}

/// The letters of `[:name:]`.
pub(super) fn of_bracket(name: &str) -> Option<ClassUnicode> {
    const NAMES: [&str; 14] = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
        "xdigit", "word",
    ];
    NAMES.contains(&name).then(|| named(name)).flatten()
}

/// The letters of `\p{name}`: a class by its short name, a category or a script.
pub(super) fn of_property(name: &str) -> Option<ClassUnicode> {
    let name: String = name.chars().filter(|letter| !" -_".contains(*letter)).collect();
    let name = name.to_ascii_lowercase();
    if let Some(class) = named(&name) {
        return Some(class);
    }
    let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_plain.then(|| unicode(&format!(r"\p{{{name}}}"))).flatten()
}

fn named(name: &str) -> Option<ClassUnicode> {
    unicode(match name {
        "alnum" => r"[\p{Alphabetic}\p{Nd}]",
        "alpha" => r"\p{Alphabetic}",
        "ascii" => r"[\x00-\x7f]",
        "blank" => r"[\t\p{Zs}]",
        "cntrl" => r"\p{Cc}",
        "digit" => r"\p{Nd}",
        "graph" => r"[^\p{White_Space}\p{Cc}\p{Cn}]",
        "lower" => r"\p{Lowercase}",
        "print" => r"[[^\p{White_Space}\p{Cc}\p{Cn}]\p{Zs}]",
        "punct" => r"\p{P}",
        "space" => r"\p{White_Space}",
        "upper" => r"\p{Uppercase}",
        "xdigit" => r"[0-9A-Fa-f]",
        "word" => r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]",
        "any" => r"[\x{0}-\x{10ffff}]",
        "assigned" => r"\P{Cn}",
        _ => return None,
    })
}

/// The class that an expression of the library stands for.
fn unicode(expression: &str) -> Option<ClassUnicode> {
    match regex_syntax::parse(expression).ok()?.into_kind() {
        HirKind::Class(regex_syntax::hir::Class::Unicode(class)) => Some(class),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_are_not_folded_have_no_other_case() {
        let others = negated(CASED.clone().unwrap());
        let mut folded = others.clone();
        folded.try_case_fold_simple().unwrap();
        assert_eq!(folded, others);
    }
}
