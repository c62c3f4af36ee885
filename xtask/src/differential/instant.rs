//! The two spellings of an instant on the wire, read into numbers that can be compared.

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Reads `2026-01-02T03:04:05.678Z` as milliseconds since 1970.
pub(super) fn iso_millis(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (clock, millis) = time.split_once('.')?;
    Some(seconds([year, month, day], clock)? * 1000 + millis.parse::<i64>().ok()?)
}

/// Reads `Fri, 02 Jan 2026 03:04:05 GMT` (RFC 9110 §5.6.7) as seconds since 1970.
pub(super) fn http_seconds(text: &str) -> Option<i64> {
    let mut words = text.split_once(", ")?.1.strip_suffix(" GMT")?.split(' ');
    let (day, name, year, clock) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = i64::try_from(MONTHS.iter().position(|month| *month == name)?).ok()? + 1;
    seconds([year.parse().ok()?, month, day.parse().ok()?], clock)
}

fn seconds([year, month, day]: [i64; 3], clock: &str) -> Option<i64> {
    let [hour, minute, second] = numbers(clock, ':')?;
    Some(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days since 1970 in the Gregorian calendar, years counted from March so that leap days come last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 719_469
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let parts: Option<Vec<i64>> = text
        .split(separator)
        .map(|part| part.parse().ok())
        .collect();
    parts?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_the_same_instant() {
        assert_eq!(iso_millis("1970-01-01T00:00:00.000Z"), Some(0));
        assert_eq!(http_seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(
            iso_millis("2000-02-29T12:30:15.250Z"),
            Some(951_827_415_250)
        );
        assert_eq!(
            http_seconds("Tue, 29 Feb 2000 12:30:15 GMT"),
            Some(951_827_415)
        );
        assert_eq!(
            http_seconds("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(784_111_777)
        );
    }

    #[test]
    fn other_text_is_no_instant() {
        for text in [
            "",
            "2000-02-29",
            "Z",
            "Tue, 29 Feb 2000",
            "Tue, 29 Fev 2000 12:30:15 GMT",
        ] {
            assert_eq!(
                (iso_millis(text), http_seconds(text)),
                (None, None),
                "{text}"
            );
        }
    }
}
