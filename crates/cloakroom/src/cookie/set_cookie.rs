//! Formats the Set-Cookie field, byte for byte as npm's `cookie` 0.7.2 writes it.

use super::codec;
use super::ticket::SIGNATURE_LEN;
use super::{CookieName, KeyRing, Ticket};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::record::{Attribute, CookieState};

/// The most bytes that user agents accept for a cookie's name and value together (RFC 6265bis §5.7).
const LONGEST_PAIR: usize = 4_096;
/// The most bytes of an attribute's value; user agents ignore a longer one (RFC 6265bis §5.6).
pub(crate) const LONGEST_ATTRIBUTE: usize = 1_024;

/// The error of an attribute that no Set-Cookie field can express; the session is kept, the cookie is not
/// sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetCookieError {
    /// Labels of letters, digits and hyphens, with at most a dot before them.
    #[error("option domain is invalid")]
    Domain,
    /// Visible ASCII without `;` and `<`.
    #[error("option path is invalid")]
    Path,
    /// A date that JavaScript cannot hold.
    #[error("option expires is invalid")]
    Expires,
    /// `low`, `medium` or `high`.
    #[error("option priority is invalid")]
    Priority,
    /// `strict`, `lax` or `none`.
    #[error("option sameSite is invalid")]
    SameSite,
}

/// Formats the field that gives `id` to a client: signed by the newest key, with a session's own attributes.
///
/// # Errors
///
/// [`SetCookieError`] for an attribute that a handler or another writer set to a value that no field can
/// express.
pub fn set_cookie(
    name: &CookieName,
    id: &SessionId,
    keys: &KeyRing,
    cookie: &CookieState,
) -> Result<String, SetCookieError> {
    let expires = cookie.expires_attribute();
    let life = Life::until(expires.map_err(|()| SetCookieError::Expires)?);
    format_cookie(name, id, keys, life, cookie)
}

/// Lifetime of a cookie at the user agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Life {
    /// `None`: until the browser closes.
    pub(crate) expires: Option<Timestamp>,
    /// Whole seconds, beside `Expires`.
    pub(crate) max_age: Option<u64>,
}

impl Life {
    /// Returns a lifetime for `Expires` alone.
    pub(crate) fn until(expires: Option<Timestamp>) -> Self {
        Self {
            expires,
            max_age: None,
        }
    }
}

/// Formats the field that gives `id` to a client, signed by the newest key; the client's next request finds
/// its cookie verified.
pub(crate) fn format_cookie(
    name: &CookieName,
    id: &SessionId,
    keys: &KeyRing,
    life: Life,
    cookie: &CookieState,
) -> Result<String, SetCookieError> {
    let keys = keys.load();
    let signature = keys.sign(id.expose().as_bytes());
    let value = ["s:", id.expose(), ".", signature.as_str()];
    let field = serialize(name, &value, life, cookie)?;
    let ticket = Ticket {
        id: id.clone(),
        signature: Some(signature),
    };
    keys.verified()
        .note(value_in(&field, name).as_bytes(), &ticket);
    Ok(field)
}

/// Returns the value of the cookie that a field sets, as the client sends it back.
fn value_in<'a>(field: &'a str, name: &CookieName) -> &'a str {
    let value = &field[name.as_str().len() + 1..];
    value.split(';').next().unwrap_or(value)
}

/// Formats the field that sends a client's own ticket again.
pub(crate) fn reissue_cookie(
    name: &CookieName,
    ticket: &Ticket,
    keys: &KeyRing,
    life: Life,
    cookie: &CookieState,
) -> Result<String, SetCookieError> {
    match &ticket.signature {
        Some(signature) => {
            let value = ["s:", ticket.id.expose(), ".", signature.as_str()];
            serialize(name, &value, life, cookie)
        }
        None => format_cookie(name, &ticket.id, keys, life, cookie),
    }
}

/// Formats the field that makes a user agent drop the cookie: no value, and expired since 1970.
///
/// # Errors
///
/// [`SetCookieError`] as for [`set_cookie`]: a cookie that was never set need not be cleared.
pub fn clear_cookie(name: &CookieName, cookie: &CookieState) -> Result<String, SetCookieError> {
    let past = Life::until(Some(Timestamp::from_millis(0)));
    serialize(name, &[], past, cookie)
}

/// Formats the field with a value that is given in parts; the attributes follow in npm's order.
pub(crate) fn serialize(
    name: &CookieName,
    value: &[&str],
    life: Life,
    cookie: &CookieState,
) -> Result<String, SetCookieError> {
    let mut field = String::with_capacity(192);
    field.push_str(name.as_str());
    field.push('=');
    for part in value {
        codec::encode(part, &mut field);
    }
    if let Some(max_age) = life.max_age {
        field.push_str("; Max-Age=");
        field.push_str(&max_age.to_string());
    }
    if let Some(domain) = text(cookie.domain(), is_domain, SetCookieError::Domain)? {
        field.push_str("; Domain=");
        field.push_str(domain);
    }
    if let Some(path) = text(cookie.path(), is_path, SetCookieError::Path)? {
        field.push_str("; Path=");
        field.push_str(path);
    }
    if let Some(expires) = life.expires {
        field.push_str("; Expires=");
        expires.write_imf(&mut field);
    }
    let flags = [
        ("; HttpOnly", cookie.http_only()),
        ("; Secure", cookie.secure()),
        ("; Partitioned", cookie.partitioned()),
    ];
    for (flag, _) in flags.iter().filter(|(_, attribute)| attribute.is_truthy()) {
        field.push_str(flag);
    }
    if let Some(priority) = priority(cookie.priority())? {
        field.push_str("; Priority=");
        field.push_str(priority);
    }
    if let Some(same_site) = same_site(cookie.same_site())? {
        field.push_str("; SameSite=");
        field.push_str(same_site);
    }
    Ok(field)
}

/// Returns `true` if browsers keep the cookie of an id, whichever key signs it.
pub(crate) fn fits_cookie(name: &CookieName, id: &str) -> bool {
    // Each character of base64 may need three when escaped.
    const LONGEST_SIGNATURE: usize = 3 * SIGNATURE_LEN;
    let mut value = String::new();
    for part in ["s:", id, "."] {
        codec::encode(part, &mut value);
    }
    name.as_str().len() + value.len() + LONGEST_SIGNATURE <= LONGEST_PAIR
}

fn text(
    attribute: &Attribute,
    is_valid: fn(&str) -> bool,
    error: SetCookieError,
) -> Result<Option<&str>, SetCookieError> {
    match attribute {
        Attribute::Text(text) if text.is_empty() => Ok(None),
        Attribute::Text(text) if is_valid(text) => Ok(Some(text)),
        falsy if !falsy.is_truthy() => Ok(None),
        _ => Err(error),
    }
}

fn priority(attribute: &Attribute) -> Result<Option<&'static str>, SetCookieError> {
    let names = [("low", "Low"), ("medium", "Medium"), ("high", "High")];
    one_of(attribute, &names, SetCookieError::Priority)
}

fn same_site(attribute: &Attribute) -> Result<Option<&'static str>, SetCookieError> {
    if *attribute == Attribute::Bool(true) {
        return Ok(Some("Strict"));
    }
    let names = [("strict", "Strict"), ("lax", "Lax"), ("none", "None")];
    one_of(attribute, &names, SetCookieError::SameSite)
}

fn one_of(
    attribute: &Attribute,
    names: &[(&str, &'static str)],
    error: SetCookieError,
) -> Result<Option<&'static str>, SetCookieError> {
    match attribute {
        falsy if !falsy.is_truthy() => Ok(None),
        Attribute::Text(text) => {
            let found = names
                .iter()
                .find(|(name, _)| text.eq_ignore_ascii_case(name));
            found.map(|(_, written)| Some(*written)).ok_or(error)
        }
        _ => Err(error),
    }
}

/// Checks a domain: labels of 1 to 63 letters, digits and inner hyphens, joined by dots; a dot may come
/// first.
pub(crate) fn is_domain(domain: &str) -> bool {
    domain
        .strip_prefix('.')
        .unwrap_or(domain)
        .split('.')
        .all(|label| {
            let bytes = label.as_bytes();
            (1..=63).contains(&bytes.len())
                && bytes
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
                && bytes[0] != b'-'
                && bytes[bytes.len() - 1] != b'-'
        })
}

pub(crate) fn is_path(path: &str) -> bool {
    path.bytes()
        .all(|byte| matches!(byte, b' '..=b':' | b'='..=b'~'))
}
