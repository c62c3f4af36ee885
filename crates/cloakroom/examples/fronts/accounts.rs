//! The accounts of the examples: three people, and passwords that are no secret.

use subtle::ConstantTimeEq as _;

/// Somebody who may sign in.
pub(crate) struct Account {
    pub(crate) name: &'static str,
    password: &'static str,
    pub(crate) roles: &'static [&'static str],
}

#[rustfmt::skip]
pub(crate) const ACCOUNTS: [Account; 3] = [
    Account { name: "ada",   password: "analytical-engine", roles: &["admin", "editor"] },
    Account { name: "grace", password: "nanosecond",        roles: &["editor"] },
    Account { name: "linus", password: "just-for-fun",      roles: &[] },
];

/// Whose name and password these are.
///
/// An application keeps hashes (argon2id, OWASP Password Storage Cheat Sheet) and hashes for unknown
/// names too. These passwords stand in the source; they are compared in constant time, each with
/// each, so that at least the example teaches no other habit.
pub(crate) fn sign_in(name: &str, password: &str) -> Option<&'static Account> {
    let mut found = None;
    for account in &ACCOUNTS {
        let right = account.name.as_bytes().ct_eq(name.as_bytes())
            & account.password.as_bytes().ct_eq(password.as_bytes());
        if right.into() {
            found = Some(account);
        }
    }
    found
}
