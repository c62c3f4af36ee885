//! Prepares a request's head for Next: without the fields that only the gate may set, and without the ticket.

use std::fmt::Write as _;

use axum::http::header::{
    CONNECTION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, TRAILER, UPGRADE,
};
use cloakroom::auth::{Decision, RequestSource};

/// The user who is signed in, escaped by `encodeURIComponent`.
pub(crate) const USER: HeaderName = HeaderName::from_static("x-session-user");

/// Makes a client's head one that Next may trust.
///
/// The session's cookie is removed: Next needs no ticket, and without it none can leak into its logs, its
/// error reports or its calls to others.
pub(crate) fn prepare(headers: &mut HeaderMap, cookie: &str, user: Option<&str>) {
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_ours(name))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
    // A client names in `Connection` the fields that a proxy has to drop (RFC 9110 §7.6.1): not the gate's.
    // Nor does it set in a trailer what it may not set in the head.
    headers.remove(CONNECTION);
    headers.remove(TRAILER);
    if is_websocket(headers) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    } else {
        // Next speaks no other protocol: `h2c` would be a tunnel past the gate.
        headers.remove(UPGRADE);
    }
    drop_cookie(headers, cookie.as_bytes());
    if let Some(Ok(user)) = user.map(|user| HeaderValue::try_from(escaped(user))) {
        headers.insert(USER, user);
    }
}

/// Returns `true` if only this gate, the first hop, may set a field: the user, the request's source, and its
/// target. Next's own `x-middleware-…` have skipped its middleware before.
///
/// Names are compared as by CGI servers, which make variables of them: any character but a letter or digit is
/// `-`, and a leading `HTTP_` is ignored.
fn is_ours(name: &HeaderName) -> bool {
    const NAMES: [&str; 15] = [
        "client-ip",
        "forwarded",
        "remote-user",
        "true-client-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-forwarded",
        "x-host",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-real-ip",
        "x-remote-user",
        "x-rewrite-url",
        "x-rewrite-uri",
    ];
    const PREFIXES: [&str; 6] = [
        "x-auth-request-",
        "x-authenticated-",
        "x-forwarded-",
        "x-middleware-",
        "x-original-",
        "x-session-",
    ];
    let fold = |byte: u8| match byte {
        b if b.is_ascii_alphanumeric() => char::from(b.to_ascii_lowercase()),
        _ => '-',
    };
    let name: String = name.as_str().bytes().map(fold).collect();
    let name = name.trim_start_matches("http-");
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns `true` if it requests an upgrade to WebSocket, and to nothing else.
fn is_websocket(headers: &HeaderMap) -> bool {
    let mut asked = headers.get_all(UPGRADE).iter();
    let first = asked.next().map(HeaderValue::as_bytes);
    first.is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
        && asked.next().is_none()
}

/// Removes the session's cookie, and leaves the other cookies unchanged.
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
            // Writing to a String cannot fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}

/// Returns `true` if another site's page opens a socket here. It begins with a GET, which no browser
/// restricts to the same origin (RFC 6455 §10.2); a client that is no browser has no `Origin`, and no user's
/// cookie.
pub(crate) fn is_foreign_socket(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let origin = text(ORIGIN.as_str());
    let scheme = origin
        .and_then(|origin| origin.split_once("://"))
        .map_or("", |(scheme, _)| scheme);
    let own = text(HOST.as_str()).map(|host| format!("{scheme}://{host}"));
    let source = RequestSource {
        is_safe: false,
        fetch_site: text("sec-fetch-site"),
        origin,
        own: own.as_deref(),
    };
    headers.contains_key(UPGRADE) && source.evaluate(&[]) == Decision::Refused
}

#[cfg(test)]
#[path = "upstream_tests.rs"]
mod tests;
