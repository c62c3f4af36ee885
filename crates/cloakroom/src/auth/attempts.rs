//! How many logins may be tried: for each account, and from each address.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use crate::clock::{Clock, Timestamp};

/// After so many attempts, those that no longer count are forgotten.
const TIDY_AFTER: u32 = 1024;

/// Bounds attempts to sign in, so that passwords cannot be tried one after the other.
///
/// Each attempt counts, whether it succeeds or not: of many that come at once, none is free. By
/// default an account has 10 at a time and one more each minute, which leaves a guesser 1,450 a day;
/// an address has 30 at a time and one more every two seconds, because offices share one. An IPv6
/// network of 64 bits counts as one address. Each process counts for itself.
///
/// # Security
///
/// Whoever knows an account's name can use up its attempts. Its sessions go on; only new logins wait.
///
/// ```
/// use cloakroom::auth::Attempts;
///
/// # async fn verify(_: &str, _: &str) -> bool { true }
/// # async fn f(attempts: Attempts, session: cloakroom::Session, name: &str, password: &str)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// attempts.check(name, session.address())?; // 429 with Retry-After
/// if verify(name, password).await {
///     session.login(name).await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Attempts(Arc<Limits>);

struct Limits {
    accounts: Limiter,
    addresses: Limiter,
    time: Time,
    hash: RandomState,
    since_tidied: AtomicU32,
}

type Limiter = RateLimiter<u64, DefaultKeyedStateStore<u64>, Time, NoOpMiddleware<Nanos>>;

/// Why a login must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts: try again in {} seconds", self.seconds())]
#[non_exhaustive]
pub struct TooManyAttempts {
    /// How long until another attempt is allowed.
    pub retry_after: Duration,
}

impl TooManyAttempts {
    /// The same in whole seconds, rounded up, as `Retry-After` says it (RFC 9110 §10.2.3).
    pub fn seconds(&self) -> u64 {
        let begun = u64::from(self.retry_after.subsec_nanos() > 0);
        (self.retry_after.as_secs() + begun).max(1)
    }
}

impl Attempts {
    /// With the bounds above.
    pub fn new() -> Self {
        Self::with(
            (10, Duration::from_mins(1)),
            (30, Duration::from_secs(2)),
            Clock::System,
        )
    }

    /// With other bounds, for each account and from each address: so many at a time, and one more
    /// each time that the duration has passed. Zero counts as one, and no time at all as one
    /// nanosecond.
    pub fn with(
        account: (u32, Duration),
        address: (u32, Duration),
        clock: impl Into<Clock>,
    ) -> Self {
        let time = Time::of(clock.into());
        let limiter = |bound| {
            RateLimiter::new(
                quota(bound),
                DefaultKeyedStateStore::default(),
                time.clone(),
            )
        };
        Self(Arc::new(Limits {
            accounts: limiter(account),
            addresses: limiter(address),
            time: time.clone(),
            hash: RandomState::new(),
            since_tidied: AtomicU32::new(0),
        }))
    }

    /// Counts an attempt at an account, whether it exists or not, from an address, if that is known.
    ///
    /// Call it before the password is looked at. An attempt that the address may not make does not
    /// count for the account.
    ///
    /// # Errors
    ///
    /// [`TooManyAttempts`]: 429, with `Retry-After`.
    pub fn check(&self, account: &str, address: Option<IpAddr>) -> Result<(), TooManyAttempts> {
        self.tidy();
        let limits = &self.0;
        if let Some(address) = address {
            limits.count(&limits.addresses, &network(address))?;
        }
        limits.count(&limits.accounts, account)
    }

    /// Forgets, now and then, who has all attempts back.
    fn tidy(&self) {
        let limits = &self.0;
        if limits.since_tidied.fetch_add(1, Ordering::Relaxed) >= TIDY_AFTER {
            limits.since_tidied.store(0, Ordering::Relaxed);
            for limiter in [&limits.accounts, &limits.addresses] {
                limiter.retain_recent();
                limiter.shrink_to_fit();
            }
        }
    }
}

impl Default for Attempts {
    fn default() -> Self {
        Self::new()
    }
}

impl Limits {
    fn count<K: std::hash::Hash + ?Sized>(
        &self,
        limiter: &Limiter,
        key: &K,
    ) -> Result<(), TooManyAttempts> {
        // Names of any length take eight bytes each.
        let key = self.hash.hash_one(key);
        limiter.check_key(&key).map_err(|refused| TooManyAttempts {
            retry_after: refused.wait_time_from(self.time.now()),
        })
    }
}

/// What one client has: an IPv4 address, or the network of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let bits = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(bits.into())
        }
        address @ IpAddr::V4(_) => address,
    }
}

fn quota((at_once, period): (u32, Duration)) -> Quota {
    let period = period.max(Duration::from_nanos(1));
    let quota = Quota::with_period(period).expect("a period that is not zero is a quota");
    quota.allow_burst(NonZeroU32::new(at_once).unwrap_or(NonZeroU32::MIN))
}

/// The time that attempts are counted by: one that no clock set back can stretch.
#[derive(Clone)]
enum Time {
    Monotonic(Instant),
    Set { clock: Clock, begin: Timestamp },
}

impl Time {
    fn of(clock: Clock) -> Self {
        match clock {
            Clock::System => Self::Monotonic(Instant::now()),
            clock => Self::Set {
                begin: clock.now(),
                clock,
            },
        }
    }
}

impl GovernorClock for Time {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        match self {
            Self::Monotonic(begin) => begin.elapsed(),
            Self::Set { clock, begin } => clock.now().since(*begin),
        }
        .into()
    }
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
