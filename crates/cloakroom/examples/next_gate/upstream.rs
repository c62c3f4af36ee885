//! What of a request's head goes on to Next: nothing that only the gate may say, no ticket.

use std::fmt::Write as _;

use axum::http::header::{
    CONNECTION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, UPGRADE,
};
use cloakroom::auth::{Source, Verdict};

/// Who is signed in, in the characters that `encodeURIComponent` leaves or makes.
pub(crate) const USER: HeaderName = HeaderName::from_static("x-session-user");

/// Makes a client's head one that Next may believe.
///
/// The session's cookie stays here: Next needs no ticket, and what it does not have cannot end up in
/// its logs, its error reports or its calls to others.
pub(crate) fn prepare(headers: &mut HeaderMap, cookie: &str, user: Option<&str>) {
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_ours(name))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
    // A client names in `Connection` what a proxy has to drop (RFC 9110 §7.6.1): not our header.
    headers.remove(CONNECTION);
    if headers.contains_key(UPGRADE) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    drop_cookie(headers, cookie.as_bytes());
    if let Some(Ok(user)) = user.map(|user| HeaderValue::try_from(escaped(user))) {
        headers.insert(USER, user);
    }
}

/// Whether only this gate, the first hop, may say it. Servers that make variables of headers take
/// `_` for `-`; Next's own `x-middleware-…` have skipped its middleware before.
fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str().replace('_', "-");
    name == USER.as_str()
        || name == "forwarded"
        || name.starts_with("x-forwarded-")
        || name.starts_with("x-middleware-")
}

/// Leaves the other cookies as they came.
fn drop_cookie(headers: &mut HeaderMap, cookie: &[u8]) {
    let fields: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    for field in fields {
        let others: Vec<&[u8]> = field
            .as_bytes()
            .split(|&byte| byte == b';')
            .filter(|pair| {
                let name = pair.split(|&byte| byte == b'=').next().unwrap_or_default();
                name.trim_ascii() != cookie && !pair.trim_ascii().is_empty()
            })
            .collect();
        if let Ok(value) = HeaderValue::from_bytes(others.join(&b';').trim_ascii())
            && !value.is_empty()
        {
            headers.append(COOKIE, value);
        }
    }
}

fn escaped(user: &str) -> String {
    let mut text = String::with_capacity(user.len());
    for byte in user.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            // A String takes whatever is written to it.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}

/// Whether another site's page opens a socket here. It begins with a GET, which no browser holds to
/// the same origin (RFC 6455 §10.2); what is no browser has no `Origin`, and no visitor's cookie.
pub(crate) fn is_foreign_socket(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let origin = text(ORIGIN.as_str());
    let scheme = origin
        .and_then(|origin| origin.split_once("://"))
        .map_or("", |(scheme, _)| scheme);
    let own = text(HOST.as_str()).map(|host| format!("{scheme}://{host}"));
    let source = Source {
        is_safe: false,
        fetch_site: text("sec-fetch-site"),
        origin,
        own: own.as_deref(),
    };
    headers.contains_key(UPGRADE) && source.judge(&[]) == Verdict::Refused
}

#[cfg(test)]
#[path = "upstream_tests.rs"]
mod tests;
