//! The accounts. Passwords are kept as Argon2id hashes, and an unknown name takes as long to refuse as a
//! wrong password.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::available_parallelism;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// An account as it is written down here.
pub(super) struct Seed {
    pub(super) name: &'static str,
    pub(super) password: &'static str,
    pub(super) roles: &'static [&'static str],
}

/// The demo's accounts; their passwords are public.
pub(super) const SEEDS: [Seed; 2] = [
    Seed {
        name: "ada",
        password: "analytical-engine",
        roles: &["user"],
    },
    Seed {
        name: "grace",
        password: "nanoseconds",
        roles: &["user", "admin"],
    },
];

/// A user who may sign in.
pub(super) struct Account {
    pub(super) name: &'static str,
    pub(super) roles: &'static [&'static str],
    hash: PasswordHash,
}

/// The accounts of the shop.
pub(super) struct Accounts {
    known: Vec<Account>,
    /// Passwords that were changed since the shop was opened, by name.
    changed: RwLock<HashMap<&'static str, PasswordHash>>,
    /// The hash that a password is compared with when the name is unknown.
    nobody: PasswordHash,
    /// The permits for hashing: each hash takes 19 MiB and a core, so there are as many as cores.
    turns: Arc<Semaphore>,
}

impl Accounts {
    /// Hashes the seeds' passwords.
    pub(super) async fn seed() -> Self {
        spawn_blocking(Self::hash_seeds)
            .await
            .expect("hashing a constant password does not panic")
    }

    fn hash_seeds() -> Self {
        let account = |seed: &Seed| Account {
            name: seed.name,
            roles: seed.roles,
            hash: hash(seed.password),
        };
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            known: SEEDS.iter().map(account).collect(),
            changed: RwLock::default(),
            nobody: hash("nobody"),
            turns: Arc::new(Semaphore::new(cores)),
        }
    }

    /// The account of that name, if the password is its own.
    pub(super) async fn verify(&self, name: &str, password: String) -> Option<&Account> {
        let account = self.known.iter().find(|account| account.name == name);
        let hash = self.hash_of(account);
        let fits = self.work(move || argon2().verify_password(password.as_bytes(), &hash).is_ok());
        let fits = fits.await.unwrap_or(false);
        account.filter(|_| fits)
    }

    /// The names that there are.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.known.iter().map(|account| account.name)
    }

    /// Changes the password of an account, until the shop closes; returns `false` where the name is unknown.
    pub(super) async fn change(&self, name: &str, password: String) -> bool {
        let Some(account) = self.known.iter().find(|account| account.name == name) else {
            return false;
        };
        let Some(hash) = self.work(move || hash(&password)).await else {
            return false;
        };
        let mut changed = self.changed.write().unwrap_or_else(PoisonError::into_inner);
        changed.insert(account.name, hash);
        true
    }

    fn hash_of(&self, account: Option<&Account>) -> PasswordHash {
        let Some(account) = account else {
            return self.nobody.clone();
        };
        let changed = self.changed.read().unwrap_or_else(PoisonError::into_inner);
        changed.get(account.name).unwrap_or(&account.hash).clone()
    }

    /// Hashes when it is its turn.
    async fn work<T: Send + 'static>(
        &self,
        hash: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        let hashing = spawn_blocking(move || {
            // Held until the work is done, even where the client has gone meanwhile.
            let _turn = turn;
            hash()
        });
        hashing.await.ok()
    }
}

/// Argon2id with m = 19 MiB, t = 2, p = 1 (OWASP Password Storage Cheat Sheet).
fn argon2() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).expect("OWASP's parameters are valid");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &str) -> PasswordHash {
    argon2()
        .hash_password(password.as_bytes())
        .expect("Argon2 takes a password of any length that a request may have")
}

#[cfg(test)]
mod tests {
    use super::{Accounts, argon2};

    #[tokio::test]
    async fn only_the_right_password_opens() {
        let accounts = Accounts::seed().await;
        #[rustfmt::skip]
        let table = [
            ("ada",    "analytical-engine", true),
            ("grace",  "nanoseconds",       true),
            ("ada",    "nanoseconds",       false),
            ("Ada",    "analytical-engine", false),
            ("ada",    "",                  false),
            ("nobody", "nobody",            false),
            ("",       "",                  false),
        ];
        for (name, password, opens) in table {
            let account = accounts.verify(name, password.to_owned()).await;
            assert_eq!(account.map(|account| account.name), opens.then_some(name));
        }
    }

    #[tokio::test]
    async fn a_changed_password_opens_in_place_of_the_old_one() {
        let accounts = Accounts::seed().await;
        assert!(accounts.change("ada", "difference-engine".to_owned()).await);
        assert!(
            !accounts
                .change("nobody", "difference-engine".to_owned())
                .await
        );
        #[rustfmt::skip]
        let table = [
            ("ada",    "difference-engine", true),
            ("ada",    "analytical-engine", false),
            ("grace",  "nanoseconds",       true),
            ("nobody", "difference-engine", false),
        ];
        for (name, password, opens) in table {
            let account = accounts.verify(name, password.to_owned()).await;
            assert_eq!(account.is_some(), opens, "{name} {password}");
        }
    }

    #[test]
    fn the_parameters_are_owasps() {
        let params = argon2().params().clone();
        assert_eq!(
            (params.m_cost(), params.t_cost(), params.p_cost()),
            (19_456, 2, 1)
        );
    }
}
