//! The users who may sign in, in a table of SQLite: names, roles, and Argon2id hashes of passwords.

use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use cloakroom::Accounts;
use rusqlite::{Connection, OptionalExtension as _, Row};
use tokio::task::spawn_blocking;

/// The users of a new database; an application has a form for that.
pub(crate) const SEEDS: [(&str, &str, bool); 2] = [
    ("ada", "analytical-engine", true),
    ("grace", "nanoseconds", false),
];

/// Somebody who may sign in.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) is_admin: bool,
}

/// The table, and a hash of no user.
#[derive(Clone)]
pub(crate) struct People {
    table: Arc<Mutex<Connection>>,
    /// Hash that the password is compared with if no user has the name, so that both take as long.
    nobody: Arc<str>,
}

impl People {
    /// Opens the table, and makes it where it is not there.
    pub(crate) fn open(path: impl AsRef<Path>) -> Result<Self, Box<dyn Error>> {
        Self::of(Connection::open(path)?)
    }

    /// A table of its own for a test.
    #[cfg(all(test, feature = "testing"))]
    pub(crate) fn in_memory() -> Result<Self, Box<dyn Error>> {
        Self::of(Connection::open_in_memory()?)
    }

    fn of(table: Connection) -> Result<Self, Box<dyn Error>> {
        table.execute_batch(
            "CREATE TABLE IF NOT EXISTS people (
                id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, hash TEXT NOT NULL, is_admin INTEGER NOT NULL
            )",
        )?;
        let is_empty = "SELECT NOT EXISTS (SELECT 1 FROM people)";
        if table.query_row(is_empty, [], |row| row.get(0))? {
            let add = "INSERT INTO people (name, hash, is_admin) VALUES (?, ?, ?)";
            for (name, password, is_admin) in SEEDS {
                table.execute(add, (name, hash(password)?, is_admin))?;
            }
        }
        Ok(Self {
            table: Arc::new(Mutex::new(table)),
            nobody: hash("nobody has this password")?.into(),
        })
    }

    /// Returns whose name and password these are.
    pub(crate) async fn verify(
        &self,
        name: String,
        password: String,
    ) -> Result<Option<Person>, Box<dyn Error + Send + Sync>> {
        let people = self.clone();
        // Hashing takes a while: not on a thread that serves others.
        let verifying = spawn_blocking(move || {
            let found = people.find("name = ?", &name)?;
            let hash = found.as_ref().map_or(&*people.nobody, |(_, hash)| hash);
            let fits = fits(&password, hash);
            Ok(found.filter(|_| fits).map(|(person, _)| person))
        });
        verifying.await?
    }

    fn find(&self, by: &str, value: &str) -> Result<Option<(Person, String)>, rusqlite::Error> {
        let query = format!("SELECT id, name, is_admin, hash FROM people WHERE {by}");
        let read = |row: &Row<'_>| {
            let person = Person {
                id: row.get(0)?,
                name: row.get(1)?,
                is_admin: row.get(2)?,
            };
            Ok((person, row.get(3)?))
        };
        self.lock().query_row(&query, [value], read).optional()
    }

    /// Takes a right away, or gives it: guards see it at once.
    #[cfg(all(test, feature = "testing"))]
    pub(crate) fn set_admin(&self, name: &str, is_admin: bool) -> Result<(), rusqlite::Error> {
        let update = "UPDATE people SET is_admin = ? WHERE name = ?";
        self.lock().execute(update, (is_admin, name)).map(drop)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Accounts for People {
    type User = Arc<Person>;
    type Error = rusqlite::Error;

    async fn load(&self, id: &str) -> Result<Option<Arc<Person>>, rusqlite::Error> {
        // A look at one row; a database elsewhere is awaited here.
        let found = self.find("id = ?", id)?;
        Ok(found.map(|(person, _)| Arc::new(person)))
    }
}

/// Argon2id with m = 19 MiB, t = 2, p = 1 (OWASP Password Storage Cheat Sheet).
fn argon2() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).expect("OWASP's parameters are valid");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &str) -> Result<String, Box<dyn Error>> {
    let hash = argon2().hash_password(password.as_bytes());
    Ok(hash.map_err(|error| error.to_string())?.to_string())
}

fn fits(password: &str, hash: &str) -> bool {
    let hash = PasswordHash::new(hash);
    hash.is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok())
}
