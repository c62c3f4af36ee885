//! Numbers, times and names as the pages write them.

use std::time::{Duration, SystemTime};

use maud::{Markup, html};

/// Returns a number with its thousands apart: `12,345`.
pub(crate) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a number with its noun: `1 session`, `2 sessions`.
pub(crate) fn sessions(count: u64) -> String {
    format!(
        "{} session{}",
        number(count),
        if count == 1 { "" } else { "s" }
    )
}

/// Returns a length of time in its largest unit: `4 min`.
pub(crate) fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Returns a length of time that may be less than a second.
pub(crate) fn short(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        length(time)
    }
}

/// Returns the age of a figure in words: `just now`, `12 s ago`.
pub(crate) fn age(at: SystemTime, now: SystemTime) -> String {
    match now.duration_since(at).unwrap_or_default() {
        age if age < Duration::from_secs(2) => "just now".to_owned(),
        age => format!("{} ago", length(age)),
    }
}

/// Returns an instant in the past as `4 min ago`, with the time itself for whoever asks.
pub(crate) fn ago(at: Option<SystemTime>, now: SystemTime) -> Markup {
    html! {
        @match at {
            Some(at) => { (stamp(at, &age(at, now))) }
            None => { span.unknown title="The record does not say" { "unknown" } }
        }
    }
}

/// Returns an instant in the future as `in 26 min`.
pub(crate) fn until(at: SystemTime, now: SystemTime) -> Markup {
    match at.duration_since(now) {
        // A session without an end has one in the year 9999.
        Ok(left) if left > Duration::from_hours(24 * 365 * 100) => html! { "never" },
        Ok(left) => stamp(at, &format!("in {}", length(left))),
        Err(_) => html! { span.unknown { "unknown" } },
    }
}

fn stamp(at: SystemTime, words: &str) -> Markup {
    let exact = humantime::format_rfc3339_seconds(at).to_string();
    html! { time datetime=(exact) title=(exact) { (words) } }
}

/// Returns a size in bytes: `412 B`, `1.2 KiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", tenths(1024)),
        _ => format!("{} MiB", tenths(1_048_576)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{age, bytes, length, number, sessions, until};

    #[test]
    fn numbers_have_their_thousands_apart() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(number(count), text);
        }
        assert_eq!(
            (sessions(1), sessions(2)),
            ("1 session".to_owned(), "2 sessions".to_owned())
        );
    }

    #[test]
    fn times_and_sizes_have_one_unit() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (7200, "2 h"),
            (172_800, "2 days"),
        ] {
            assert_eq!(length(Duration::from_secs(seconds)), text);
        }
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (3 << 20, "3.0 MiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        let now = SystemTime::now();
        assert_eq!(age(now + Duration::from_secs(5), now), "just now");
        assert!(
            until(now + Duration::from_mins(5), now)
                .into_string()
                .contains(">in 5 min<")
        );
        assert_eq!(
            until(now + Duration::from_hours(24 * 365 * 5_000), now).into_string(),
            "never"
        );
    }
}
