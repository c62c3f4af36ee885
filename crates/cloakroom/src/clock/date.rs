//! Formats and parses instants: ISO 8601 in a record, IMF-fixdate in a header; both as JavaScript's `Date`
//! prints them.
//!
//! JavaScript's years run from -271821 to 275760, further than any date library here goes, so the
//! civil calendar is computed in place (proleptic Gregorian, days counted from 1970-01-01).

use std::fmt::Write as _;

use super::Timestamp;

const DAY: i64 = 86_400_000;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl Timestamp {
    /// Appends `2026-01-02T03:04:05.678Z` (ECMA-262, 21.4.1.32), as `JSON.stringify` prints a `Date`.
    pub(crate) fn write_iso(self, out: &mut String) {
        let civil = Civil::from(self);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        put(&mut text[5..7], civil.month);
        put(&mut text[8..10], civil.day);
        put(&mut text[11..13], civil.hour);
        put(&mut text[14..16], civil.minute);
        put(&mut text[17..19], civil.second);
        put(&mut text[20..23], civil.milli);
        if let year @ 0..=9999 = civil.year {
            put(&mut text[..4], year);
            out.push_str(ascii(&text));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "{:+07}{}", civil.year, ascii(&text[4..]));
        }
    }

    /// Appends `Fri, 02 Jan 2026 03:04:05 GMT` (RFC 9110 §5.6.7); milliseconds are cut off.
    pub(crate) fn write_imf(self, out: &mut String) {
        let civil = Civil::from(self);
        let mut text = *b"Thu, 00 Jan 0000 00:00:00 GMT";
        text[..3].copy_from_slice(civil.weekday().as_bytes());
        put(&mut text[5..7], civil.day);
        text[8..11].copy_from_slice(civil.month_name().as_bytes());
        put(&mut text[17..19], civil.hour);
        put(&mut text[20..22], civil.minute);
        put(&mut text[23..25], civil.second);
        if let year @ 0..=9999 = civil.year {
            put(&mut text[12..16], year);
            out.push_str(ascii(&text));
        } else {
            let (date, time) = (ascii(&text[..12]), ascii(&text[16..]));
            let (sign, year) = (if civil.year < 0 { "-" } else { "" }, civil.year.abs());
            // Writing to a String cannot fail.
            let _ = write!(out, "{date}{sign}{year:04}{time}");
        }
    }

    /// Parses the output of [`Timestamp::write_iso`]; `None` for anything else.
    pub(crate) fn parse_iso(text: &str) -> Option<Self> {
        let (year, rest) = split_year(text)?;
        let rest = rest.strip_suffix('Z')?;
        let bytes = rest.as_bytes();
        let punctuated = bytes.len() == 19
            && [
                (0, b'-'),
                (3, b'-'),
                (6, b'T'),
                (9, b':'),
                (12, b':'),
                (15, b'.'),
            ]
            .iter()
            .all(|&(at, byte)| bytes[at] == byte);
        if !punctuated {
            return None;
        }
        let number = |from: usize, to: usize| digits(&rest[from..to]);
        let (month, day) = (number(1, 3)?, number(4, 6)?);
        let (hour, minute, second) = (number(7, 9)?, number(10, 12)?, number(13, 15)?);
        let milli = number(16, 19)?;
        let in_range = (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        let time = ((hour * 60 + minute) * 60 + second) * 1000 + milli;
        in_range.then(|| Self::checked(days_from_civil(year, month, day) * DAY + time))?
    }
}

impl Timestamp {
    /// Parses the forms of ISO 8601 that `Date.parse` accepts (ECMA-262, 21.4.1.32) and that denote an
    /// instant: a date, in UTC, or date and time with `Z` or an offset. `None` for anything else, including a
    /// time without either, which is another instant on each server.
    pub(crate) fn parse_date(text: &str) -> Option<Self> {
        if let Some(at) = Self::parse_iso(text)
            && !text.starts_with("-000000")
        {
            return Some(at);
        }
        let (year, rest) = split_year(text)?;
        let (date, time) = match rest.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (rest, None),
        };
        let (month, day) = month_and_day(date)?;
        let in_range = (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && !text.starts_with("-000000");
        let millis = time.map_or(Some(0), millis_of_day)?;
        in_range.then(|| Self::checked(days_from_civil(year, month, day) * DAY + millis))?
    }
}

/// Parses `-MM-DD`, `-MM` or nothing, the beginning of the year.
fn month_and_day(text: &str) -> Option<(i64, i64)> {
    if text.is_empty() {
        return Some((1, 1));
    }
    let (month, rest) = two_digits(text.strip_prefix('-')?)?;
    if rest.is_empty() {
        return Some((month, 1));
    }
    let (day, rest) = two_digits(rest.strip_prefix('-')?)?;
    rest.is_empty().then_some((month, day))
}

/// Parses `HH:MM`, `HH:MM:SS` or `HH:MM:SS.` with digits, and `Z` or an offset; 24:00 is the day's end.
fn millis_of_day(text: &str) -> Option<i64> {
    let (hour, rest) = two_digits(text)?;
    let (minute, mut rest) = two_digits(rest.strip_prefix(':')?)?;
    let (mut second, mut milli) = (0, 0);
    if let Some(seconds) = rest.strip_prefix(':') {
        (second, rest) = two_digits(seconds)?;
        if let Some(fraction) = rest.strip_prefix('.') {
            (milli, rest) = thousandths(fraction)?;
        }
    }
    let time = ((hour * 60 + minute) * 60 + second) * 1000 + milli;
    let in_range = minute < 60 && second < 60 && time <= DAY;
    in_range.then_some(time - offset(rest)?)
}

/// Returns the first three digits of a fraction, and the rest after all of its digits.
fn thousandths(text: &str) -> Option<(i64, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, rest) = text.split_at(length);
    let kept = &fraction[..length.min(3)];
    let scale = [1000, 100, 10, 1][kept.len()];
    (length > 0).then_some((digits(kept)? * scale, rest))
}

/// Parses an offset, as milliseconds ahead of UTC.
fn offset(text: &str) -> Option<i64> {
    let (sign, text) = match text.as_bytes().first()? {
        b'Z' => return (text == "Z").then_some(0),
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, rest) = two_digits(text)?;
    let (minutes, rest) = two_digits(rest.strip_prefix(':')?)?;
    let in_range = rest.is_empty() && hours < 24 && minutes < 60;
    in_range.then_some(sign * (hours * 60 + minutes) * 60_000)
}

fn two_digits(text: &str) -> Option<(i64, &str)> {
    let (two, rest) = text.split_at_checked(2)?;
    Some((digits(two)?, rest))
}

/// Writes the last digits of a number that is not negative into all of `place`.
fn put(place: &mut [u8], mut number: i64) {
    for digit in place.iter_mut().rev() {
        let last = u8::try_from(number % 10);
        *digit = b'0' + last.expect("a digit");
        number /= 10;
    }
}

/// Returns bytes of digits, letters and signs as text.
fn ascii(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

/// The parts of an instant, in UTC.
#[derive(Clone, Copy)]
struct Civil {
    days: i64,
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    milli: i64,
}

impl Civil {
    fn weekday(&self) -> &'static str {
        WEEKDAYS[usize::try_from(self.days.rem_euclid(7)).unwrap_or(0)]
    }

    fn month_name(&self) -> &'static str {
        MONTHS[usize::try_from(self.month - 1).unwrap_or(0)]
    }
}

impl From<Timestamp> for Civil {
    fn from(timestamp: Timestamp) -> Self {
        let millis = timestamp.as_millis();
        let (days, time) = (millis.div_euclid(DAY), millis.rem_euclid(DAY));
        let (year, month, day) = civil_from_days(days);
        let (hour, minute) = (time / 3_600_000, time / 60_000 % 60);
        Self {
            days,
            year,
            month,
            day,
            hour,
            minute,
            second: time / 1000 % 60,
            milli: time % 1000,
        }
    }
}

/// Splits off a year of four digits, or of six with a sign (ECMA-262, 21.4.1.32.1).
fn split_year(text: &str) -> Option<(i64, &str)> {
    let (sign, width, unsigned) = match text.as_bytes().first()? {
        b'+' => (1, 6, &text[1..]),
        b'-' => (-1, 6, &text[1..]),
        _ => (1, 4, text),
    };
    let (year, rest) = unsigned.split_at_checked(width)?;
    Some((sign * digits(year)?, rest))
}

fn digits(text: &str) -> Option<i64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

// The two conversions count years from March, so that a leap day is the last of its year:
// https://howardhinnant.github.io/date_algorithms.html
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let of_year = day_of_era - (365 * of_era + of_era / 4 - of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (of_era + era * 400 + i64::from(month <= 2), month, day)
}
