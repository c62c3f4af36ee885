//! Time-outs of sessions: three flags, checked against each other.

use std::time::Duration;

use cloakroom::policy::PolicyBuilder;
use humantime::format_duration;

use crate::problem::Problem;

/// The library's own idle time-out.
const IDLE: Duration = Duration::from_mins(30);
/// The library's own absolute time-out.
const ABSOLUTE: Duration = Duration::from_hours(24);
/// Whole seconds are what `Max-Age` can say.
const LEAST: Duration = Duration::from_secs(1);
/// Longest lifetime of a cookie in a browser (RFC 6265bis §5.5).
const MOST: Duration = Duration::from_hours(400 * 24);

/// The time-outs that were typed; the others are the library's.
#[derive(Clone, Copy, Default, clap::Args)]
pub(super) struct Timeouts {
    /// Time that a session may go unused: 4s, 30m, 24h [default: 30m]
    #[arg(long = "idle-timeout", value_name = "TIME", value_parser = length)]
    idle: Option<Duration>,

    /// Longest lifetime of a session, however much it is used [default: 24h]
    #[arg(long = "absolute-timeout", value_name = "TIME", value_parser = length)]
    absolute: Option<Duration>,

    /// The age at which a session's id is changed without a login [default: never]
    #[arg(long = "renewal-timeout", value_name = "TIME", value_parser = length)]
    renewal: Option<Duration>,
}

impl Timeouts {
    /// Sets what was typed, if it goes together.
    pub(super) fn apply(self, mut builder: PolicyBuilder) -> Result<PolicyBuilder, Problem> {
        if let Some(contradiction) = self.contradiction() {
            return Err(Problem::usage(contradiction));
        }
        if let Some(idle) = self.idle {
            builder = builder.idle_timeout(idle);
        }
        if let Some(absolute) = self.absolute {
            builder = builder.absolute_timeout(absolute);
        }
        if let Some(renewal) = self.renewal {
            builder = builder.renewal_timeout(renewal);
        }
        Ok(builder)
    }

    /// Says what to change where a session would end before it could be idle for so long.
    fn contradiction(self) -> Option<String> {
        let idle = self.idle.unwrap_or(IDLE);
        let absolute = self.absolute.unwrap_or(ABSOLUTE);
        if absolute >= idle {
            return None;
        }
        let (idle, absolute) = (format_duration(idle), format_duration(absolute));
        Some(match (self.idle, self.absolute) {
            (Some(_), None) => format!(
                "--idle-timeout {idle} is longer than sessions last, {absolute}: \
                 give --absolute-timeout {idle} or more as well"
            ),
            (None, _) => format!(
                "--absolute-timeout {absolute} is shorter than the idle time-out, {idle}: \
                 give --idle-timeout {absolute} or less as well"
            ),
            _ => format!(
                "--absolute-timeout {absolute} is shorter than --idle-timeout {idle}: \
                 raise the first or lower the second"
            ),
        })
    }
}

fn length(text: &str) -> Result<Duration, &'static str> {
    let length = humantime::parse_duration(text)
        .map_err(|_| "give a number with its unit, such as 4s, 30m or 24h")?;
    if length < LEAST {
        return Err("give a second or more, such as 4s, 30m or 24h");
    }
    if length > MOST {
        return Err("give 400 days or less: no browser keeps a cookie longer");
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cloakroom::{KeyRing, Policy};

    use super::{ABSOLUTE, IDLE, Timeouts, length};

    fn typed(idle: &str, absolute: &str) -> Timeouts {
        let of = |text: &str| (!text.is_empty()).then(|| length(text).unwrap());
        Timeouts {
            idle: of(idle),
            absolute: of(absolute),
            renewal: None,
        }
    }

    #[test]
    fn a_length_has_a_number_and_a_unit() {
        #[rustfmt::skip]
        let table = [
            ("4s",      Ok(4)),
            ("30m",     Ok(30 * 60)),
            ("24h",     Ok(24 * 3_600)),
            ("1h 30m",  Ok(90 * 60)),
            ("400days", Ok(400 * 86_400)),
            ("1s",      Ok(1)),
            ("999ms",   Err("a second or more")),
            ("0s",      Err("a second or more")),
            ("401days", Err("400 days or less")),
            ("30",      Err("with its unit")),
            ("",        Err("with its unit")),
            ("-4s",     Err("with its unit")),
            ("soon",    Err("with its unit")),
            ("99999999999999999999s", Err("with its unit")),
        ];
        for (text, expected) in table {
            match (length(text), expected) {
                (Ok(length), Ok(seconds)) => assert_eq!(length, Duration::from_secs(seconds)),
                (Err(said), Err(part)) => assert!(said.contains(part), "{text}: {said}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn contradictory_timeouts_are_refused_with_advice() {
        #[rustfmt::skip]
        let table = [
            ("",    "",    None),
            ("4s",  "30s", None),
            ("4s",  "4s",  None),
            ("24h", "",    None),
            ("",    "30m", None),
            ("4s",  "2s",  Some("raise the first or lower the second")),
            ("48h", "",    Some("give --absolute-timeout 2days or more as well")),
            ("",    "10m", Some("give --idle-timeout 10m or less as well")),
        ];
        for (idle, absolute, cure) in table {
            let found = typed(idle, absolute).contradiction();
            let is_right = match (&found, cure) {
                (Some(found), Some(cure)) => found.ends_with(cure) && !found.contains('\n'),
                (found, cure) => found.is_none() && cure.is_none(),
            };
            assert!(is_right, "{idle} {absolute}: {found:?}");
        }
    }

    #[test]
    fn the_defaults_are_the_librarys() {
        let builder =
            || Policy::builder(KeyRing::new("the secret of these tests, long enough").unwrap());
        assert!(builder().idle_timeout(ABSOLUTE).build().is_ok());
        let longer = ABSOLUTE + Duration::from_secs(1);
        assert!(builder().idle_timeout(longer).build().is_err());
        assert!(builder().absolute_timeout(IDLE).build().is_ok());
        let shorter = IDLE.saturating_sub(Duration::from_secs(1));
        assert!(builder().absolute_timeout(shorter).build().is_err());
    }
}
