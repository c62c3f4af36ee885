//! The source of a request, by its head.

use super::handle::InExtensions;
use super::head::{self, HeaderMapExt as _, Name, RequestHead};
use crate::auth::{Decision, Origin, RequestSource};

/// An extension: the origins that may send requests besides the site's own.
#[cfg(any(feature = "ws", feature = "socketio"))]
#[derive(Clone, Debug)]
pub(super) struct Allowed(pub(super) std::sync::Arc<Vec<Origin>>);

/// Evaluates a request as one that changes something, unless it `is_safe`.
pub(super) fn evaluate(
    head: &impl RequestHead,
    found: InExtensions<'_>,
    allowed: &[Origin],
    is_safe: bool,
) -> Decision {
    let is_secure = found.any().is_some_and(|handle| handle.is_secure(head));
    let scheme = if is_secure { "https" } else { "http" };
    let own = head::host(head).map(|host| format!("{scheme}://{host}"));
    let source = RequestSource {
        is_safe,
        fetch_site: head.fields().first(Name::SecFetchSite),
        origin: head.fields().first(Name::Origin),
        own: own.as_deref(),
    };
    source.evaluate(allowed)
}

/// Returns `true` if another site makes a browser open this connection, with its user's cookie: no
/// same-origin policy keeps it from reading the messages (cross-site WebSocket hijacking).
///
/// A client that does not state its origin is no browser (RFC 6455 §10.2), and sends its own cookie.
#[cfg(any(feature = "ws", feature = "socketio"))]
pub(super) fn is_hijacked(parts: &http::request::Parts) -> bool {
    let allowed = parts.extensions.get::<Allowed>();
    let allowed = allowed.map_or(&[][..], |allowed| &allowed.0);
    let found = super::tower::found(&parts.extensions);
    evaluate(parts, found, allowed, false) == Decision::Refused
}
