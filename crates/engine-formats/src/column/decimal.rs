//! Decimal numbers as text.

/// The number times ten to the power of `scale`, rounded to a whole number with halves away from zero, where that has
/// at most `precision` digits. A sign, a point and an exponent may be there, and any number of digits.
///
/// Source: Apache Hive, class HiveDecimal (rounding by HALF_UP).
pub(super) fn decimal_of_text(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if digits().next().is_none() || !digits().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let leading_zeros = digits().take_while(|digit| *digit == b'0').count();
    let significant = whole.len() + fraction.len() - leading_zeros;
    if significant == 0 {
        return Some(0);
    }
    // How many of the digits stand before the point of the scaled number; less than none where zeros follow it.
    let kept = i64::try_from(whole.len() as i128 - leading_zeros as i128).ok()?;
    let kept = kept.checked_add(exponent)?.checked_add(i64::from(scale))?;
    if kept > i64::from(precision) {
        return None;
    }
    let mut value = 0_i128;
    let mut digits = digits().skip(leading_zeros);
    for _ in 0..kept {
        // Within 38 digits, which fit.
        value = value * 10 + i128::from(digits.next().unwrap_or(b'0') - b'0');
    }
    if kept >= 0 && digits.next().is_some_and(|next| next >= b'5') {
        value += 1;
    }
    let fits = value < 10_i128.checked_pow(u32::from(precision))?;
    fits.then_some(if text.starts_with('-') { -value } else { value })
}

/// An exponent, which may be beyond all bounds.
fn exponent_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    const BEYOND: i64 = 1 << 40;
    let exponent = digits.parse().unwrap_or(BEYOND).min(BEYOND);
    Some(if text.starts_with('-') { -exponent } else { exponent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_kept_or_rounded_or_refused() {
        for (text, precision, scale, value) in [
            ("12.34", 4, 2, Some(1234)),
            ("12.345", 4, 2, Some(1235)),
            ("-12.345", 4, 2, Some(-1235)),
            ("12.3449", 4, 2, Some(1234)),
            ("99.995", 4, 2, None),
            ("100", 4, 2, None),
            ("0.004", 4, 2, Some(0)),
            ("0.005", 4, 2, Some(1)),
            ("0.0005", 4, 2, Some(0)),
            ("+.5", 4, 2, Some(50)),
            ("5.", 4, 2, Some(500)),
            ("1e1", 4, 2, Some(1000)),
            ("1.5E-1", 4, 2, Some(15)),
            ("1e2", 4, 2, None),
            ("1e-1000000000", 4, 2, Some(0)),
            ("1e1000000000", 4, 2, None),
            ("1e99999999999999999999", 4, 2, None),
            ("0e1000000000", 4, 2, Some(0)),
            ("0.000e-99999999999999999999", 4, 2, Some(0)),
            ("00012.340000", 4, 2, Some(1234)),
            (
                "99999999999999999999999999999999999999",
                38,
                0,
                Some(99_999_999_999_999_999_999_999_999_999_999_999_999),
            ),
            ("99999999999999999999999999999999999999.5", 38, 0, None),
            ("100000000000000000000000000000000000000", 38, 0, None),
            ("", 4, 2, None),
            (".", 4, 2, None),
            ("-", 4, 2, None),
            ("1e", 4, 2, None),
            ("1e1.5", 4, 2, None),
            ("1.2.3", 4, 2, None),
            ("1 2", 4, 2, None),
            ("٣", 4, 2, None),
            ("NaN", 4, 2, None),
        ] {
            assert_eq!(decimal_of_text(text, precision, scale), value, "{text}");
        }
    }
}
