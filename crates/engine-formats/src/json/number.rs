//! JSON's numbers, of which no digit is lost.

/// Digits that certainly fit a `u64`.
const DIGITS_MAX: usize = 19;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Number<'r> {
    /// ASCII.
    bytes: &'r [u8],
    negative: bool,
    /// All digits as one number, where there are not too many.
    digits: Option<u64>,
    /// The power of ten that the digits are to be taken by.
    exponent: i32,
    /// Whether there is neither a point nor an exponent.
    pub(crate) is_integer: bool,
}

/// A number of few digits, as almost all are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlainNumber {
    /// All digits as one number, of which the last ones stand behind the point.
    pub(crate) digits: u64,
    pub(crate) negative: bool,
    /// How many digits stand behind the point.
    pub(crate) fraction: usize,
}

impl PlainNumber {
    /// So many certainly fit an `i64` too.
    pub(crate) const DIGITS_MAX: usize = 18;

    #[inline]
    pub(crate) fn as_i64(self) -> Option<i64> {
        let value = self.digits as i64;
        (self.fraction == 0).then_some(if self.negative { -value } else { value })
    }

    /// The nearest double, where one division gives it.
    #[inline]
    pub(crate) fn as_f64(self) -> Option<f64> {
        if self.digits > EXACT_MAX {
            return None;
        }
        let value = self.digits as f64 / POWERS.get(self.fraction)?;
        Some(if self.negative { -value } else { value })
    }

    /// The number times ten to the power of `scale`, where that is a whole number of at most `precision` digits.
    #[inline]
    pub(crate) fn as_decimal(self, precision: u8, scale: i8) -> Option<i128> {
        let raise = usize::try_from(isize::from(scale) - self.fraction as isize).ok()?;
        let value = i128::from(self.digits).checked_mul(*WHOLE_POWERS.get(raise)?)?;
        let fits = value < *WHOLE_POWERS.get(usize::from(precision))?;
        fits.then_some(if self.negative { -value } else { value })
    }
}

/// What was expected so many bytes into the number.
pub(crate) struct InvalidNumber {
    pub(crate) at: usize,
    pub(crate) expected: &'static str,
}

impl<'r> Number<'r> {
    /// The number that the text begins with, and its length.
    #[inline]
    pub(crate) fn parse(bytes: &'r [u8]) -> Result<(Self, usize), InvalidNumber> {
        let digit = |at: usize| {
            bytes
                .get(at)
                .map(|byte| byte.wrapping_sub(b'0'))
                .filter(|digit| *digit < 10)
        };
        let negative = bytes.first() == Some(&b'-');
        let mut at = usize::from(negative);
        let begin = at;
        let mut value = 0_u64;
        while let Some(digit) = digit(at) {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
        }
        let mut digits = at - begin;
        if digits == 0 || digits > 1 && bytes.get(begin) == Some(&b'0') {
            // A zero stands alone.
            let at = begin + usize::from(digits > 0);
            return Err(InvalidNumber {
                at,
                expected: if digits == 0 {
                    "a digit"
                } else {
                    "a number without leading zeros"
                },
            });
        }
        let mut exponent = 0;
        let mut is_integer = true;
        if bytes.get(at) == Some(&b'.') {
            is_integer = false;
            let point = at;
            at += 1;
            while let Some(digit) = digit(at) {
                value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
                at += 1;
            }
            let fraction = at - point - 1;
            if fraction == 0 {
                return Err(InvalidNumber {
                    at,
                    expected: "a digit",
                });
            }
            digits += fraction;
            exponent = -i32::try_from(fraction).unwrap_or(i32::MAX);
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            is_integer = false;
            at += 1;
            let falls = bytes.get(at) == Some(&b'-');
            at += usize::from(falls || bytes.get(at) == Some(&b'+'));
            let begin = at;
            let mut power = 0_i32;
            while let Some(digit) = digit(at) {
                power = power.saturating_mul(10).saturating_add(i32::from(digit));
                at += 1;
            }
            if at == begin {
                return Err(InvalidNumber {
                    at,
                    expected: "a digit",
                });
            }
            exponent = exponent.saturating_add(if falls { -power } else { power });
        }
        let number = Self {
            bytes: &bytes[..at],
            negative,
            digits: (digits <= DIGITS_MAX).then_some(value),
            exponent,
            is_integer,
        };
        Ok((number, at))
    }

    pub(crate) fn text(&self) -> &'r str {
        // It is ASCII.
        std::str::from_utf8(self.bytes).unwrap_or_default()
    }

    /// The number, where it is written without point and exponent and fits.
    #[inline]
    pub(crate) fn as_i64(&self) -> Option<i64> {
        let digits = self.digits.filter(|_| self.is_integer)?;
        if self.negative {
            0_i64.checked_sub_unsigned(digits)
        } else {
            i64::try_from(digits).ok()
        }
    }

    /// The whole number that this is, however it is written.
    pub(crate) fn as_whole(&self) -> Option<i64> {
        const WHOLE_END: f64 = 9.2e18;
        self.as_i64().or_else(|| {
            let value = self.as_f64()?;
            let whole = !self.is_integer && value.fract() == 0.0 && value.abs() < WHOLE_END;
            whole.then_some(value as i64)
        })
    }

    /// The nearest double, or nothing where the number is beyond all of them.
    #[inline]
    pub(crate) fn as_f64(&self) -> Option<f64> {
        if let Some(digits) = self.digits.filter(|digits| *digits <= EXACT_MAX) {
            let power = POWERS.get(self.exponent.unsigned_abs() as usize);
            if let Some(power) = power {
                let digits = if self.negative { -(digits as f64) } else { digits as f64 };
                return Some(if self.exponent < 0 {
                    digits / power
                } else {
                    digits * power
                });
            }
        }
        self.text().parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// The nearest float, or nothing where the number is beyond all of them.
    pub(crate) fn as_f32(&self) -> Option<f32> {
        self.text().parse().ok().filter(|value: &f32| value.is_finite())
    }
}

/// Up to here each whole number is a double, and so is each of the powers below: one division or multiplication of the
/// two then rounds correctly (W. Clinger, How to Read Floating Point Numbers Accurately, 1990).
const EXACT_MAX: u64 = 1 << 53;

/// The powers of ten that are doubles.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The powers of ten that are of 39 digits at most.
static WHOLE_POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut power = 1;
    while power < powers.len() {
        powers[power] = powers[power - 1] * 10;
        power += 1;
    }
    powers
};
