//! The name of a cookie, and the guarantees of its prefix (RFC 6265bis §4.1.3).

use std::fmt;
use std::sync::Arc;

/// A cookie's name: a token (RFC 6265bis §4.1.1), compared byte for byte.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CookieName(Arc<str>);

/// The name is no token: it holds a space, a separator, a control or a non-ASCII character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cookie name is made of letters, digits and !#$%&'*+-.^_`|~")]
pub struct CookieNameError;

/// The attributes that user agents require for a name's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    None,
    /// `__Secure-`: `Secure`.
    Secure,
    /// `__Host-`: `Secure`, `Path=/` and no `Domain`.
    Host,
    /// `__Http-`: `Secure` and `HttpOnly` (draft-ietf-httpbis-layered-cookies).
    Http,
    /// `__Host-Http-`: the attributes of `__Host-` and `__Http-`.
    HostHttp,
}

impl CookieName {
    /// Parses `name` as a token.
    ///
    /// # Errors
    ///
    /// [`CookieNameError`] otherwise.
    pub fn parse(name: &str) -> Result<Self, CookieNameError> {
        let is_token = !name.is_empty() && name.bytes().all(is_token_byte);
        is_token.then(|| Self(name.into())).ok_or(CookieNameError)
    }

    /// Returns the name as it is written in both header fields.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the prefix, compared without regard to case, as user agents do (RFC 6265bis §5.7, step 20).
    pub(crate) fn prefix(&self) -> Prefix {
        let starts_with = |prefix: &str| {
            self.0
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        if starts_with("__Host-Http-") {
            Prefix::HostHttp
        } else if starts_with("__Host-") {
            Prefix::Host
        } else if starts_with("__Http-") {
            Prefix::Http
        } else if starts_with("__Secure-") {
            Prefix::Secure
        } else {
            Prefix::None
        }
    }
}

impl Default for CookieName {
    /// Returns `connect.sid`, as in Express.
    fn default() -> Self {
        Self("connect.sid".into())
    }
}

impl fmt::Debug for CookieName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for CookieName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::{CookieName, Prefix};

    #[test]
    fn prefixes_are_recognised_in_any_case() {
        #[rustfmt::skip]
        let table = [
            ("connect.sid", Prefix::None), ("__Hos-t", Prefix::None), ("x__Host-a", Prefix::None),
            ("__Host-sid", Prefix::Host), ("__hOST-sid", Prefix::Host),
            ("__Secure-sid", Prefix::Secure), ("__Http-sid", Prefix::Http),
            ("__Host-Http-sid", Prefix::HostHttp),
        ];
        for (name, prefix) in table {
            assert_eq!(CookieName::parse(name).unwrap().prefix(), prefix, "{name}");
        }
    }

    #[test]
    fn a_name_is_a_token() {
        for byte in 0..=255_u8 {
            let name: String = ['a', char::from(byte)].iter().collect();
            let allowed = byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
            assert_eq!(CookieName::parse(&name).is_ok(), allowed, "{byte}");
        }
        assert!(CookieName::parse("").is_err());
    }
}
