//! Moments as C's `struct tm` has them, and days.

/// A moment in parts that need not fit together.
#[derive(Clone, Default)]
pub(super) struct Moment {
    pub(super) year: i64,
    /// From 0.
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    /// From Sunday, which is 0.
    pub(super) weekday: i64,
    /// From 0.
    pub(super) yearday: i64,
}

const DAY_SECONDS: i64 = 86_400;

impl Moment {
    /// `None` where the year does not fit in 32 bits.
    pub(super) fn of_seconds(seconds: f64) -> Option<Self> {
        let seconds = seconds.trunc();
        if !(-1e17..1e17).contains(&seconds) {
            return None;
        }
        let seconds = seconds as i64;
        let (days, rest) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
        let (year, month, day) = date_of(days);
        i32::try_from(year - 1900).ok()?;
        Some(Self {
            year,
            month,
            day,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
            // The first day was a Thursday.
            weekday: (days + 4).rem_euclid(7),
            yearday: days - days_to(year, 0, 1),
        })
    }

    pub(super) fn of_fields(fields: [f64; 8]) -> Self {
        let [year, month, day, hour, minute, second, weekday, yearday] = fields.map(|field| i64::from(field as i32));
        Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
            weekday,
            yearday,
        }
    }

    pub(super) fn fields(&self, fraction: f64) -> [f64; 8] {
        let whole = [
            self.year,
            self.month,
            self.day,
            self.hour,
            self.minute,
            self.second,
            self.weekday,
            self.yearday,
        ];
        let mut fields = whole.map(|field| field as f64);
        fields[5] += fraction;
        fields
    }

    /// Seconds since 1970; parts that are too large or too small carry over.
    pub(super) fn seconds(&self) -> i64 {
        let (year, month) = (self.year + self.month.div_euclid(12), self.month.rem_euclid(12));
        let days = days_to(year, month, 1) + self.day - 1;
        days * DAY_SECONDS + self.hour * 3600 + self.minute * 60 + self.second
    }
}

pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The days of a year before a month, which is counted from 0; 12 are all.
pub(super) fn days_before(year: i64, month: i64) -> i64 {
    const DAYS: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
    let month = month.clamp(0, 12);
    DAYS[month as usize] + i64::from(month > 1 && is_leap(year))
}

/// Days from 1970 to a day.
fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    // 719,162 days lie between the first day of the year 1 and of 1970.
    before * 365 + leap_days - 719_162 + days_before(year, month) + day - 1
}

/// The year, month from 0 and day of a count of days since 1970.
fn date_of(days: i64) -> (i64, i64, i64) {
    // The mean year is 365.2425 days long; it is off by one at most.
    let mut year = 1970 + (days * 400).div_euclid(146_097);
    while days_to(year, 0, 1) > days {
        year -= 1;
    }
    while days_to(year + 1, 0, 1) <= days {
        year += 1;
    }
    let yearday = days - days_to(year, 0, 1);
    let month = (1..12).take_while(|month| days_before(year, *month) <= yearday).count() as i64;
    (year, month, yearday - days_before(year, month) + 1)
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

pub(super) const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// What all names of days and months are shortened to.
pub(super) const SHORT_NAME: usize = 3;
