//! A store named by its URL.

use std::fmt;
use std::sync::Arc;

use super::{Store, StoreError};

/// Any of the stores that this build has, chosen by a URL when the program starts.
#[derive(Clone)]
pub struct AnyStore {
    store: Arc<dyn Store>,
    kind: &'static str,
}

/// Why a URL led to no store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The text is none of the URLs that [`AnyStore::connect`] knows.
    #[error("not a store's URL: give one of {}", AnyStore::SCHEMES.join(", "))]
    UnknownScheme,
    /// The store is known, but this build was made without it.
    #[error("this program was built without the {0} store: build it with the feature `{0}`")]
    NotBuilt(&'static str),
    /// The store could not be opened.
    #[error("the {0} store cannot be opened")]
    Store(&'static str, #[source] StoreError),
}

impl AnyStore {
    /// The forms of URL that are known, whether or not this build has their stores.
    pub const SCHEMES: [&'static str; 2] = ["memory:", "sqlite:PATH"];

    /// Opens the store that `url` names: `memory:` or `sqlite:PATH`.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], whose text says what to do; it does not repeat the URL, which may hold a
    /// password.
    #[expect(
        clippy::unused_async,
        reason = "stores on other machines are connected to here"
    )]
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let (scheme, rest) = url.split_once(':').ok_or(ConnectError::UnknownScheme)?;
        match scheme {
            "memory" => memory(),
            "sqlite" => sqlite(rest),
            _ => Err(ConnectError::UnknownScheme),
        }
    }

    /// Which store it is: the feature's name.
    pub fn kind(&self) -> &'static str {
        self.kind
    }
}

#[cfg(feature = "memory")]
#[expect(clippy::unnecessary_wraps, reason = "the build without it fails")]
fn memory() -> Result<AnyStore, ConnectError> {
    Ok(AnyStore {
        store: Arc::new(super::memory::MemoryStore::new()),
        kind: "memory",
    })
}

#[cfg(not(feature = "memory"))]
fn memory() -> Result<AnyStore, ConnectError> {
    Err(ConnectError::NotBuilt("memory"))
}

#[cfg(feature = "sqlite")]
fn sqlite(path: &str) -> Result<AnyStore, ConnectError> {
    // `sqlite:///path` and `sqlite:path` are both written.
    let path = path.strip_prefix("//").unwrap_or(path);
    let store = super::sqlite::SqliteStore::open(path)
        .map_err(|error| ConnectError::Store("sqlite", error))?;
    Ok(AnyStore {
        store: Arc::new(store),
        kind: "sqlite",
    })
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &str) -> Result<AnyStore, ConnectError> {
    Err(ConnectError::NotBuilt("sqlite"))
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyStore").field(&self.kind).finish()
    }
}

impl From<AnyStore> for Arc<dyn Store> {
    fn from(any: AnyStore) -> Self {
        any.store
    }
}

super::delegate!(AnyStore, |any| &any.store);
