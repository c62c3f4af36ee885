//! The fields of a head: which ones only the gate may set, and what is left of a client's.

use http::header::{
    CONNECTION, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, TRAILER, UPGRADE,
};

/// The user who is signed in, escaped as by `encodeURIComponent`.
pub(crate) const USER: HeaderName = HeaderName::from_static("x-session-user");
/// The user's roles, each escaped alike, joined by commas.
pub(crate) const ROLES: HeaderName = HeaderName::from_static("x-session-roles");
/// The token that proves both to services.
pub(crate) const TOKEN: HeaderName = HeaderName::from_static("x-session-jwt");

/// Fields that only the gate, the first hop, may set: the user, the request's source, its target and its method.
/// In lower case.
pub const RESERVED_FIELDS: [&str; 29] = [
    "client-ip",
    "fastly-client-ip",
    "forwarded",
    "forwarded-for",
    "front-end-https",
    "http2-settings",
    "proxy",
    "proxy-authorization",
    "remote-email",
    "remote-groups",
    "remote-name",
    "remote-user",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-real-ip",
    "x-remote-user",
    "x-rewrite-uri",
    "x-rewrite-url",
    "x-scheme",
    "x-url-scheme",
    "x-user",
    "x-webauth-user",
];

/// The beginnings of the names of other such fields.
pub const RESERVED_PREFIXES: [&str; 8] = [
    "cf-connecting-",
    "x-auth-request-",
    "x-authenticated-",
    "x-envoy-",
    "x-forwarded-",
    "x-middleware-",
    "x-original-",
    "x-session-",
];

/// Returns `true` if only the gate may set a field.
///
/// Names are compared as by CGI servers, which make variables of them: any character but a letter or digit is
/// `-`, and a leading `HTTP_` is ignored.
pub(crate) fn is_ours(name: &HeaderName) -> bool {
    let name = folded(name);
    let name = name.trim_start_matches("http-");
    RESERVED_FIELDS.contains(&name)
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Returns `true` if a field is the gate's in a spelling that no proxy writes, and few remove: `X_Session_User`.
pub(crate) fn is_disguised(name: &HeaderName) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let has_prefix = name.as_str().starts_with("http-");
    (has_prefix || !name.as_str().bytes().all(is_plain)) && is_ours(name)
}

/// Returns `true` if a field of an upstream's response is not passed on: one that speaks for the gate, or that
/// a proxy before it would obey.
fn is_answers(name: &HeaderName) -> bool {
    let name = folded(name);
    [
        "x-session-",
        "x-accel-",
        "x-sendfile",
        "x-lighttpd-send-file",
        "surrogate-",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix))
}

fn folded(name: &HeaderName) -> String {
    let fold = |byte: u8| match byte {
        b if b.is_ascii_alphanumeric() => char::from(b.to_ascii_lowercase()),
        _ => '-',
    };
    name.as_str().bytes().map(fold).collect()
}

/// Makes a client's head one that an upstream may trust; `ticket` is the name of a cookie that it may not see.
pub(crate) fn clean(headers: &mut HeaderMap, ticket: Option<&str>) {
    remove(headers, is_ours);
    // A client names in `Connection` the fields that a proxy has to drop (RFC 9110 §7.6.1): not the gate's.
    // Nor does it set in a trailer what it may not set in the head.
    headers.remove(CONNECTION);
    headers.remove(TRAILER);
    if is_websocket(headers) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    } else {
        // `h2c` would be a tunnel past the gate.
        headers.remove(UPGRADE);
    }
    if let Some(ticket) = ticket {
        drop_cookie(headers, ticket.as_bytes());
    }
}

/// Makes an upstream's head one that a client may have; `ticket` is the name of a cookie that it may not set.
pub(crate) fn clean_answer(headers: &mut HeaderMap, ticket: Option<&str>) {
    remove(headers, is_answers);
    let Some(ticket) = ticket else { return };
    let fields: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    headers.remove(SET_COOKIE);
    for field in fields {
        if !is_named(field.as_bytes(), ticket.as_bytes()) {
            headers.append(SET_COOKIE, field);
        }
    }
}

fn remove(headers: &mut HeaderMap, is_unwanted: fn(&HeaderName) -> bool) {
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_unwanted(name))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// Returns `true` if it requests an upgrade to WebSocket, and to nothing else.
pub(crate) fn is_websocket(headers: &HeaderMap) -> bool {
    let mut asked = headers.get_all(UPGRADE).iter();
    let first = asked.next().map(HeaderValue::as_bytes);
    first.is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
        && asked.next().is_none()
}

/// Removes a cookie, and leaves the others unchanged.
pub(crate) fn drop_cookie(headers: &mut HeaderMap, cookie: &[u8]) {
    let fields: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    for field in fields {
        let others: Vec<&[u8]> = field
            .as_bytes()
            .split(|&byte| byte == b';')
            .filter(|pair| !is_named(pair, cookie) && !pair.trim_ascii().is_empty())
            .collect();
        if let Ok(value) = HeaderValue::from_bytes(others.join(&b';').trim_ascii())
            && !value.is_empty()
        {
            headers.append(COOKIE, value);
        }
    }
}

fn is_named(pair: &[u8], cookie: &[u8]) -> bool {
    // A pair without a name, `=connect.sid=…`, is read by some as one without its first sign.
    let begin = |byte: &u8| *byte == b'=' || byte.is_ascii_whitespace();
    let from = pair
        .iter()
        .position(|byte| !begin(byte))
        .unwrap_or(pair.len());
    let name = pair[from..]
        .split(|&byte| matches!(byte, b'=' | b';'))
        .next()
        .unwrap_or_default();
    name.trim_ascii() == cookie
}

#[cfg(test)]
mod tests;
