//! Lengths of time as people say them.

use std::time::Duration;

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

fn rounded(seconds: u64, unit: u64) -> u64 {
    (seconds + unit / 2) / unit
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::in_words;

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
