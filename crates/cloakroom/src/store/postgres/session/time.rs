//! The time in statements: the server's, so that no process's own clock decides expiry for the others.
//!
//! An instant of a process is converted by its distance from the process's now, which is sent along, and so
//! is one that is returned. Clocks that differ by less than a second, the unit of the column `expire`, count
//! as one.

/// Milliseconds by which two clocks may differ and count as one.
const AS_ONE: u32 = 1000;

/// The expressions of a statement, one of whose parameters is the process's now.
#[derive(Clone, Debug)]
pub(crate) struct ServerTime {
    /// Milliseconds since 1970, as in all expressions.
    now: String,
    /// The difference to add to an instant of the process.
    skew: String,
}

impl ServerTime {
    /// Writes them for a statement whose `parameter` is the process's now; if that `is_set` by a test it is
    /// the server's as well.
    pub(crate) fn told(parameter: &str, is_set: bool) -> Self {
        let own = format!("{parameter}::int8");
        if is_set {
            return Self {
                now: own,
                skew: "0".to_owned(),
            };
        }
        // It is never null: the parameter must occur in each statement that takes it.
        let now = format!("coalesce((date_part('epoch', now()) * 1000)::int8, {own})");
        let skew =
            format!("(CASE WHEN abs({now} - {own}) < {AS_ONE} THEN 0 ELSE {now} - {own} END)");
        Self { now, skew }
    }

    /// Returns the next whole second, which decides expiry: connect-pg-simple rounds so.
    pub(crate) fn second(&self) -> String {
        format!("to_timestamp((({} + 999) / 1000)::float8)", self.now)
    }

    /// Returns the instant itself, and so many milliseconds after it.
    pub(crate) fn after(&self, millis: u128) -> String {
        format!("to_timestamp(({} + {millis})::float8 / 1000)", self.now)
    }

    /// Returns the seconds since 1970 of an instant in a parameter, rounded up.
    pub(crate) fn seconds_of(&self, parameter: &str) -> String {
        format!("(({parameter}::int8 + {} + 999) / 1000)::float8", self.skew)
    }

    /// Returns the expiry of a row, in milliseconds of the process's clock.
    pub(crate) fn expires(&self) -> String {
        format!(
            "date_part('epoch', s.expire::timestamptz) * 1000 - {}",
            self.skew
        )
    }
}
