//! The user who is signed in, as services behind the gate are told.

use std::fmt::Write as _;

use http::header::{HeaderMap, HeaderValue};

use crate::fields::{ROLES, TOKEN, USER};

/// Longest name of a user in bytes. A longer one is refused: cut off, it might be another user's.
pub(crate) const LONGEST_USER: usize = 255;
/// Number of roles that are passed on; services are given no right by those beyond.
const MOST_ROLES: usize = 16;
/// Longest role in bytes.
const LONGEST_ROLE: usize = 64;
/// Number of bytes of all roles together.
const ALL_ROLES: usize = 384;

/// A user who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) user: String,
    pub(crate) roles: Vec<String>,
    /// The session's handle.
    pub(crate) handle: String,
    /// Time of the login in seconds since 1970, where the session holds it.
    pub(crate) auth_time: Option<u64>,
}

impl Identity {
    /// Returns `true` if the name fits a field.
    pub(crate) fn can_be_told(&self) -> bool {
        !self.user.is_empty() && self.user.len() <= LONGEST_USER
    }

    /// Returns the roles that are passed on: the first ones, as far as they fit.
    pub(crate) fn told_roles(&self) -> impl Iterator<Item = &str> {
        let mut left = ALL_ROLES;
        let fits = move |role: &&str| {
            let fits = !role.is_empty() && role.len() <= LONGEST_ROLE && role.len() <= left;
            left -= if fits { role.len() } else { 0 };
            fits
        };
        self.roles
            .iter()
            .map(String::as_str)
            .filter(fits)
            .take(MOST_ROLES)
    }
}

/// Tells a service who is signed in; nobody, by empty fields.
pub(crate) fn tell(headers: &mut HeaderMap, who: Option<(&Identity, &str)>) {
    let roles = |who: &Identity| who.told_roles().map(escaped).collect::<Vec<_>>().join(",");
    let fields = match who {
        None => [
            (USER, String::new()),
            (ROLES, String::new()),
            (TOKEN, String::new()),
        ],
        Some((who, token)) => [
            (USER, escaped(&who.user)),
            (ROLES, roles(who)),
            (TOKEN, token.to_owned()),
        ],
    };
    for (name, value) in fields {
        // Each holds ASCII alone.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

/// Escapes a text as `encodeURIComponent` does: no comma, blank or line break is left.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(byte));
            }
            // Writing to a String cannot fail.
            _ => drop(write!(escaped, "%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{Identity, tell};

    fn identity(user: &str, roles: &[&str]) -> Identity {
        Identity {
            user: user.to_owned(),
            roles: roles.iter().map(ToString::to_string).collect(),
            handle: "h".to_owned(),
            auth_time: None,
        }
    }

    #[test]
    fn g26_any_name_is_one_field_of_bounded_length() {
        let longest = "x".repeat(255);
        for (user, value) in [
            ("ada", "ada"),
            ("a,b", "a%2Cb"),
            ("a b", "a%20b"),
            ("a\r\nX-Admin: 1", "a%0D%0AX-Admin%3A%201"),
            ("%0d", "%250d"),
            ("Łukasz", "%C5%81ukasz"),
            ("\0", "%00"),
            (&longest, &longest),
        ] {
            let (who, mut headers) = (identity(user, &[]), HeaderMap::new());
            assert!(who.can_be_told(), "{user}");
            tell(&mut headers, Some((&who, "t")));
            assert_eq!(headers["x-session-user"], value);
            assert_eq!(headers["x-session-roles"], "");
            assert_eq!(headers["x-session-jwt"], "t");
            assert_eq!(headers.len(), 3);
        }
        for user in ["", &"x".repeat(256), &"é".repeat(2048)] {
            assert!(!identity(user, &[]).can_be_told());
        }
    }

    #[test]
    fn g26_roles_are_escaped_and_bounded() {
        let told = |roles: &[&str]| {
            let mut headers = HeaderMap::new();
            tell(&mut headers, Some((&identity("ada", roles), "t")));
            headers["x-session-roles"].to_str().unwrap().to_owned()
        };
        assert_eq!(told(&["admin", "staff"]), "admin,staff");
        assert_eq!(told(&["a,admin", "x\n"]), "a%2Cadmin,x%0A");
        assert_eq!(told(&["", "admin"]), "admin");
        assert_eq!(told(&[&"x".repeat(65), "admin"]), "admin");
        assert_eq!(told(&vec!["r"; 20]), vec!["r"; 16].join(","));
        let long = "y".repeat(64);
        assert_eq!(told(&vec![long.as_str(); 16]), [long.as_str(); 6].join(","));
    }

    #[test]
    fn nobody_is_told_by_empty_fields() {
        let mut headers = HeaderMap::new();
        headers.insert("x-session-user", "eve".parse().unwrap());
        tell(&mut headers, None);
        for name in ["x-session-user", "x-session-roles", "x-session-jwt"] {
            assert_eq!(headers[name], "");
        }
    }
}
