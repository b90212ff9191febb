//! `strftime` of the GNU C library, with its flags and widths, in the C locale.

use super::calendar::{MONTHS, Moment, SHORT_NAME, WEEKDAYS, is_leap};

/// jq gives `strftime` so much room, the zero at the end included.
pub(super) const BYTES_MAX: usize = 4096;

/// `None` where nothing comes out, or more than there is room for.
pub(super) fn formatted(moment: &Moment, format: &str) -> Option<String> {
    let mut out = String::new();
    write(moment, format, &mut out);
    (!out.is_empty() && out.len() < BYTES_MAX).then_some(out)
}

/// How a conversion is to look.
#[derive(Default, Clone, Copy)]
struct Look {
    pad: Option<char>,
    width: usize,
    upper: bool,
    lower: bool,
    swaps_case: bool,
}

fn write(moment: &Moment, format: &str, out: &mut String) {
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = conversion(moment, rest, out);
        rest = &rest[length..];
        if out.len() >= BYTES_MAX {
            return;
        }
    }
    out.push_str(rest);
}

/// Writes what a format begins with, and tells how long that is.
fn conversion(moment: &Moment, format: &str, out: &mut String) -> usize {
    let mut look = Look::default();
    let mut letters = format.char_indices().skip(1).peekable();
    while let Some((_, flag)) = letters.next_if(|(_, letter)| "_-0^#".contains(*letter)) {
        match flag {
            '^' => look.upper = true,
            '#' => look.swaps_case = true,
            pad => look.pad = Some(pad),
        }
    }
    while let Some((_, digit)) = letters.next_if(|(_, letter)| letter.is_ascii_digit()) {
        let digit = digit.to_digit(10).unwrap_or(0) as usize;
        look.width = look.width.saturating_mul(10).saturating_add(digit).min(BYTES_MAX);
    }
    let modifier = letters.next_if(|(_, letter)| matches!(letter, 'E' | 'O'));
    let modifier = modifier.map(|(_, letter)| letter);
    let Some((at, letter)) = letters.next() else {
        text(format, look, out);
        return format.len();
    };
    let length = at + letter.len_utf8();
    look.upper |= look.swaps_case && matches!(letter, 'b' | 'B' | 'h');
    if !takes(letter, modifier) || !convert(moment, letter, look, out) {
        // What means nothing stands for itself.
        text(&format[..length], look, out);
    }
    length
}

/// Whether a conversion may have a modifier, whose meaning is the same without one here.
fn takes(letter: char, modifier: Option<char>) -> bool {
    match (letter, modifier) {
        (_, None) => true,
        ('c' | 'x' | 'X' | 'Y', Some(modifier)) => modifier == 'E',
        ('C' | 'y' | 's' | 'T' | 'R' | 'r' | 'u' | 'n' | 't' | 'p' | 'P' | 'Z' | 'z' | '%', Some(_)) => true,
        ('a' | 'A' | 'D' | 'F', Some(_)) => false,
        (_, Some(modifier)) => modifier == 'O',
    }
}

fn convert(moment: &Moment, letter: char, mut look: Look, out: &mut String) -> bool {
    let name = |names: &'static [&'static str], at: i64| {
        let found = usize::try_from(at).ok().and_then(|at| names.get(at));
        found.copied().unwrap_or("?")
    };
    let short = |name: &'static str| name.get(..SHORT_NAME).unwrap_or(name);
    let hour12 = match moment.hour {
        0 => 12,
        hour if hour > 12 => hour - 12,
        hour => hour,
    };
    match letter {
        'a' | 'A' | 'b' | 'B' | 'h' => {
            look.upper |= look.swaps_case;
            let name = match letter {
                'a' | 'A' => name(&WEEKDAYS, moment.weekday),
                _ => name(&MONTHS, moment.month),
            };
            text(if letter.is_uppercase() { name } else { short(name) }, look, out);
        }
        'c' => part(moment, "%a %b %e %H:%M:%S %Y", look, out),
        'x' | 'D' => part(moment, "%m/%d/%y", look, out),
        'F' => part(moment, "%Y-%m-%d", look, out),
        'R' => part(moment, "%H:%M", look, out),
        'r' => part(moment, "%I:%M:%S %p", look, out),
        'T' | 'X' => part(moment, "%H:%M:%S", look, out),
        'C' => number(moment.year.div_euclid(100), 1, look, out),
        'Y' => number(moment.year, 1, look, out),
        'y' => number(moment.year.rem_euclid(100), 2, look, out),
        'm' => number(moment.month + 1, 2, look, out),
        'd' => number(moment.day, 2, look, out),
        'H' => number(moment.hour, 2, look, out),
        'I' => number(hour12, 2, look, out),
        'M' => number(moment.minute, 2, look, out),
        'S' => number(moment.second, 2, look, out),
        'j' => number(moment.yearday + 1, 3, look, out),
        'u' => number((moment.weekday + 6) % 7 + 1, 1, look, out),
        'w' => number(moment.weekday, 1, look, out),
        'U' => number((moment.yearday - moment.weekday + 7) / 7, 2, look, out),
        'W' => number((moment.yearday - (moment.weekday + 6) % 7 + 7) / 7, 2, look, out),
        'V' => number(week(moment).1, 2, look, out),
        'G' => number(week(moment).0, 1, look, out),
        'g' => number(week(moment).0.rem_euclid(100), 2, look, out),
        's' => number(moment.seconds(), 1, look, out),
        'e' | 'k' | 'l' => {
            look.pad = look.pad.or(Some('_'));
            let value = match letter {
                'e' => moment.day,
                'k' => moment.hour,
                _ => hour12,
            };
            number(value, 2, look, out);
        }
        'p' | 'P' => {
            look.lower = letter == 'P' || look.swaps_case;
            text(if moment.hour > 11 { "PM" } else { "AM" }, look, out);
        }
        'Z' => {
            look.lower = look.swaps_case;
            text("UTC", look, out);
        }
        'z' => {
            text("+", look, out);
            number(0, 4, look, out);
        }
        'n' => text("\n", look, out),
        't' => text("\t", look, out),
        '%' => text("%", look, out),
        _ => return false,
    }
    true
}

fn part(moment: &Moment, format: &str, look: Look, out: &mut String) {
    let mut written = String::new();
    write(moment, format, &mut written);
    text(&written, look, out);
}

fn text(text: &str, look: Look, out: &mut String) {
    let pad = if look.pad == Some('0') { '0' } else { ' ' };
    (text.len()..look.width).for_each(|_| out.push(pad));
    if look.lower {
        out.push_str(&text.to_ascii_lowercase());
    } else if look.upper {
        out.push_str(&text.to_ascii_uppercase());
    } else {
        out.push_str(text);
    }
}

fn number(value: i64, digits: usize, look: Look, out: &mut String) {
    let digits = digits.max(look.width);
    let written = match look.pad {
        Some('-') => value.to_string(),
        Some('_') => format!("{value:digits$}"),
        _ => format!("{value:0digits$}"),
    };
    text(&written, look, out);
}

/// The year and number of the week by ISO 8601, from the days of the week and the year.
fn week(moment: &Moment) -> (i64, i64) {
    const MUCH: i64 = 378;
    let days = |yearday: i64| yearday - (yearday - moment.weekday + 4 + MUCH) % 7 + 3;
    let year_days = |year: i64| 365 + i64::from(is_leap(year));
    let year = moment.year;
    let in_this = days(moment.yearday);
    if in_this < 0 {
        let in_last = days(moment.yearday + year_days(year - 1));
        return (year - 1, in_last / 7 + 1);
    }
    let in_next = days(moment.yearday - year_days(year));
    if in_next >= 0 {
        return (year + 1, in_next / 7 + 1);
    }
    (year, in_this / 7 + 1)
}
