//! The facts about a store and its server that decide if sessions are safe there: for `cloakroom doctor`.
//!
//! Nothing is created or changed: a store that connects to serve creates its table, this does not. Facts are
//! flat values under names; the checks that judge them are elsewhere. A fact that could not be learned is
//! absent.

mod facts;
mod reach;
mod sample;

pub use facts::{Fact, Facts};
pub use reach::ReachError;

#[cfg(any(
    feature = "redis",
    feature = "postgres",
    feature = "mongodb",
    feature = "sqlite"
))]
pub(super) use sample::{Sample, Seen};

use std::time::{Duration, Instant};

use super::url::split_near;
use super::{ConnectError, StoreError, StoreOptions, UserKeys};

/// Number of records that are looked at.
pub(super) const SAMPLE: usize = 1000;
/// Number of round trips that are timed.
const PINGS: u32 = 50;

/// Returns the facts about the store that `url` names, one of [`AnyStore::SCHEMES`](super::AnyStore::SCHEMES);
/// `keys` are those under which records name their user.
///
/// It reads a thousand records at most, and as many keys of other kinds.
///
/// # Errors
///
/// [`ReachError`], with the step that failed: the name, the connection, TLS or the login, the store itself.
pub async fn inspect(
    url: &str,
    options: &StoreOptions,
    keys: &UserKeys,
) -> Result<Facts, ReachError> {
    let (bare, _) = split_near(url).map_err(ReachError::refused)?;
    let facts = match bare.split(':').next().unwrap_or_default() {
        "memory" => Ok(Facts::new("memory")),
        "sqlite" => sqlite(&bare, keys).await,
        "redis" | "rediss" | "redis+unix" | "redis+cluster" | "rediss+cluster"
        | "redis+sentinel" => redis(&bare, options, keys).await,
        "postgres" | "postgresql" => postgres(&bare, options, keys).await,
        "mongodb" | "mongodb+srv" => mongodb(&bare, options, keys).await,
        _ => return Err(ReachError::refused(ConnectError::UnknownScheme)),
    };
    match facts {
        Ok(mut facts) => {
            facts.note("network.plain", reach::is_plain(&bare));
            Ok(facts)
        }
        Err(error) => Err(reach::explain(&bare, error).await),
    }
}

/// Times some round trips of a store, and notes the median and the second longest, in microseconds.
pub(super) async fn time<F: Future<Output = bool>>(facts: &mut Facts, ping: impl Fn() -> F) {
    let mut best: Option<(u64, u64)> = None;
    // A machine that was busy for a moment is measured again.
    for _ in 0..3 {
        let mut taken = Vec::new();
        for _ in 0..PINGS {
            let begin = Instant::now();
            if !ping().await {
                return;
            }
            taken.push(u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
        taken.sort_unstable();
        let round = (taken[taken.len() / 2], taken[taken.len() - 2]);
        best = Some(best.map_or(round, |best| (best.0.min(round.0), best.1.min(round.1))));
    }
    if let Some((median, slow)) = best {
        facts.set("ping.median_us", median);
        facts.set("ping.slow_us", slow);
    }
}

/// Notes the difference between a server's clock and this machine's, in milliseconds; the server read its own
/// about half-way.
pub(super) fn skew(facts: &mut Facts, asked: i64, took: Duration, server: i64) {
    let half = i64::try_from(took.as_millis() / 2).unwrap_or(0);
    let latest = i64::try_from(took.as_millis()).unwrap_or(0);
    let apart = server - asked - half;
    // What a slow reply explains is no skew.
    facts.set(
        "clock.skew_ms",
        if apart.abs() <= latest { 0 } else { apart },
    );
}

#[cfg(feature = "sqlite")]
async fn sqlite(url: &str, keys: &UserKeys) -> Result<Facts, ConnectError> {
    let path = url.trim_start_matches("sqlite:");
    let path = path.strip_prefix("//").unwrap_or(path).to_owned();
    let keys = keys.clone();
    let read = tokio::task::spawn_blocking(move || super::sqlite::inspect(&path, &keys)).await;
    let read = read.unwrap_or_else(|_| Err(super::StoreErrorKind::Unavailable.into()));
    of("sqlite", read)
}

#[cfg(not(feature = "sqlite"))]
#[expect(clippy::unused_async, reason = "the build with it waits")]
async fn sqlite(_: &str, _: &UserKeys) -> Result<Facts, ConnectError> {
    Err(ConnectError::NotBuilt("sqlite"))
}

macro_rules! served {
    ($name:ident, $feature:literal) => {
        #[cfg(feature = $feature)]
        async fn $name(
            url: &str,
            options: &StoreOptions,
            keys: &UserKeys,
        ) -> Result<Facts, ConnectError> {
            of($feature, super::$name::inspect(url, options, keys).await)
        }

        #[cfg(not(feature = $feature))]
        #[expect(clippy::unused_async, reason = "the build with it waits")]
        async fn $name(_: &str, _: &StoreOptions, _: &UserKeys) -> Result<Facts, ConnectError> {
            Err(ConnectError::NotBuilt($feature))
        }
    };
}
served!(redis, "redis");
served!(postgres, "postgres");
served!(mongodb, "mongodb");

#[allow(dead_code, reason = "a build may have no such store")]
fn of(kind: &'static str, facts: Result<Facts, StoreError>) -> Result<Facts, ConnectError> {
    facts.map_err(|error| ConnectError::Store(kind, error))
}
