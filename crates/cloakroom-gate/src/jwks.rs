//! The set of public keys, for verifiers.

use axum::body::Body;
use axum::response::Response;
use http::Method;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};

use crate::keys::Keys;

/// The place of the set, on every listener of a gate.
pub(crate) const PATH: &str = "/.well-known/jwks.json";

/// Returns the set for a request that asks for it; verifiers may keep it for half the time for which a key is
/// published before it signs.
pub(crate) fn answer(keys: &Keys, method: &Method, path: &str) -> Option<Response> {
    if path != PATH || !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let mut response = Response::new(Body::from(keys.jwks()));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/jwk-set+json"),
    );
    let cache = format!("public, max-age={}", keys.max_age().as_secs());
    if let Ok(cache) = HeaderValue::try_from(cache) {
        headers.insert(CACHE_CONTROL, cache);
    }
    Some(response)
}
