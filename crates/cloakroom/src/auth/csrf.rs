//! Detects cross-site requests (CSRF): by their source, and by a token where the browser does not state one.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use super::Origin;
use crate::record::ValueError;
use crate::session::{Session, SessionError};

/// The key of the secret in a session; `login` generates another.
pub(super) const SECRET: &str = "csrfSecret";
const BYTES: usize = 32;

/// The source of a request, as its head states it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestSource<'a> {
    /// `true` if the method changes nothing (RFC 9110 §9.2.1).
    pub is_safe: bool,
    /// `Sec-Fetch-Site`, which scripts cannot set.
    pub fetch_site: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// The site's own origin, as the request names it: `https://shop.example`.
    pub own: Option<&'a str>,
}

/// The decision on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It comes from this site, or from no site at all.
    Pass,
    /// Its source is not stated: a token of the session must prove it.
    TokenNeeded,
    /// It comes from another site: 403, whatever token it carries.
    Refused,
}

impl RequestSource<'_> {
    /// Decides by `Sec-Fetch-Site` first, by `Origin` where a browser is too old for it (OWASP CSRF
    /// Prevention Cheat Sheet, "Fetch Metadata headers"). Origins in `allowed` pass as well.
    pub fn evaluate(&self, allowed: &[Origin]) -> Decision {
        let is_allowed = |origin: &str| allowed.iter().any(|allowed| allowed.as_str() == origin);
        match (self.is_safe, self.fetch_site, self.origin) {
            (true, ..) | (_, Some("same-origin" | "none"), _) => Decision::Pass,
            (_, _, Some(origin)) if is_allowed(origin) => Decision::Pass,
            (_, None, Some(origin)) if Some(origin) == self.own => Decision::Pass,
            (_, None, None) => Decision::TokenNeeded,
            _ => Decision::Refused,
        }
    }
}

/// The place in a request that holds the token of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenPlace<'a> {
    /// The header `X-CSRF-Token`, with this value.
    Header(&'a str),
    /// The field `_csrf` of the urlencoded form in the body, which has to be read for it.
    Form,
    /// Nowhere: 403.
    Missing,
}

impl<'a> TokenPlace<'a> {
    /// The header that may hold the token.
    pub const HEADER: &'static str = "x-csrf-token";
    /// The field of a form that may hold it.
    pub const FIELD: &'static str = "_csrf";
    /// Length in bytes of the longest form that is read for its token. A page's own form is far shorter;
    /// uploads have another media type.
    pub const LONGEST_FORM: usize = 1024 * 1024;

    /// Finds the place by the header `X-CSRF-Token` and by Content-Type. A header counts even where it is
    /// wrong and a form follows; bodies of other kinds are not searched.
    pub fn of(header: Option<&'a str>, content_type: Option<&str>) -> Self {
        let kind = content_type.unwrap_or_default().split(';').next();
        let kind = kind.unwrap_or_default().trim();
        match header {
            Some(token) => Self::Header(token),
            None if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") => Self::Form,
            None => Self::Missing,
        }
    }
}

/// The secret of a session's CSRF tokens, as it is kept under `csrfSecret`.
///
/// [`Session::csrf_token`] and [`Session::accepts_csrf_token`] use it; by itself it is for applications that
/// keep sessions in another way.
#[derive(Clone)]
pub struct CsrfSecret([u8; BYTES]);

impl CsrfSecret {
    /// Generates a secret.
    ///
    /// # Errors
    ///
    /// [`SessionError::Value`] where the system has no random numbers.
    pub fn draw() -> Result<Self, SessionError> {
        drawn().map(Self)
    }

    /// Parses a secret as a session keeps it; `None` for an invalid one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// Returns it as a session keeps it: 43 characters of base64url.
    pub fn expose(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Generates a token from it, masked with fresh random bytes.
    ///
    /// # Errors
    ///
    /// As for [`draw`](Self::draw).
    pub fn token(&self) -> Result<String, SessionError> {
        let mask = drawn::<BYTES>()?;
        let mut token = mask.to_vec();
        token.extend(mask.iter().zip(self.0).map(|(mask, secret)| mask ^ secret));
        Ok(BASE64_URL_SAFE_NO_PAD.encode(token))
    }

    /// Returns `true` if a token was made from it.
    pub fn accepts(&self, token: &str) -> bool {
        let Ok(token) = BASE64_URL_SAFE_NO_PAD.decode(token.trim()) else {
            return false;
        };
        if token.len() != 2 * BYTES {
            return false;
        }
        let (mask, masked) = token.split_at(BYTES);
        let shown: Vec<u8> = mask.iter().zip(masked).map(|(a, b)| a ^ b).collect();
        shown.ct_eq(&self.0).into()
    }
}

impl fmt::Debug for CsrfSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfSecret(…)")
    }
}

impl Session {
    /// Returns a token for a form or a script of this session, masked with fresh random bytes each time, so
    /// that compression does not leak it (BREACH). All tokens of a session are valid, in any tab, until the
    /// next login.
    ///
    /// The first one stores a secret in the session, and thereby the session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] after `destroy` or `unset`. In a streaming body the first one is
    /// [`SessionError::HeadersSent`] for a session that is new, and for another invalid until
    /// [`save`](Self::save): generate it before the handler returns.
    pub fn csrf_token(&self) -> Result<String, SessionError> {
        if let Some(secret) = self.csrf_secret() {
            return secret.token();
        }
        let secret = CsrfSecret::draw()?;
        // A late page is shown all the same; its token is invalid.
        if !self.is_shut_out() {
            self.insert(SECRET, secret.expose())?;
        }
        secret.token()
    }

    /// Returns `true` if a token is one of this session's.
    pub fn accepts_csrf_token(&self, token: &str) -> bool {
        self.csrf_secret()
            .is_some_and(|secret| secret.accepts(token))
    }

    fn csrf_secret(&self) -> Option<CsrfSecret> {
        let text: String = self.get(SECRET).ok()??;
        CsrfSecret::parse(&text)
    }
}

pub(super) fn drawn<const N: usize>() -> Result<[u8; N], SessionError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| {
        use serde::ser::Error as _;
        let none = serde_json::Error::custom("the system has no random numbers");
        ValueError::write::<[u8; N]>(SECRET, none)
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{CsrfSecret, Decision, Origin, RequestSource, TokenPlace};

    #[test]
    fn fetch_metadata_then_origin_decide_about_a_request() {
        use Decision::{Pass, Refused, TokenNeeded};
        let own = "https://shop.example";
        #[rustfmt::skip]
        let table = [
            (Pass,        None,                Some(own)),
            (Pass,        Some("same-origin"), None),
            (Pass,        Some("same-origin"), Some("https://evil.example")),
            (Pass,        Some("none"),        None),
            (Pass,        Some("cross-site"),  Some("https://partner.example")),
            (Pass,        None,                Some("https://partner.example")),
            (Refused,     Some("cross-site"),  Some(own)),
            (Refused,     Some("cross-site"),  None),
            (Refused,     Some("same-site"),   Some("https://blog.shop.example")),
            (Refused,     Some(""),            None),
            (Refused,     Some("SAME-ORIGIN"), None),
            (Refused,     None,                Some("https://evil.example")),
            (Refused,     None,                Some("http://shop.example")),
            (Refused,     None,                Some("https://shop.example.evil.example")),
            (Refused,     None,                Some("null")),
            (Refused,     None,                Some("")),
            (TokenNeeded, None,                None),
        ];
        let allowed = [Origin::parse("https://partner.example").unwrap()];
        for (verdict, fetch_site, origin) in table {
            let mut source = RequestSource {
                is_safe: false,
                fetch_site,
                origin,
                own: Some(own),
            };
            assert_eq!(source.evaluate(&allowed), verdict, "{source:?}");
            source.is_safe = true;
            assert_eq!(source.evaluate(&allowed), Pass, "{source:?}");
        }
        // A request that does not name its host has no origin of its own.
        let source = RequestSource {
            origin: Some(own),
            ..RequestSource::default()
        };
        assert_eq!(source.evaluate(&[]), Refused);
    }

    #[test]
    fn a_token_is_found_in_the_header_or_in_an_urlencoded_form() {
        let form = Some("Application/X-WWW-form-urlencoded ; charset=utf-8");
        #[rustfmt::skip]
        let table = [
            (TokenPlace::Header("t"), Some("t"), None),
            (TokenPlace::Header(""),  Some(""),  form),
            (TokenPlace::Form,        None,      form),
            (TokenPlace::Missing,     None,      Some("multipart/form-data; boundary=x")),
            (TokenPlace::Missing,     None,      Some("text/plain; application/x-www-form-urlencoded")),
            (TokenPlace::Missing,     None,      None),
        ];
        for (place, header, kind) in table {
            assert_eq!(TokenPlace::of(header, kind), place, "{header:?} {kind:?}");
        }
    }
    #[test]
    fn a_secret_accepts_only_its_own_tokens() {
        let (own, other) = (CsrfSecret::draw().unwrap(), CsrfSecret::draw().unwrap());
        let read = CsrfSecret::parse(&own.expose()).unwrap();
        let (first, second) = (own.token().unwrap(), read.token().unwrap());
        assert_ne!(first, second);
        for token in [&first, &second] {
            assert!(own.accepts(token) && read.accepts(token) && !other.accepts(token));
        }
        for text in ["", "x", "a csurf secret of 24 ch.", &first] {
            assert!(CsrfSecret::parse(text).is_none(), "{text}");
        }
        for token in ["", &first[1..], &own.expose()] {
            assert!(!own.accepts(token), "{token}");
        }
        assert_eq!(format!("{own:?}"), "CsrfSecret(…)");
    }
}
