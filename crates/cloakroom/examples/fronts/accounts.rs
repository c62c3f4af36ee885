//! The accounts of the examples: three users, and passwords that are no secret.

use std::net::IpAddr;
use std::time::Duration;

use cloakroom::Clock;
use cloakroom::auth::{Attempts, TooManyAttempts};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A user who may sign in.
pub(crate) struct Account {
    pub(crate) name: &'static str,
    password: &'static str,
    pub(crate) roles: &'static [&'static str],
}

#[rustfmt::skip]
pub(crate) const ACCOUNTS: [Account; 3] = [
    Account { name: "ada",   password: "analytical-engine", roles: &["admin", "editor"] },
    Account { name: "grace", password: "nanoseconds",        roles: &["editor"] },
    Account { name: "linus", password: "just-for-fun",      roles: &[] },
];

/// Lists the accounts that may sign in.
pub(crate) fn lines() -> String {
    let line = |account: &Account| {
        let (name, password) = (account.name, account.password);
        format!("  {name} / {password}  {}", account.roles.join(", "))
    };
    let lines: Vec<String> = ACCOUNTS.iter().map(line).collect();
    format!("sign in as\n{}", lines.join("\n"))
}

/// Returns the limits on attempts for each account; users and tests of an example come from one address.
pub(crate) fn attempts() -> Attempts {
    let (account, address) = (
        (10, Duration::from_mins(1)),
        (600, Duration::from_millis(50)),
    );
    Attempts::with(account, address, Clock::System)
}

/// Returns the account with this name and password, unless too many were tried.
pub(crate) async fn sign_in(
    attempts: &Attempts,
    address: Option<IpAddr>,
    (name, password): (&str, &str),
) -> Result<Option<&'static Account>, TooManyAttempts> {
    let attempt = attempts.begin(name, address).await?;
    let found = find(name, password);
    if found.is_some() {
        attempt.succeeded();
    }
    Ok(found)
}

/// Finds an account, in a time that does not depend on whether the name or the password is wrong.
///
/// An application keeps hashes (argon2id, OWASP Password Storage Cheat Sheet) and hashes for unknown names
/// too. These passwords are in the source; they are compared with all accounts', in constant time and
/// regardless of their length, so that at least the example teaches no other habit.
fn find(name: &str, password: &str) -> Option<&'static Account> {
    let digest = |text: &str| <[u8; 32]>::from(Sha256::digest(text));
    let (name, password) = (digest(name), digest(password));
    let mut found = None;
    for account in &ACCOUNTS {
        let right = digest(account.name)[..].ct_eq(&name[..])
            & digest(account.password)[..].ct_eq(&password[..]);
        if right.into() {
            found = Some(account);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{ACCOUNTS, attempts, find, lines, sign_in};

    #[test]
    fn z11_every_account_is_said_with_its_password() {
        let lines = lines();
        for account in &ACCOUNTS {
            assert!(lines.contains(account.name) && lines.contains(account.password));
        }
    }

    #[test]
    fn only_the_right_password_opens() {
        #[rustfmt::skip]
        let table = [
            ("ada",   "analytical-engine", true),
            ("grace", "nanoseconds",        true),
            ("ada",   "nanoseconds",        false),
            ("Ada",   "analytical-engine", false),
            ("ada",   "",                  false),
            ("",      "",                  false),
            ("eve",   "analytical-engine", false),
        ];
        for (name, password, opens) in table {
            let found = find(name, password).map(|account| account.name);
            assert_eq!(found, opens.then_some(name));
        }
    }

    #[tokio::test]
    async fn x9_guessing_is_slowed_down_whether_or_not_the_account_exists() {
        let attempts = attempts();
        let address = Some([192, 0, 2, 1].into());
        for name in ["ada", "nobody"] {
            for _ in 0..10 {
                let guessed = sign_in(&attempts, address, (name, "guess")).await;
                assert!(guessed.unwrap().is_none(), "{name}");
            }
            let right = sign_in(&attempts, address, (name, "analytical-engine")).await;
            assert!(right.is_err(), "{name}");
        }
        let other = sign_in(&attempts, address, ("grace", "nanoseconds")).await;
        assert!(other.unwrap().is_some());
        // Right passwords restore their attempts.
        for _ in 0..20 {
            let right = sign_in(&attempts, address, ("linus", "just-for-fun")).await;
            assert!(right.unwrap().is_some());
        }
    }
}
