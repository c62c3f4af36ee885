//! Requests that another site made a visitor's browser send are refused (CSRF).
//!
//! `SameSite=Lax` keeps the session out of most of them; this also keeps another site from signing
//! a visitor in to an account of its own.

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::failure::Failure;

/// Lets only requests through that this site, or no site at all, is behind.
pub(super) async fn refuse_foreign(request: Request, next: Next) -> Response {
    if is_foreign(request.method(), request.headers()) {
        return Failure::Foreign.into_response();
    }
    next.run(request).await
}

/// Whether another site is behind a request that changes something.
///
/// Browsers say so in `Sec-Fetch-Site` where the connection is trustworthy, and in `Origin`
/// elsewhere; a program that is no browser sends neither.
fn is_foreign(method: &Method, headers: &HeaderMap) -> bool {
    if method.is_safe() {
        return false;
    }
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return false;
    };
    let authority = origin.to_str().ok().and_then(|text| text.split_once("://"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    authority.map(|(_, authority)| authority) != host || host.is_none()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, Method};

    use super::is_foreign;

    #[test]
    fn another_site_changes_nothing() {
        #[rustfmt::skip]
        let table = [ // Sec-Fetch-Site,     Origin,                              foreign
            (None,                Some("http://127.0.0.1:3000"),       false),
            (None,                None,                                false),
            (Some("same-origin"), Some("https://proxied.example"),     false),
            (Some("none"),        None,                                false),
            (Some("same-site"),   None,                                true),
            (Some("cross-site"),  Some("http://127.0.0.1:3000"),       true),
            (Some("nonsense"),    None,                                true),
            (None,                Some("http://127.0.0.1:3001"),       true),
            (None,                Some("http://evil.example"),         true),
            (None,                Some("http://127.0.0.1:3000.evil"),  true),
            (None,                Some("null"),                        true),
            (None,                Some(""),                            true),
        ];
        for (site, origin, foreign) in table {
            let mut headers = HeaderMap::new();
            headers.insert("host", "127.0.0.1:3000".parse().unwrap());
            for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                if let Some(value) = value {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            assert_eq!(is_foreign(&Method::POST, &headers), foreign, "{headers:?}");
            assert_eq!(is_foreign(&Method::DELETE, &headers), foreign);
            assert!(!is_foreign(&Method::GET, &headers));
        }
    }
}
