//! The source of a request that a browser does not restrict to its own site: sockets, and forms.

use cloakroom::auth::{Decision, Origin, RequestSource};
use http::header::ORIGIN;
use http::{HeaderMap, Method};

/// Returns `true` if another site's page may have made a user's browser send this, so that it is refused.
///
/// A WebSocket begins with a GET, which no browser restricts to the same origin (RFC 6455 §10.2), and every
/// browser says where it comes from: without `Origin` none is opened. A request that changes something is
/// refused where it says that it comes from elsewhere; a program that says nothing has no user's cookie.
pub(crate) fn is_foreign(
    method: &Method,
    is_socket: bool,
    headers: &HeaderMap,
    host: &str,
    allowed: &[String],
) -> bool {
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let mut origins = headers.get_all(ORIGIN).iter();
    let origin = origins.next().map(|value| value.to_str().unwrap_or(""));
    if origins.next().is_some() {
        return is_socket || !is_safe;
    }
    let scheme = origin.and_then(|origin| origin.split_once("://"));
    let own = scheme.map(|(scheme, _)| format!("{scheme}://{}", host.to_ascii_lowercase()));
    let source = RequestSource {
        is_safe: is_safe && !is_socket,
        fetch_site: headers
            .get("sec-fetch-site")
            .map(|value| value.to_str().unwrap_or("")),
        origin,
        own: own.as_deref(),
    };
    let allowed: Vec<Origin> = allowed
        .iter()
        .filter_map(|origin| Origin::parse(origin).ok())
        .collect();
    match source.evaluate(&allowed) {
        Decision::Pass => is_socket && origin.is_none(),
        Decision::TokenNeeded => is_socket,
        Decision::Refused => true,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, Method};

    use super::is_foreign;

    /// Method, whether it is a handshake, fields, whether it is refused.
    type Row<'a> = (Method, bool, &'a [(&'a str, &'a str)], bool);

    #[test]
    fn g13_sockets_are_opened_by_this_sites_pages_and_forms_sent_from_them() {
        const SOCKET: bool = true;
        const PLAIN: bool = false;
        #[rustfmt::skip]
        let table: [Row<'_>; 21] = [
            (Method::GET,  SOCKET, &[("origin", "https://app.example:8080")],                                          false),
            (Method::GET,  SOCKET, &[("origin", "http://app.example:8080")],                                           false),
            (Method::GET,  SOCKET, &[("origin", "https://pay.example")],                                               false),
            (Method::GET,  SOCKET, &[],                                                                                true),
            (Method::GET,  SOCKET, &[("origin", "https://evil.example")],                                              true),
            (Method::GET,  SOCKET, &[("origin", "https://app.example")],                                               true),
            (Method::GET,  SOCKET, &[("origin", "https://app.example:8080.evil.example")],                             true),
            (Method::GET,  SOCKET, &[("origin", "https://app.example:8080@evil.example")],                             true),
            (Method::GET,  SOCKET, &[("origin", "null")],                                                              true),
            (Method::GET,  SOCKET, &[("origin", "")],                                                                  true),
            (Method::GET,  SOCKET, &[("origin", "https://app.example:8080"), ("origin", "https://evil.example")],      true),
            (Method::GET,  SOCKET, &[("sec-fetch-site", "cross-site")],                                                true),
            (Method::GET,  SOCKET, &[("sec-fetch-site", "same-site"), ("origin", "https://app.example:8080")],         true),
            (Method::GET,  PLAIN,  &[("origin", "https://evil.example")],                                              false),
            (Method::GET,  PLAIN,  &[],                                                                                false),
            (Method::POST, PLAIN,  &[],                                                                                false),
            (Method::POST, PLAIN,  &[("origin", "https://app.example:8080")],                                          false),
            (Method::POST, PLAIN,  &[("origin", "https://evil.example")],                                              true),
            (Method::POST, PLAIN,  &[("origin", "null")],                                                              true),
            (Method::DELETE, PLAIN, &[("sec-fetch-site", "cross-site")],                                               true),
            (Method::POST, PLAIN,  &[("sec-fetch-site", "same-origin")],                                               false),
        ];
        let allowed = ["https://pay.example".to_owned()];
        for (method, is_socket, fields, expected) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
            }
            let foreign = is_foreign(&method, is_socket, &headers, "App.example:8080", &allowed);
            assert_eq!(foreign, expected, "{method} {is_socket} {fields:?}");
        }
    }
}
