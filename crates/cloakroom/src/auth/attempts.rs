//! Limits attempts to log in: for each account, and from each address.

mod time;

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};

use self::time::Time;
use crate::clock::Clock;
use crate::observe::{EventSubject, Observer, Observers};
use crate::util::lock;
use crate::util::{Turn, TurnLock};

/// Number of accounts or addresses above which those with a full quota are removed; the threshold is then
/// twice the rest.
const TIDY_ABOVE: usize = 1024;

/// Limits attempts to sign in, so that passwords cannot be tried one after the other.
///
/// An account has 10 attempts and regains one each minute, which leaves a guesser 1,450 a day; the right
/// password restores all of them. Attempts at one account take turns: concurrent ones are all counted. An
/// address has 100 attempts, successful ones as well, and regains two a second, because offices share one; an
/// IPv6 network of 64 bits counts as one address. Each process counts for itself.
///
/// # Security
///
/// A client that knows an account's name can use up its attempts. Its sessions go on; only logins wait. Names
/// that find one account must be spelled one way: where `Ada` and `ada` are the same account, each would have
/// attempts of its own. Without an address the number of names that are remembered is not bounded, each for
/// as long as its attempts take to come back: ten minutes by default.
///
/// ```
/// use cloakroom::auth::Attempts;
///
/// # async fn verify(_: &str, _: &str) -> bool { true }
/// # async fn f(attempts: Attempts, session: cloakroom::Session, name: &str, password: &str)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// let attempt = attempts.begin(name, session.address()).await?; // 429 with Retry-After
/// if verify(name, password).await {
///     attempt.succeeded();
///     session.login(name).await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Attempts {
    limits: Arc<Limits>,
    observers: Observers,
}

struct Limits {
    account: Quota,
    accounts: Mutex<AccountBudgets>,
    addresses: RateLimiter<u64, DefaultKeyedStateStore<u64>, Time, NoOpMiddleware<Nanos>>,
    tidy_addresses_above: AtomicUsize,
    time: Time,
    hash: RandomState,
}

#[derive(Default)]
struct AccountBudgets {
    known: HashMap<u64, AccountBudget>,
    tidy_above: usize,
}

/// The remaining attempts of an account, and the time at which they are full again.
struct AccountBudget {
    left: TurnLock<RemainingAttempts>,
    full_at: Nanos,
}

pub(crate) type RemainingAttempts =
    RateLimiter<NotKeyed, InMemoryState, Time, NoOpMiddleware<Nanos>>;

/// An attempt under way; it counts unless it [succeeded](Self::succeeded).
#[must_use]
pub struct Attempt {
    left: Turn<RemainingAttempts>,
    fresh: RemainingAttempts,
}

/// The error of a login that must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts: try again in {} seconds", self.seconds())]
#[non_exhaustive]
pub struct TooManyAttempts {
    /// Time until another attempt is allowed.
    pub retry_after: Duration,
}

/// For handlers that answer with a [`SessionError`](crate::SessionError).
impl From<TooManyAttempts> for crate::session::SessionError {
    fn from(refused: TooManyAttempts) -> Self {
        Self::TooManyAttempts {
            retry_after: refused.retry_after,
        }
    }
}

impl TooManyAttempts {
    /// Returns the time in whole seconds, rounded up, for `Retry-After` (RFC 9110 §10.2.3).
    pub fn seconds(&self) -> u64 {
        let begun = u64::from(self.retry_after.subsec_nanos() > 0);
        (self.retry_after.as_secs() + begun).max(1)
    }
}

impl Attempts {
    /// Creates limits with the numbers above.
    pub fn new() -> Self {
        let account = (10, Duration::from_mins(1));
        let address = (100, Duration::from_millis(500));
        Self::with(account, address, Clock::System)
    }

    /// Creates limits with other numbers, for each account and from each address: that many at first, and one
    /// more each time that the duration has passed. Zero counts as one, and a duration of zero as one
    /// nanosecond.
    pub fn with(
        account: (u32, Duration),
        address: (u32, Duration),
        clock: impl Into<Clock>,
    ) -> Self {
        let time = Time::of(clock.into());
        let addresses = DefaultKeyedStateStore::default();
        let limits = Limits {
            account: quota(account),
            accounts: Mutex::default(),
            addresses: RateLimiter::new(quota(address), addresses, time.clone()),
            tidy_addresses_above: AtomicUsize::new(TIDY_ABOVE),
            time,
            hash: RandomState::new(),
        };
        Self {
            limits: Arc::new(limits),
            observers: Observers::default(),
        }
    }

    /// Adds an observer, which is told of attempts that have to wait
    /// ([`attempts_throttled`](Observer::attempts_throttled)); an `Arc` of the one that the
    /// [`Manager`](crate::Manager) has serves both.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers = self.observers.and(Arc::new(observer));
        self
    }

    /// Tells observers of an attempt that has to wait.
    pub(crate) fn tell_throttled(
        &self,
        account: &str,
        address: Option<IpAddr>,
        refused: TooManyAttempts,
    ) {
        let client = EventSubject {
            address,
            ..EventSubject::unknown().with_user(account)
        };
        self.observers
            .tell(|observer| observer.attempts_throttled(&client, refused.retry_after));
    }

    /// Counts an attempt from an address.
    pub(crate) fn count(&self, address: IpAddr) -> Result<(), TooManyAttempts> {
        self.limits.count(address)
    }

    /// Returns the lock at which the attempts at an account take turns.
    pub(crate) fn turns_of(&self, account: &str) -> TurnLock<RemainingAttempts> {
        self.limits.turns_of(account)
    }

    /// Counts an attempt whose turn has come; `None`: it has waited too long.
    pub(crate) fn admit(
        &self,
        turn: Option<Turn<RemainingAttempts>>,
    ) -> Result<Attempt, TooManyAttempts> {
        let left = turn.ok_or(TooManyAttempts {
            retry_after: Duration::from_secs(1),
        })?;
        let checked = left.check();
        checked.map_err(|refused| self.limits.too_many(&refused))?;
        Ok(Attempt {
            left,
            fresh: self.limits.fresh(),
        })
    }
}

impl Attempt {
    /// Restores all attempts of the account.
    pub fn succeeded(mut self) {
        std::mem::swap(&mut *self.left, &mut self.fresh);
    }
}

impl Default for Attempts {
    fn default() -> Self {
        Self::new()
    }
}

impl Limits {
    fn count(&self, address: IpAddr) -> Result<(), TooManyAttempts> {
        if self.addresses.len() > self.tidy_addresses_above.load(Ordering::Relaxed) {
            self.addresses.retain_recent();
            let above = TIDY_ABOVE.max(2 * self.addresses.len());
            self.tidy_addresses_above.store(above, Ordering::Relaxed);
        }
        let key = self.key(&network(address));
        let counted = self.addresses.check_key(&key);
        counted.map_err(|refused| self.too_many(&refused))
    }

    fn turns_of(&self, account: &str) -> TurnLock<RemainingAttempts> {
        let (key, now) = (self.key(account), self.time.now());
        let mut accounts = lock(&self.accounts);
        if accounts.known.len() > accounts.tidy_above.max(TIDY_ABOVE) {
            // An attempt that waits for its turn holds the account as well.
            accounts
                .known
                .retain(|_, account| account.full_at > now || account.left.is_in_use());
            accounts.tidy_above = 2 * accounts.known.len();
        }
        let account = accounts.known.entry(key).or_insert_with(|| AccountBudget {
            left: TurnLock::new(self.fresh()),
            full_at: now,
        });
        account.full_at = now + self.account.burst_size_replenished_in();
        account.left.clone()
    }

    fn fresh(&self) -> RemainingAttempts {
        RateLimiter::new(self.account, InMemoryState::default(), self.time.clone())
    }

    /// Hashes a name: names of any length take eight bytes each.
    fn key<K: Hash + ?Sized>(&self, of: &K) -> u64 {
        self.hash.hash_one(of)
    }

    fn too_many(&self, refused: &NotUntil<Nanos>) -> TooManyAttempts {
        TooManyAttempts {
            retry_after: refused.wait_time_from(self.time.now()),
        }
    }
}

/// Returns the network that stands for one client: an IPv4 address, or the /64 of an IPv6 address.
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

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts").finish_non_exhaustive()
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
