//! Times formatted for people: durations and instants.

use std::time::{Duration, SystemTime};

/// A length of time in its largest fitting unit: `4 minutes`.
pub(super) fn in_words(length: Duration) -> String {
    let seconds = length.as_secs();
    let (number, unit) = match seconds {
        0..=29 => return "less than a minute".to_owned(),
        30..=5_399 => (rounded(seconds, 60), "minute"),
        5_400..=171_000 => (rounded(seconds, 3_600), "hour"),
        _ => (rounded(seconds, 86_400), "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

/// Returns how long it is until an instant: `in 4 seconds`, `in 30 minutes`. `times.js` says the same.
pub(super) fn until(left: Duration) -> String {
    match left.as_secs() {
        0 => "now".to_owned(),
        1 => "in 1 second".to_owned(),
        seconds @ 2..=89 => format!("in {seconds} seconds"),
        _ => format!("in {}", in_words(left)),
    }
}

/// An instant for programs and for people, in UTC: a page that has no script cannot know where its
/// reader is.
pub(super) struct Instant {
    /// `2026-11-30T03:40:00.000Z`, for `<time datetime>`.
    pub(super) machine: String,
    /// `30 November 2026, 03:40:00 UTC`.
    pub(super) people: String,
}

impl From<SystemTime> for Instant {
    fn from(instant: SystemTime) -> Self {
        let machine = humantime::format_rfc3339_millis(instant).to_string();
        let people = people(&machine).unwrap_or_else(|| machine.clone());
        Self { machine, people }
    }
}

/// Formats an RFC 3339 instant of the years 0 to 9999 for people.
fn people(machine: &str) -> Option<String> {
    const MONTHS: [&str; 12] = [
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
    let (date, time) = machine.strip_suffix('Z')?.split_once('T')?;
    let time = time.split('.').next()?;
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    let month = MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?)?;
    let day = day.trim_start_matches('0');
    Some(format!("{day} {month} {year}, {time} UTC"))
}

fn rounded(seconds: u64, unit: u64) -> u64 {
    (seconds + unit / 2) / unit
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Instant, in_words, until};

    #[test]
    fn the_last_minute_is_counted_in_seconds() {
        #[rustfmt::skip]
        let table = [
            (0,      "now"),
            (1,      "in 1 second"),
            (4,      "in 4 seconds"),
            (89,     "in 89 seconds"),
            (90,     "in 2 minutes"),
            (1_800,  "in 30 minutes"),
            (86_400, "in 24 hours"),
        ];
        for (seconds, words) in table {
            assert_eq!(until(Duration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn an_instant_is_formatted_in_utc() {
        let at = |seconds| Instant::from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let instant = at(1_767_323_045);
        assert_eq!(instant.machine, "2026-01-02T03:04:05.000Z");
        assert_eq!(instant.people, "2 January 2026, 03:04:05 UTC");
        assert_eq!(at(1_796_083_199).people, "30 November 2026, 23:59:59 UTC");
    }

    #[test]
    fn the_largest_fitting_unit_is_named() {
        #[rustfmt::skip]
        let table = [
            (0,       "less than a minute"),
            (30,      "1 minute"),
            (89,      "1 minute"),
            (1_799,   "30 minutes"),
            (5_369,   "89 minutes"),
            (5_400,   "2 hours"),
            (86_399,  "24 hours"),
            (172_800, "2 days"),
        ];
        for (seconds, words) in table {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
