//! Attempts to log in that wait for their turn.

use std::net::IpAddr;
use std::time::Duration;

use crate::auth::{Attempt, Attempts, TooManyAttempts};

/// Time for which an attempt waits for its turn: longer than a password check takes, shorter than clients
/// wait.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

impl Attempts {
    /// Begins an attempt at an account, whether it exists or not, from an address, if that is known: waits
    /// for the attempts before it, at most ten seconds, and counts it.
    ///
    /// Call it before the password is checked. An attempt that the address may not make does not count for
    /// the account.
    ///
    /// # Errors
    ///
    /// [`TooManyAttempts`]: 429, with `Retry-After`.
    pub async fn begin(
        &self,
        account: &str,
        address: Option<IpAddr>,
    ) -> Result<Attempt, TooManyAttempts> {
        let begun = self.begin_untold(account, address).await;
        if let Err(refused) = &begun {
            self.tell_throttled(account, address, *refused);
        }
        begun
    }

    async fn begin_untold(
        &self,
        account: &str,
        address: Option<IpAddr>,
    ) -> Result<Attempt, TooManyAttempts> {
        if let Some(address) = address {
            self.count(address)?;
        }
        let turn = self.turns_of(account).take(LONGEST_WAIT).await;
        self.admit(turn)
    }
}
