//! A session that names somebody where nobody looks: Express's examples keep a user under keys of their own.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::session::Session;

/// Paths at which applications of Express keep the user, beside the default keys.
const ELSEWHERE: [&str; 9] = [
    "user",
    "username",
    "userName",
    "user_id",
    "userid",
    "uid",
    "account",
    "accountId",
    "email",
];

/// Says once which key it is that names somebody, where none of the policy's does.
pub(super) fn warn_of_unseen_user(session: &Session) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if SAID.load(Ordering::Relaxed) {
        return;
    }
    let Some(key) = session.find(|held| named_elsewhere(|key| held.data.application_value(key)))
    else {
        return;
    };
    if !SAID.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            "nobody is signed in by a session that has a value under `{key}`: if that names its user, tell the \
             policy, `user_keys([\"{key}\"])`, or `{key}.name` where it is an object without `id`; see \
             \"Who is signed in\" in manual::from_express"
        );
    }
}

/// The first of those keys that holds more than nothing.
fn named_elsewhere<'a>(value_of: impl Fn(&str) -> Option<&'a str>) -> Option<&'static str> {
    let names = |json: &str| !matches!(json, "null" | "false" | "\"\"" | "{}" | "[]" | "0");
    ELSEWHERE
        .into_iter()
        .find(|key| value_of(key).is_some_and(names))
}

#[cfg(test)]
mod tests {
    use super::named_elsewhere;

    #[test]
    fn z4_a_user_whom_nobody_looks_for_is_noticed() {
        #[rustfmt::skip]
        let table = [
            ("user",     r#""ada""#,             Some("user")),
            ("user",     r#"{"name":"ada"}"#,    Some("user")),
            ("user",     "null",                 None),
            ("user",     "false",                None),
            ("username", r#""ada""#,             Some("username")),
            ("cart",     r#"{"user":"ada"}"#,    None),
        ];
        for (key, value, found) in table {
            let value_of = |asked: &str| (asked == key).then_some(value);
            assert_eq!(named_elsewhere(value_of), found, "{key} {value}");
        }
    }
}
