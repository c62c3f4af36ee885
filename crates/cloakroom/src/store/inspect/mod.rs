//! The facts about a store and its server that decide if sessions are safe there: for `cloakroom doctor`.
//!
//! Nothing is created or changed: a store that connects to serve creates its table, this does not. Facts are
//! flat values under names; the checks that judge them are elsewhere. A fact that could not be learned is
//! absent.

pub(super) mod facts;
#[cfg(any(feature = "redis", feature = "postgres", feature = "mongodb"))]
pub(super) mod measure;
mod reach;
#[cfg(any(
    feature = "redis",
    feature = "postgres",
    feature = "mongodb",
    feature = "sqlite"
))]
pub(super) mod sample;

pub use facts::{Fact, Facts};
pub use reach::ReachError;

use super::url::split_near;
use super::{ConnectError, StoreError, StoreOptions, UserKeys};

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
#[allow(clippy::unused_async, reason = "the build with it waits")]
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
        #[allow(clippy::unused_async, reason = "the build with it waits")]
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
