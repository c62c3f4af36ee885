//! The time in statements: the server's, so that no process's own clock decides for the others who is over.
//!
//! An instant that a process names is taken as so long from its own now, which goes with it, and one that
//! it is told likewise. Clocks that differ by less than a second, the unit of the column `expire`, count as one.

/// Milliseconds by which two clocks may differ and count as one.
const AS_ONE: u32 = 1000;

/// The expressions of a statement that was told, in one of its parameters, what time it is in the process.
#[derive(Clone, Debug)]
pub(super) struct ServerTime {
    /// Milliseconds since 1970, as all of them.
    now: String,
    /// The difference to add to an instant of the process.
    skew: String,
}

impl ServerTime {
    /// For a statement whose `parameter` is the process's now; where that `is_set` by a test it is the
    /// server's as well.
    pub(super) fn told(parameter: &str, is_set: bool) -> Self {
        let own = format!("{parameter}::int8");
        if is_set {
            return Self {
                now: own,
                skew: "0".to_owned(),
            };
        }
        // It is never null: the parameter has to be named in each statement that takes it.
        let now = format!("coalesce((date_part('epoch', now()) * 1000)::int8, {own})");
        let skew =
            format!("(CASE WHEN abs({now} - {own}) < {AS_ONE} THEN 0 ELSE {now} - {own} END)");
        Self { now, skew }
    }

    /// The next whole second, by which a row is over: connect-pg-simple rounds so.
    pub(super) fn second(&self) -> String {
        format!("to_timestamp((({} + 999) / 1000)::float8)", self.now)
    }

    /// The instant itself, and so many milliseconds after it.
    pub(super) fn after(&self, millis: u128) -> String {
        format!("to_timestamp(({} + {millis})::float8 / 1000)", self.now)
    }

    /// Seconds since 1970 of an instant that the process names in a parameter, rounded up.
    pub(super) fn seconds_of(&self, parameter: &str) -> String {
        format!("(({parameter}::int8 + {} + 999) / 1000)::float8", self.skew)
    }

    /// Returns the expiry of a row, in milliseconds of the process's clock.
    pub(super) fn expires(&self) -> String {
        format!(
            "date_part('epoch', s.expire::timestamptz) * 1000 - {}",
            self.skew
        )
    }
}
