//! `strptime` of the GNU C library, in the C locale.

use super::calendar::{MONTHS, Moment, SHORT_NAME, WEEKDAYS, days_before, is_space};

/// What jq puts there before, to see what was found.
const WEEKDAY_UNKNOWN: i64 = 8;
const YEARDAY_UNKNOWN: i64 = 367;

/// The moment that a text tells, and what follows in the text; `None` where it does not match.
pub(super) fn parsed<'t>(text: &'t str, format: &str) -> Option<(Moment, &'t str)> {
    let mut reader = Reader {
        rest: text,
        moment: Moment {
            year: 1900,
            weekday: WEEKDAY_UNKNOWN,
            yearday: YEARDAY_UNKNOWN,
            ..Moment::default()
        },
        found: Found::default(),
    };
    reader.read(format)?;
    reader.complete();
    Some((reader.moment, reader.rest))
}

struct Reader<'t> {
    rest: &'t str,
    moment: Moment,
    found: Found,
}

/// What was found, for what follows from it.
#[derive(Default)]
struct Found {
    month: bool,
    day: bool,
    weekday: bool,
    yearday: bool,
    /// Whether the days of the week and the year are wanted, since the date changed.
    date: bool,
    hour12: bool,
    is_afternoon: bool,
    century: Option<i64>,
    /// Whether a year of a century was found after all.
    year_of_century: bool,
    /// The number of the week, and whether it begins on Monday.
    week: Option<(i64, bool)>,
}

impl Reader<'_> {
    fn read(&mut self, format: &str) -> Option<()> {
        let mut letters = format.chars().peekable();
        while let Some(letter) = letters.next() {
            if u8::try_from(letter).is_ok_and(is_space) {
                self.skip_spaces();
                continue;
            }
            if letter != '%' {
                self.rest = self.rest.strip_prefix(letter)?;
                continue;
            }
            while letters.next_if(|flag| "_-0^#".contains(*flag)).is_some() {}
            let mut conversion = letters.next()?;
            if let 'E' | 'O' = conversion {
                let allowed = if conversion == 'E' { "cCyYxX" } else { "bBdeHImMSUWVwy" };
                conversion = letters.next().filter(|letter| allowed.contains(*letter))?;
            }
            self.convert(conversion)?;
        }
        Some(())
    }

    fn convert(&mut self, conversion: char) -> Option<()> {
        match conversion {
            '%' => self.rest = self.rest.strip_prefix('%')?,
            'a' | 'A' => {
                self.moment.weekday = self.name(&WEEKDAYS)?;
                self.found.weekday = true;
            }
            'b' | 'B' | 'h' => {
                self.moment.month = self.name(&MONTHS)?;
                (self.found.month, self.found.date) = (true, true);
            }
            'c' => return self.date("%a %b %e %H:%M:%S %Y"),
            'x' | 'D' => return self.date("%m/%d/%y"),
            'F' => return self.date("%Y-%m-%d"),
            'r' => return self.read("%I:%M:%S %p"),
            'R' => return self.read("%H:%M"),
            'T' | 'X' => return self.read("%H:%M:%S"),
            'C' => {
                self.found.century = Some(self.number(0, 99, 2)?);
                self.found.date = true;
            }
            'd' | 'e' => {
                self.moment.day = self.number(1, 31, 2)?;
                (self.found.day, self.found.date) = (true, true);
            }
            'H' | 'k' => {
                self.moment.hour = self.number(0, 23, 2)?;
                self.found.hour12 = false;
            }
            'I' | 'l' => {
                self.moment.hour = self.number(1, 12, 2)? % 12;
                self.found.hour12 = true;
            }
            'j' => {
                self.moment.yearday = self.number(1, 366, 3)? - 1;
                self.found.yearday = true;
            }
            'm' => {
                self.moment.month = self.number(1, 12, 2)? - 1;
                (self.found.month, self.found.date) = (true, true);
            }
            'M' => self.moment.minute = self.number(0, 59, 2)?,
            'n' | 't' => self.skip_spaces(),
            'p' => self.found.is_afternoon = self.name(&["AM", "PM"])? == 1,
            's' => self.epoch()?,
            'S' => self.moment.second = self.number(0, 61, 2)?,
            'u' => {
                self.moment.weekday = self.number(1, 7, 1)? % 7;
                self.found.weekday = true;
            }
            'w' => {
                self.moment.weekday = self.number(0, 6, 1)?;
                self.found.weekday = true;
            }
            'U' | 'W' => {
                let number = self.number(0, 53, 2)?;
                self.found.week = Some((number, conversion == 'W'));
            }
            // The years and weeks of ISO 8601 are read for nothing.
            'V' => drop(self.number(0, 53, 2)?),
            'g' => drop(self.number(0, 99, 2)?),
            'G' => {
                let digits = self.digits();
                self.rest = self.rest.get(digits..).filter(|_| digits > 0)?;
            }
            'y' => {
                let year = self.number(0, 99, 2)?;
                self.moment.year = if year >= 69 { 1900 + year } else { 2000 + year };
                (self.found.year_of_century, self.found.date) = (true, true);
            }
            'Y' => {
                self.moment.year = self.number(0, 9999, 4)?;
                self.found.century = None;
                (self.found.year_of_century, self.found.date) = (false, true);
            }
            'Z' => {
                self.skip_spaces();
                let end = self.rest.bytes().position(is_space).unwrap_or(self.rest.len());
                self.rest = &self.rest[end..];
            }
            'z' => self.zone()?,
            _ => return None,
        }
        Some(())
    }

    fn date(&mut self, format: &str) -> Option<()> {
        self.read(format)?;
        self.found.date = true;
        Some(())
    }

    fn skip_spaces(&mut self) {
        let spaces = self.rest.bytes().take_while(|byte| is_space(*byte)).count();
        self.rest = &self.rest[spaces..];
    }

    fn digits(&self) -> usize {
        self.rest.bytes().take_while(u8::is_ascii_digit).count()
    }

    /// A number of so many digits at most; no digit more is read than could fit.
    fn number(&mut self, from: i64, to: i64, digits: usize) -> Option<i64> {
        self.rest = self.rest.trim_start_matches(' ');
        let mut number = 0;
        let mut length = 0;
        for digit in self.rest.bytes().take(digits).take_while(u8::is_ascii_digit) {
            if length > 0 && number * 10 > to {
                break;
            }
            number = number * 10 + i64::from(digit - b'0');
            length += 1;
        }
        self.rest = &self.rest[length..];
        (length > 0 && (from..=to).contains(&number)).then_some(number)
    }

    /// Which name the text begins with, whole or shortened.
    fn name(&mut self, names: &[&str]) -> Option<i64> {
        for (at, name) in names.iter().enumerate() {
            for name in [*name, &name[..name.len().min(SHORT_NAME)]] {
                let start = self.rest.get(..name.len());
                if start.is_some_and(|start| start.eq_ignore_ascii_case(name)) {
                    self.rest = &self.rest[name.len()..];
                    return Some(at as i64);
                }
            }
        }
        None
    }

    fn epoch(&mut self) -> Option<()> {
        let (digits, rest) = self.rest.split_at(self.digits());
        self.moment = Moment::of_seconds(digits.parse().ok()?)?;
        self.rest = rest;
        Some(())
    }

    /// A distance from UTC, which changes nothing.
    fn zone(&mut self) -> Option<()> {
        self.skip_spaces();
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Some(());
        }
        self.rest = self.rest.strip_prefix(['+', '-'])?;
        let (mut value, mut count) = (0_u32, 0);
        while count < 4
            && let Some(digit) = self.rest.bytes().next().filter(u8::is_ascii_digit)
        {
            value = value * 10 + u32::from(digit - b'0');
            count += 1;
            self.rest = &self.rest[1..];
            let minutes = self.rest.strip_prefix(':').filter(|_| count == 2);
            if let Some(minutes) = minutes.filter(|minutes| minutes.starts_with(|digit: char| digit.is_ascii_digit())) {
                self.rest = minutes;
            }
        }
        match count {
            2 => Some(()),
            4 if value % 100 < 60 => Some(()),
            _ => None,
        }
    }

    /// What follows from what was found.
    fn complete(&mut self) {
        let (found, moment) = (&mut self.found, &mut self.moment);
        if found.hour12 && found.is_afternoon {
            moment.hour += 12;
        }
        if let Some(century) = found.century {
            let year = if found.year_of_century {
                moment.year.rem_euclid(100)
            } else {
                0
            };
            moment.year = century * 100 + year;
        }
        let year = moment.year;
        let month_of = |yearday: i64| {
            let months = 1..=12;
            let month = months.take_while(|month| days_before(year, *month) <= yearday).count() as i64;
            (month, yearday - days_before(year, month) + 1)
        };
        if found.date && !found.weekday {
            if !(found.month && found.day) && found.yearday {
                let (month, day) = month_of(moment.yearday);
                if !found.month {
                    moment.month = month;
                }
                if !found.day {
                    moment.day = day;
                }
            }
            moment.weekday = weekday(year, moment.month, moment.day);
        }
        if found.date && !found.yearday {
            moment.yearday = days_before(year, moment.month) + moment.day - 1;
        }
        if let (Some((number, from_monday)), true) = (found.week, found.weekday) {
            let (year_starts, shift) = (weekday(year, 0, 1), i64::from(from_monday));
            if !found.yearday {
                let in_week = (moment.weekday - shift + 7) % 7;
                moment.yearday = (7 - (year_starts - shift)) % 7 + (number - 1) * 7 + in_week;
            }
            let (month, day) = month_of(moment.yearday);
            if !found.month {
                moment.month = month;
            }
            if !found.day {
                moment.day = day;
            }
        }
    }
}

/// The day of the week, from Sunday.
fn weekday(year: i64, month: i64, day: i64) -> i64 {
    let moment = Moment {
        year,
        month,
        day,
        ..Moment::default()
    };
    (moment.seconds().div_euclid(86_400) + 4).rem_euclid(7)
}
