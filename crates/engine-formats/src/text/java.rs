//! Java's regular expressions in the syntax of the crate fancy-regex.
//!
//! Most of both is the same, but some of it means something else: `\d`, `\w` and `\s` are of ASCII alone in Java, `\h`
//! is a blank there and a hexadecimal digit here, `\<` a sign there and the beginning of a word here.
//!
//! Source: the documentation of Java's class java.util.regex.Pattern.

use std::iter::Peekable;
use std::str::Chars;

use crate::FormatError;

/// What has a meaning of its own somewhere in an expression.
const META: &str = r"\.+*?()|[]{}^$#&-~";
/// Flags that both have. Java's others are about character sets and line ends, which records do not have.
const FLAGS: &str = "imsx";
const FLAGS_OF_JAVA: &str = "idmsuxU";

/// The expression, or why it is none, as [`FormatError::Pattern`].
pub(super) fn translate(pattern: &str) -> Result<String, FormatError> {
    let mut translation = Translation {
        rest: pattern.chars().peekable(),
        out: String::with_capacity(pattern.len() + 16),
        groups: 0,
        classes: 0,
    };
    translation.run()?;
    Ok(translation.out)
}

struct Translation<'p> {
    rest: Peekable<Chars<'p>>,
    out: String,
    /// How many groups are open.
    groups: usize,
    /// How many classes are open; they may stand within each other.
    classes: usize,
}

impl Translation<'_> {
    fn run(&mut self) -> Result<(), FormatError> {
        while let Some(sign) = self.rest.next() {
            match sign {
                '\\' => self.escape()?,
                '[' => self.open_class(),
                ']' if self.classes > 0 => {
                    self.classes -= 1;
                    self.out.push(']');
                }
                ']' => self.literal(']'),
                // Two of them would be an operator.
                '~' => self.literal('~'),
                '(' if self.classes == 0 => {
                    self.groups += 1;
                    self.open_group()?;
                }
                ')' if self.classes == 0 => {
                    self.groups = self
                        .groups
                        .checked_sub(1)
                        .ok_or_else(|| wrong("a group ends that is not open"))?;
                    self.out.push(')');
                }
                other => self.out.push(other),
            }
        }
        match (self.groups, self.classes) {
            (0, 0) => Ok(()),
            (_, 0) => Err(wrong("a group does not end")),
            _ => Err(wrong("a class does not end")),
        }
    }

    fn literal(&mut self, sign: char) {
        if META.contains(sign) {
            self.out.push('\\');
        }
        self.out.push(sign);
    }

    fn open_class(&mut self) {
        self.classes += 1;
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        // A class is not empty: one that stands first is a sign.
        if self.rest.next_if_eq(&']').is_some() {
            self.literal(']');
        }
    }

    /// What is behind the parenthesis of a group, if it is one of Java's kinds.
    fn open_group(&mut self) -> Result<(), FormatError> {
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        let mut flags = String::new();
        match self.rest.next() {
            Some(kind @ (':' | '=' | '!' | '>')) => self.out.extend(['?', kind]),
            Some('<') => {
                self.out.push_str("?<");
                let named = self.rest.peek().is_some_and(char::is_ascii_alphabetic);
                let behind = matches!(self.rest.peek(), Some('=' | '!'));
                if !named && !behind {
                    return Err(wrong("a group's name does not begin with a letter"));
                }
            }
            Some(first) if first == '-' || FLAGS_OF_JAVA.contains(first) => {
                flags.push(first);
                while let Some(flag) = self.rest.next_if(|flag| *flag == '-' || FLAGS_OF_JAVA.contains(*flag)) {
                    flags.push(flag);
                }
                let end = self.rest.next().filter(|end| matches!(end, ':' | ')'));
                self.flags(&flags, end.ok_or_else(|| wrong("flags do not end"))?);
            }
            _ => return Err(wrong("it has a kind of group that Java does not have")),
        }
        Ok(())
    }

    /// Flags for what follows, or for the group that they begin.
    fn flags(&mut self, flags: &str, end: char) {
        let (on, off) = flags.split_once('-').unwrap_or((flags, ""));
        let kept = |flags: &str| flags.chars().filter(|flag| FLAGS.contains(*flag)).collect::<String>();
        let (on, off) = (kept(on), kept(off));
        if end == ')' {
            self.groups -= 1;
        }
        self.out.push('?');
        self.out.push_str(&on);
        if !off.is_empty() {
            self.out.push('-');
            self.out.push_str(&off);
        } else if on.is_empty() && end == ')' {
            // An empty group stands for flags of which none is left.
            self.out.push(':');
        }
        self.out.push(end);
    }

    fn escape(&mut self) -> Result<(), FormatError> {
        let Some(sign) = self.rest.next() else {
            return Err(wrong("it ends with a backslash"));
        };
        if let Some(class) = predefined(sign) {
            self.out.push_str(class);
            return Ok(());
        }
        match sign {
            't' | 'n' | 'r' | 'f' | 'x' | 'u' => self.out.extend(['\\', sign]),
            'a' => self.code(7),
            'e' => self.code(27),
            'c' => {
                let control = self.rest.next().and_then(|sign| u8::try_from(sign).ok());
                let control = control.ok_or_else(|| wrong(r"\c has no sign behind it"))?;
                self.code(u32::from(control ^ 64));
            }
            '0' => self.octal()?,
            'p' | 'P' => self.property(sign == 'P')?,
            'Q' => self.quotation(),
            'A' | 'z' | 'b' | 'B' | 'k' | '1'..='9' if self.classes == 0 => self.out.extend(['\\', sign]),
            // Records are searched from their beginning, and have no line end.
            'G' if self.classes == 0 => self.out.push_str(r"\A"),
            'Z' if self.classes == 0 => self.out.push_str(r"\z"),
            'R' if self.classes == 0 => self.out.push_str(r"(?>\r\n|[\n\x0B\f\r\x{85}\x{2028}\x{2029}])"),
            letter if letter.is_ascii_alphanumeric() => {
                return Err(wrong(&format!("there is no escape \\{letter}")));
            }
            other => self.literal(other),
        }
        Ok(())
    }

    fn code(&mut self, code: u32) {
        self.out.push_str(&format!("\\x{{{code:x}}}"));
    }

    /// One to three octal digits, up to 377.
    fn octal(&mut self) -> Result<(), FormatError> {
        let mut code = None;
        for _ in 0..3 {
            let digit = self.rest.peek().and_then(|digit| digit.to_digit(8));
            let Some(next) = digit
                .map(|digit| code.unwrap_or(0) * 8 + digit)
                .filter(|code| *code <= 0o377)
            else {
                break;
            };
            self.rest.next();
            code = Some(next);
        }
        self.code(code.ok_or_else(|| wrong(r"\0 has no octal digit behind it"))?);
        Ok(())
    }

    fn property(&mut self, negated: bool) -> Result<(), FormatError> {
        let mut name = String::new();
        match self.rest.next() {
            Some('{') => loop {
                match self.rest.next() {
                    Some('}') => break,
                    Some(sign) => name.push(sign),
                    None => return Err(wrong("the name of a property does not end")),
                }
            },
            Some(letter) => name.push(letter),
            None => return Err(wrong(r"\p has no name behind it")),
        }
        if let Some(signs) = posix(&name) {
            let not = if negated { "^" } else { "" };
            self.out.push_str(&format!("[{not}{signs}]"));
            return Ok(());
        }
        let name = match name.as_str() {
            "javaLowerCase" => "Lowercase",
            "javaUpperCase" => "Uppercase",
            "javaWhitespace" => "White_Space",
            other => other.strip_prefix("Is").unwrap_or(other),
        };
        let letter = if negated { 'P' } else { 'p' };
        self.out.push_str(&format!("\\{letter}{{{name}}}"));
        Ok(())
    }

    /// Text as it is, up to `\E` or the end.
    fn quotation(&mut self) {
        while let Some(sign) = self.rest.next() {
            if sign == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(sign);
        }
    }
}

/// Java's predefined classes, which may also stand in others.
fn predefined(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        's' => r"[ \t\n\x0B\f\r]",
        'S' => r"[^ \t\n\x0B\f\r]",
        'h' => r"[ \t\x{A0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]",
        'H' => r"[^ \t\x{A0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]",
        'v' => r"[\n\x0B\f\r\x{85}\x{2028}\x{2029}]",
        'V' => r"[^\n\x0B\f\r\x{85}\x{2028}\x{2029}]",
        _ => return None,
    })
}

/// The signs of Java's classes of POSIX, which are of ASCII alone.
fn posix(name: &str) -> Option<&'static str> {
    Some(match name {
        "Lower" => "a-z",
        "Upper" => "A-Z",
        "ASCII" => r"\x00-\x7F",
        "Alpha" => "A-Za-z",
        "Digit" => "0-9",
        "Alnum" => "0-9A-Za-z",
        "Punct" => r"!-/:-@\[-`{-\~",
        "Graph" => r"!-\~",
        "Print" => r" -\~",
        "Blank" => r" \t",
        "Cntrl" => r"\x00-\x1F\x7F",
        "XDigit" => "0-9A-Fa-f",
        "Space" => r" \t\n\x0B\f\r",
        _ => return None,
    })
}

fn wrong(why: &str) -> FormatError {
    FormatError::Pattern(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Java's Pattern.matches says of a pattern and a text.
    #[test]
    fn patterns_match_what_they_match_in_java() {
        for (pattern, text, expect) in [
            (r"\d+", "12", true),
            (r"\d", "٣", false),
            (r"\w+", "naïve", false),
            (r"[\w ]+", "a b_1", true),
            (r"[^\W\d]+", "abc", true),
            (r"[^\W\d]+", "a1", false),
            (r"\s", "\u{a0}", false),
            (r"a\hb", "a b", true),
            (r"a\hb", "afb", false),
            (r"\<b\>", "<b>", true),
            (r#"\"\-\/\'\ \_\#\%"#, "\"-/' _#%", true),
            (r"\Qa.b(\E+", "a.b((", true),
            (r"\Q[x", "[x", true),
            (r"\0101\x41\u0041\x{41}\cA", "AAAA\u{1}", true),
            (r"\p{Alpha}\P{Alpha}\p{Punct}\p{Lu}\p{L}\pL", "a1~ÜÜx", true),
            (r"[\p{Digit}\p{Upper}]+", "A1", true),
            (r"\p{IsAlphabetic}\p{IsGreek}", "aω", true),
            (r"[]a]+", "]a", true),
            (r"[^]a]", "]", false),
            (r"[a-z&&[^b]]+", "abc", false),
            (r"[a[0-9]]+", "a1", true),
            (r"[~~]+", "~", true),
            (r"a]", "a]", true),
            (r"(?<year>\d{4})-\k<year>", "2024-2024", true),
            (r"(a|b)\1", "aa", true),
            (r"(?i:A)b", "ab", true),
            (r"(?iu)Ab", "aB", true),
            (r"(?d)a(?-i)b", "ab", true),
            (r"(?U:a)+?", "aa", true),
            (r"(?<!x)a(?=b)b(?!c)", "ab", true),
            (r"(?>a+)a", "aa", false),
            (r"a*+a", "aa", false),
            (r"\Aab\Z", "ab", true),
            (r"\Gab$", "ab", true),
            (r"^(?!#)([^ ]+)\s+(.*)$", "a  b", true),
            (r"^(?!#)([^ ]+)\s+(.*)$", "#a  b", false),
        ] {
            let translated = translate(pattern).expect(pattern);
            let regex = fancy_regex::Regex::new(&format!(r"\A(?:{translated})\z"));
            let regex = regex.unwrap_or_else(|error| panic!("{pattern}: {translated}: {error}"));
            assert_eq!(regex.is_match(text).expect("ends"), expect, "{pattern}: {translated}");
        }
    }

    /// Some of these have a meaning to the crate.
    #[test]
    fn what_java_does_not_have_is_refused() {
        for pattern in [
            "(", ")", "a)(b", "[a", "\\", r"\y", r"\K", r"\O", r"\g<0>", r"[\b]", r"\c", r"\09", r"\p{", "(?R)",
            "(?P<a>b)", "(?(1)a)", "(?1)", "(?<1>a)", "(?#a)", "(?i", r"\E", r"\X",
        ] {
            assert!(matches!(translate(pattern), Err(FormatError::Pattern(_))), "{pattern}");
        }
    }
}
