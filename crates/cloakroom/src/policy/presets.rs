//! Time-outs of a standard (NIST SP 800-63B-4 §2).

use std::time::Duration;

use super::PolicyBuilder;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

impl PolicyBuilder {
    /// Sets the time-outs of authentication assurance level 1: 30 days in all, no shorter idle time-out (NIST
    /// SP 800-63B-4 §2.1.3).
    pub fn aal1(self) -> Self {
        self.idle_timeout(30 * 24 * HOUR)
            .absolute_timeout(30 * 24 * HOUR)
    }

    /// Sets those of level 2: 24 hours in all, 1 hour idle (§2.2.3).
    pub fn aal2(self) -> Self {
        self.idle_timeout(HOUR).absolute_timeout(24 * HOUR)
    }

    /// Sets those of level 3: 12 hours in all, 15 minutes idle (§2.3.3).
    pub fn aal3(self) -> Self {
        self.idle_timeout(15 * MINUTE).absolute_timeout(12 * HOUR)
    }
}
