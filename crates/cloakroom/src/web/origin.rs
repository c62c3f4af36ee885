//! Where a request comes from, by its head.

use http::HeaderName;
use http::header::{HOST, ORIGIN};
use http::request::Parts;

use super::SessionHandle;
use crate::auth::{Source, Verdict};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// An extension: the origins that may send requests besides the site's own.
#[cfg(any(feature = "ws", feature = "socketio"))]
#[derive(Clone, Debug)]
pub(super) struct Allowed(pub(super) std::sync::Arc<Vec<String>>);

/// Judges a request as one that changes something, unless it `is_safe`.
pub(super) fn judge(parts: &Parts, allowed: &[String], is_safe: bool) -> Verdict {
    let text = |name| {
        parts
            .headers
            .get(name)
            .map(|value| value.to_str().unwrap_or(""))
    };
    let handle = parts.extensions.get::<SessionHandle>();
    let is_secure = handle.is_some_and(|handle| handle.is_secure(parts));
    let scheme = if is_secure { "https" } else { "http" };
    let host = text(HOST).or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
    let own = host.map(|host| format!("{scheme}://{host}"));
    let source = Source {
        is_safe,
        fetch_site: text(SEC_FETCH_SITE),
        origin: text(ORIGIN),
        own: own.as_deref(),
    };
    source.judge(allowed)
}

/// Whether another site makes a browser open this connection, with its visitor's cookie: no same-origin
/// policy keeps it from reading what comes (cross-site WebSocket hijacking).
///
/// A client that does not say where it comes from is no browser (RFC 6455 §10.2), and brings the
/// cookie that it was given.
#[cfg(any(feature = "ws", feature = "socketio"))]
pub(super) fn is_hijacked(parts: &Parts) -> bool {
    let allowed = parts.extensions.get::<Allowed>();
    let allowed = allowed.map_or(&[][..], |allowed| &allowed.0);
    judge(parts, allowed, false) == Verdict::Refused
}
