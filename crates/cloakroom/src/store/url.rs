//! The parameter of a store's URL that sets up a near cache; the rest of the URL is the store's own.

use std::borrow::Cow;
use std::time::Duration;

use super::ConnectError;

/// Returns the URL without its `near=…`, and the bound on the age of reads.
pub(super) fn split_near(url: &str) -> Result<(Cow<'_, str>, Option<Duration>), ConnectError> {
    let Some((front, query)) = url.rsplit_once('?') else {
        return Ok((url.into(), None));
    };
    let is_near = |parameter: &&str| *parameter == "near" || parameter.starts_with("near=");
    let (near, rest): (Vec<&str>, Vec<&str>) = query.split('&').partition(is_near);
    let staleness = match near[..] {
        [] => return Ok((url.into(), None)),
        [one] => one.strip_prefix("near=").and_then(duration),
        _ => None,
    };
    let staleness = staleness.ok_or(ConnectError::Near)?;
    let url = if rest.is_empty() {
        front.into()
    } else {
        format!("{front}?{}", rest.join("&")).into()
    };
    Ok((url, Some(staleness)))
}

/// Parses a duration: `1s`, `500ms`, whole numbers above zero.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    // `parse` would accept a sign, too.
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse::<u32>().ok().filter(|number| *number > 0)?;
    match &text[digits.len()..] {
        "s" => Some(Duration::from_secs(number.into())),
        "ms" => Some(Duration::from_millis(number.into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_split_off_and_the_rest_is_left() {
        #[rustfmt::skip]
        let table = [ // URL,                          without it,                     milliseconds
            ("redis://h/0?near=1s",                    "redis://h/0",                  Some(1_000)),
            ("redis://h/0",                            "redis://h/0",                  None),
            ("redis://h?protocol=resp3",               "redis://h?protocol=resp3",     None),
            ("redis://h?nearer=1s",                    "redis://h?nearer=1s",          None),
            ("redis+unix:/run/r.sock?db=2&near=250ms", "redis+unix:/run/r.sock?db=2",  Some(250)),
            ("redis+cluster://a:1,b:2?near=2s",        "redis+cluster://a:1,b:2",      Some(2_000)),
            ("redis+sentinel://a:1/name/5?near=1s",    "redis+sentinel://a:1/name/5",  Some(1_000)),
            ("postgres://u@h/d?near=500ms&a=b",        "postgres://u@h/d?a=b",         Some(500)),
            ("mongodb://h/d?w=1&near=1s&tls=true",     "mongodb://h/d?w=1&tls=true",   Some(1_000)),
            ("memory:?near=1s",                        "memory:",                      Some(1_000)),
            ("sqlite:what?.db",                        "sqlite:what?.db",              None),
            ("",                                       "",                             None),
        ];
        for (url, without, millis) in table {
            let found = split_near(url).unwrap();
            let expected = (without.into(), millis.map(Duration::from_millis));
            assert_eq!(found, expected, "{url}");
        }
    }

    #[test]
    fn invalid_duration_is_refused_without_being_repeated() {
        #[rustfmt::skip]
        let values = [
            "near", "near=", "near=1", "near=s", "near=0s", "near=-1s", "near=+1s", "near=1.5s", "near=1m",
            "near=1 s", "near=1S", "near=99999999999s", "near=\u{661}s", "near=1s\u{301}", "near=1s&near=2s",
            "near=hunter2",
        ];
        for value in values {
            let error = split_near(&format!("redis://h?db=1&{value}")).unwrap_err();
            assert!(matches!(error, ConnectError::Near), "{value}");
            let text = error.to_string();
            assert!(
                text.contains("near=500ms") && !text.contains("hunter2"),
                "{text}"
            );
        }
    }
}
