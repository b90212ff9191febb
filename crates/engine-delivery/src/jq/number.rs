//! Numbers as text, as jq 1.6 writes and reads them.

use std::fmt::Write;

/// The shortest digits that read back as the same double, with an exponent where jq 1.6 has one. What is no number is
/// null, and what is infinite the largest number.
pub(super) fn write(number: f64, out: &mut String) {
    if number.is_nan() {
        out.push_str("null");
        return;
    }
    let number = number.clamp(-f64::MAX, f64::MAX);
    if number.is_sign_negative() {
        out.push('-');
    }
    if number == 0.0 {
        out.push('0');
        return;
    }
    let scientific = shortest(number.abs());
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = digits.chars().filter(|digit| *digit != '.').collect();
    // Where the point stands, counted from before the first digit.
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let length = digits.len() as i32;
    if point <= -4 || point > length + 15 {
        let (first, rest) = digits.split_at(1);
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        let exponent = point - 1;
        let sign = if exponent < 0 { '-' } else { '+' };
        // Writing to a String does not fail.
        let _ = write!(out, "e{sign}{:02}", exponent.abs());
    } else if point <= 0 {
        out.push_str("0.");
        (point..0).for_each(|_| out.push('0'));
        out.push_str(&digits);
    } else if point >= length {
        out.push_str(&digits);
        (length..point).for_each(|_| out.push('0'));
    } else {
        let (whole, rest) = digits.split_at(point as usize);
        out.push_str(whole);
        out.push('.');
        out.push_str(rest);
    }
}

/// The shortest digits that read back as the same double, those nearest to it; of two as near the even ones.
fn shortest(number: f64) -> String {
    let shortest = format!("{number:e}");
    let digits = shortest
        .bytes()
        .take_while(|byte| *byte != b'e')
        .filter(u8::is_ascii_digit)
        .count();
    let rounded = format!("{number:.*e}", digits - 1);
    match rounded.parse::<f64>() {
        Ok(read) if read == number => rounded,
        _ => shortest,
    }
}

/// A number as `strtod` takes it, sign, digits, point and exponent, where it takes all of the text. One digit must be
/// there, before or behind the point. What is infinite and what is no number have their names.
pub(super) fn parse(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if ["nan", "inf", "infinity"]
        .iter()
        .any(|name| digits.eq_ignore_ascii_case(name))
    {
        return text.parse().ok();
    }
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let (whole, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && rest.is_empty()) || !all_digits(whole) || !all_digits(rest) {
        return None;
    }
    if let Some(exponent) = exponent {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if exponent.is_empty() || !all_digits(exponent) {
            return None;
        }
    }
    text.parse().ok()
}
