//! What the provider said of its sessions, in SQLite: whose each is, which are over, which logout tokens came.
//!
//! A logout at the provider may be about a login that is not complete here yet: the mark waits for it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::task::{JoinError, spawn_blocking};

/// Entries are kept for longer than any session lives: 24 hours, and a margin.
const KEPT: Duration = Duration::from_hours(48);

/// A table that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    #[error("the ledger cannot be used")]
    Database(#[from] rusqlite::Error),
    #[error("the ledger's task ended")]
    Task(#[from] JoinError),
}

/// The tables.
#[derive(Clone)]
pub(crate) struct Ledger(Arc<Mutex<Connection>>);

impl Ledger {
    /// Opens the file, and makes it where it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::with(Connection::open(path)?)
    }

    #[cfg(test)]
    fn in_memory() -> Result<Self, LedgerError> {
        Self::with(Connection::open_in_memory()?)
    }

    fn with(tables: Connection) -> Result<Self, LedgerError> {
        tables.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA busy_timeout = 2000;
             CREATE TABLE IF NOT EXISTS owners (sid TEXT PRIMARY KEY, user TEXT NOT NULL, until INTEGER NOT NULL);
             CREATE TABLE IF NOT EXISTS ends (of TEXT PRIMARY KEY, at INTEGER NOT NULL, until INTEGER NOT NULL);
             CREATE TABLE IF NOT EXISTS tokens (jti TEXT PRIMARY KEY, until INTEGER NOT NULL);",
        )?;
        Ok(Self(Arc::new(Mutex::new(tables))))
    }

    /// Notes whose a session of the provider is.
    pub(crate) async fn note(&self, sid: Option<String>, user: &str) -> Result<(), LedgerError> {
        let Some(sid) = sid else { return Ok(()) };
        let user = user.to_owned();
        self.with_tables(move |tables| {
            prune(tables)?;
            let note = "INSERT INTO owners VALUES (?, ?, ?)
                        ON CONFLICT (sid) DO UPDATE SET user = excluded.user, until = excluded.until";
            tables.execute(note, params![sid, user, until()]).map(drop)
        })
        .await
    }

    /// Marks as ended what a logout token is about: one session of the provider, or with `None` all of the
    /// user's that began up to then, in seconds since 1970. Returns the user, where they are known.
    pub(crate) async fn end(
        &self,
        sid: Option<String>,
        user: Option<String>,
        at: i64,
    ) -> Result<Option<String>, LedgerError> {
        self.with_tables(move |tables| {
            let end = "INSERT INTO ends VALUES (?, ?, ?)
                       ON CONFLICT (of) DO UPDATE SET at = max(at, excluded.at), until = excluded.until";
            let of = sid.as_ref().map(|sid| key_of_sid(sid));
            let of = of.or(user.as_ref().map(|user| key_of_user(user)));
            tables.execute(end, params![of, at, until()])?;
            let Some(sid) = sid.filter(|_| user.is_none()) else {
                return Ok(user);
            };
            let owner = "SELECT user FROM owners WHERE sid = ?";
            tables.query_row(owner, [sid], |row| row.get(0)).optional()
        })
        .await
    }

    /// Returns `true` if the provider has ended what a login comes from; `issued` is the ID token's `iat`.
    pub(crate) async fn is_ended(
        &self,
        sid: Option<String>,
        user: &str,
        issued: i64,
    ) -> Result<bool, LedgerError> {
        let (of_sid, of_user) = (sid.map(|sid| key_of_sid(&sid)), key_of_user(user));
        self.with_tables(move |tables| {
            let ended =
                "SELECT EXISTS (SELECT 1 FROM ends WHERE of = ?1 OR (of = ?2 AND at >= ?3))";
            tables.query_row(ended, params![of_sid, of_user, issued], |row| row.get(0))
        })
        .await
    }

    /// Returns `true` for a token that comes for the first time.
    pub(crate) async fn claim(&self, jti: String) -> Result<bool, LedgerError> {
        self.with_tables(move |tables| {
            let claim = "INSERT OR IGNORE INTO tokens VALUES (?, ?)";
            Ok(tables.execute(claim, params![jti, until()])? == 1)
        })
        .await
    }

    /// Lets a token come once more, after its logout failed here.
    pub(crate) async fn release(&self, jti: String) -> Result<(), LedgerError> {
        self.with_tables(move |tables| {
            let release = "DELETE FROM tokens WHERE jti = ?";
            tables.execute(release, [jti]).map(drop)
        })
        .await
    }

    async fn with_tables<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let tables = Arc::clone(&self.0);
        let working =
            spawn_blocking(move || work(&tables.lock().unwrap_or_else(PoisonError::into_inner)));
        Ok(working.await??)
    }
}

fn prune(tables: &Connection) -> Result<(), rusqlite::Error> {
    let now = since_1970();
    for table in ["owners", "ends", "tokens"] {
        tables.execute(&format!("DELETE FROM {table} WHERE until < ?"), [now])?;
    }
    Ok(())
}

fn key_of_sid(sid: &str) -> String {
    format!("sid {sid}")
}

fn key_of_user(user: &str) -> String {
    format!("user {user}")
}

fn until() -> i64 {
    since_1970() + KEPT.as_secs().cast_signed()
}

fn since_1970() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_end_of_a_session_knows_its_owner_and_no_other() {
        let ledger = Ledger::in_memory().expect("tables in memory");
        ledger
            .note(Some("s1".to_owned()), "ada")
            .await
            .expect("a row");
        assert_eq!(
            ledger.end(Some("s1".to_owned()), None, 5).await.unwrap(),
            Some("ada".to_owned())
        );
        assert_eq!(
            ledger.end(Some("s2".to_owned()), None, 5).await.unwrap(),
            None
        );
        let ended = async |sid: &str, user: &str| {
            ledger
                .is_ended(Some(sid.to_owned()), user, 9)
                .await
                .unwrap()
        };
        assert!(ended("s1", "ada").await && ended("s2", "grace").await);
        assert!(!ended("s3", "ada").await);
        // A session's name is no user's.
        assert!(!ended("s3", "s1").await);
    }

    #[tokio::test]
    async fn an_end_of_a_user_is_about_what_began_before() {
        let ledger = Ledger::in_memory().expect("tables in memory");
        let end = ledger.end(None, Some("ada".to_owned()), 5).await;
        assert_eq!(end.unwrap(), Some("ada".to_owned()));
        let ended = async |user, issued| {
            ledger
                .is_ended(Some("s1".to_owned()), user, issued)
                .await
                .unwrap()
        };
        assert!(ended("ada", 5).await);
        assert!(!ended("ada", 6).await && !ended("grace", 5).await);
    }

    #[tokio::test]
    async fn a_token_comes_once_unless_it_is_released() {
        let ledger = Ledger::in_memory().expect("tables in memory");
        let claim = async || ledger.claim("j".to_owned()).await.unwrap();
        assert!(claim().await && !claim().await);
        ledger.release("j".to_owned()).await.expect("a row");
        assert!(claim().await);
    }
}
