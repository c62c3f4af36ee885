//! Files that may be fetched without a session: those that a build of Next names by their content.

use axum::http::header::UPGRADE;
use axum::http::{HeaderMap, Method, StatusCode};

use crate::upstream::is_foreign_socket;

/// The clients that may send a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Any client: it is forwarded without a session.
    Public,
    /// Users who are signed in.
    Guarded,
    /// No client.
    Refused(StatusCode),
}

/// Returns the rule for a request.
///
/// A request that would become a tunnel is never public, whatever its path: after a handshake the upstream
/// would accept any request. `CONNECT` (RFC 9110 §9.3.6, and HTTP/2's extended one, RFC 8441) is for proxies
/// of another kind.
pub(crate) fn rule(method: &Method, path: &str, headers: &HeaderMap) -> Rule {
    let is_tunnel = headers.contains_key(UPGRADE);
    if *method == Method::CONNECT {
        Rule::Refused(StatusCode::METHOD_NOT_ALLOWED)
    } else if is_tunnel && is_foreign_socket(headers) {
        Rule::Refused(StatusCode::FORBIDDEN)
    } else if !is_tunnel && is_public(method, path) {
        Rule::Public
    } else {
        Rule::Guarded
    }
}

/// Returns `true` if any client may have this path.
///
/// `/_next/static/` holds the scripts, sheets and fonts of the browser's side, equal for every user; their
/// sources are readable, the data of pages is not in them. `/_next/data/` and `/_next/image` are not public:
/// the one is rendered, the other fetches the URL in its query.
fn is_public(method: &Method, path: &str) -> bool {
    let is_file = matches!(path, "/favicon.ico" | "/robots.txt")
        || path
            .strip_prefix("/_next/static/")
            .is_some_and(|file| file.split('/').all(is_plain));
    matches!(*method, Method::GET | Method::HEAD) && is_file
}

/// Returns `true` if every parser reads a part of a path alike: no dots that lead up, no escapes but those of
/// brackets, which Next writes in the names of its files.
fn is_plain(part: &str) -> bool {
    let bare = part.replace("%5B", "").replace("%5D", "");
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~@".contains(&byte);
    !part.is_empty() && !part.starts_with('.') && bare.bytes().all(is_word)
}

#[cfg(test)]
mod tests {
    use super::{Rule, is_public, rule};
    use axum::http::{HeaderMap, HeaderName, Method, StatusCode};

    #[test]
    fn x1_a_public_rule_never_opens_a_tunnel() {
        const PUBLIC: [&str; 3] = [
            "/favicon.ico",
            "/robots.txt",
            "/_next/static/chunks/main.js",
        ];
        const FORBIDDEN: Rule = Rule::Refused(StatusCode::FORBIDDEN);
        const NOT_ALLOWED: Rule = Rule::Refused(StatusCode::METHOD_NOT_ALLOWED);
        type Row<'a> = (Method, &'a [(&'a str, &'a str)], Rule);
        #[rustfmt::skip]
        let table: [Row<'_>; 13] = [
            (Method::GET,     &[],                                                      Rule::Public),
            (Method::HEAD,    &[],                                                      Rule::Public),
            (Method::GET,     &[("connection", "upgrade")],                             Rule::Public),
            (Method::GET,     &[("origin", "https://evil.example")],                    Rule::Public),
            (Method::POST,    &[],                                                      Rule::Guarded),
            (Method::GET,     &[("upgrade", "websocket")],                              Rule::Guarded),
            (Method::GET,     &[("upgrade", "")],                                       Rule::Guarded),
            (Method::GET,     &[("upgrade", "h2c"), ("http2-settings", "")],            Rule::Guarded),
            (Method::GET,     &[("upgrade", "WebSocket"), ("origin", "https://gate.example")], Rule::Guarded),
            (Method::GET,     &[("upgrade", "websocket"), ("origin", "https://evil.example")], FORBIDDEN),
            (Method::GET,     &[("upgrade", "websocket"), ("origin", "null")],          FORBIDDEN),
            (Method::GET,     &[("upgrade", "x"), ("sec-fetch-site", "cross-site")],    FORBIDDEN),
            (Method::CONNECT, &[],                                                      NOT_ALLOWED),
        ];
        for path in PUBLIC {
            for (method, fields, expected) in &table {
                let mut headers = HeaderMap::new();
                headers.insert("host", "gate.example".parse().unwrap());
                for (name, value) in *fields {
                    let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                    headers.insert(name, value.parse().unwrap());
                }
                assert_eq!(
                    rule(method, path, &headers),
                    *expected,
                    "{method} {path} {fields:?}"
                );
                let private = rule(method, "/", &headers);
                assert_ne!(private, Rule::Public, "{method} / {fields:?}");
            }
        }
    }

    #[test]
    fn files_of_the_build_are_public_and_nothing_else_is() {
        #[rustfmt::skip]
        let table = [
            ("/favicon.ico",                                true),
            ("/robots.txt",                                 true),
            ("/_next/static/chunks/main-0a1b.js",           true),
            ("/_next/static/chunks/app/%5Bslug%5D/page.js", true),
            ("/_next/static/chunks/0~x_9.-.css",            true),
            ("/",                                           false),
            ("/favicon.ico/",                               false),
            ("/favicon.ico/secret",                         false),
            ("/static/x.js",                                false),
            ("/_next/static",                               false),
            ("/_next/static/",                              false),
            ("/_next/static/../secret",                     false),
            ("/_next/static/chunks/../../../secret",        false),
            ("/_next/static/./x.js",                        false),
            ("/_next/static/%2e%2e/secret",                 false),
            ("/_next/static/..%2fsecret",                   false),
            ("/_next/static/%5b%2e%2e%5d",                  false),
            ("/_next/static/..\\secret",                    false),
            ("/_next/static/..;/secret",                    false),
            ("/_next/static//secret",                       false),
            ("//_next/static/x.js",                         false),
            ("/_NEXT/static/x.js",                          false),
            ("/_next/data/build/secret.json",               false),
            ("/_next/image",                                false),
            ("/_next/webpack-hmr",                          false),
            ("/secret?/_next/static/x.js",                  false),
            ("",                                            false),
            ("*",                                           false),
        ];
        for (path, expected) in table {
            assert_eq!(is_public(&Method::GET, path), expected, "{path}");
            assert_eq!(is_public(&Method::HEAD, path), expected, "{path}");
            assert!(!is_public(&Method::POST, path), "{path}");
        }
    }
}
