//! A parsed `Set-Cookie` field, and the comparison of two of them.

use std::fmt;

use super::instant::http_seconds;
use super::names::Names;

/// Tolerance between two `Expires`: the two labs answer one after the other, in whole seconds.
const EXPIRES_TOLERANCE_S: u64 = 2;

#[derive(Debug, Clone)]
pub(super) struct SetCookie {
    /// The value as it goes back in a `Cookie` header.
    pub(super) value: String,
    name: String,
    /// The session that the value names, as this run calls it.
    pub(super) session: Option<String>,
    attributes: Vec<(String, String)>,
}

impl SetCookie {
    pub(super) fn parse(header: &str, names: &mut Names) -> Self {
        let mut parts = header
            .split("; ")
            .map(|part| part.split_once('=').unwrap_or((part, "")));
        let (name, value) = parts.next().unwrap_or_default();
        Self {
            value: value.to_owned(),
            name: name.to_owned(),
            session: sid_of(value).map(|sid| names.name(sid)),
            attributes: parts
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// Returns `true` if it deletes the cookie: no value, expired in 1970.
    pub(super) fn clears(&self) -> bool {
        let epoch =
            |(name, value): &(String, String)| name == "Expires" && http_seconds(value) == Some(0);
        self.value.is_empty() && self.attributes.iter().any(epoch)
    }

    /// Returns `true` if both set the same cookie but for signatures, which depend on the id, and moments.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.name == other.name
            && self.session == other.session
            && self.value.is_empty() == other.value.is_empty()
            && self.attributes.len() == other.attributes.len()
            && self
                .attributes
                .iter()
                .zip(&other.attributes)
                .all(|(a, b)| attributes_agree(a, b))
    }
}

/// The id in a signed value `s:<sid>.<signature>`, percent-encoded.
pub(super) fn sid_of(value: &str) -> Option<&str> {
    let (sid, _) = value.strip_prefix("s%3A")?.rsplit_once('.')?;
    Some(sid)
}

fn attributes_agree(a: &(String, String), b: &(String, String)) -> bool {
    if a.0 != "Expires" || b.0 != "Expires" {
        return a == b;
    }
    match (http_seconds(&a.1), http_seconds(&b.1)) {
        (Some(a), Some(b)) => a.abs_diff(b) <= EXPIRES_TOLERANCE_S,
        _ => a == b,
    }
}

impl fmt::Display for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.session {
            Some(session) => write!(f, "{}=<{session}>", self.name)?,
            None => write!(f, "{}={}", self.name, self.value)?,
        }
        for (name, value) in &self.attributes {
            let equals = if value.is_empty() { "" } else { "=" };
            write!(f, "; {name}{equals}{value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(header: &str) -> SetCookie {
        SetCookie::parse(header, &mut Names::default())
    }

    #[test]
    fn the_id_and_the_signature_differ_but_the_cookies_agree() {
        let left = parse(
            "connect.sid=s%3Aabc.SIG%2Bx; Path=/; Expires=Tue, 29 Feb 2000 12:30:15 GMT; HttpOnly",
        );
        let right = parse(
            "connect.sid=s%3Axyz.OTHER; Path=/; Expires=Tue, 29 Feb 2000 12:30:16 GMT; HttpOnly",
        );
        assert!(left.agrees_with(&right));
        assert_eq!(
            left.to_string(),
            "connect.sid=<s1>; Path=/; Expires=Tue, 29 Feb 2000 12:30:15 GMT; HttpOnly"
        );
    }

    #[test]
    fn attributes_and_late_moments_do_not_agree() {
        let left = parse("connect.sid=s%3Aabc.S; Path=/; Expires=Tue, 29 Feb 2000 12:30:15 GMT");
        for other in [
            "connect.sid=s%3Aabc.S; Path=/",
            "connect.sid=s%3Aabc.S; Path=/x; Expires=Tue, 29 Feb 2000 12:30:15 GMT",
            "connect.sid=s%3Aabc.S; Path=/; Expires=Tue, 29 Feb 2000 12:30:18 GMT",
            "connect.sid=; Path=/; Expires=Tue, 29 Feb 2000 12:30:15 GMT",
            "other=s%3Aabc.S; Path=/; Expires=Tue, 29 Feb 2000 12:30:15 GMT",
        ] {
            assert!(!left.agrees_with(&parse(other)), "{other}");
        }
    }

    #[test]
    fn clearing_is_no_value_and_the_epoch() {
        assert!(parse("connect.sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT").clears());
        assert!(!parse("connect.sid=; Path=/").clears());
        assert!(!parse("connect.sid=s%3Aabc.S; Expires=Thu, 01 Jan 1970 00:00:00 GMT").clears());
    }
}
