//! Heads as clients may send them.

use axum::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{is_foreign_socket, prepare};

fn head(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

#[test]
fn only_the_gate_sets_the_user_header() {
    #[rustfmt::skip]
    let forged = [
        ("X-Session-User", "eve"), ("x-session-user", "eve"), ("x_session_user", "eve"),
        ("X-Session_User", "eve"), ("X_SESSION-USER", "eve"), ("Forwarded", "for=eve"),
        ("X-Forwarded-Host", "eve"), ("x_forwarded_for", "eve"), ("x-middleware-subrequest", "eve"),
    ];
    let mut headers = head(&forged);
    prepare(&mut headers, "connect.sid", None);
    assert!(headers.is_empty(), "{headers:?}");

    let mut headers = head(&forged);
    prepare(&mut headers, "connect.sid", Some("ada"));
    assert_eq!(headers.len(), 1);
    assert_eq!(headers["x-session-user"], "ada");
}

#[test]
fn x2_no_spelling_of_a_header_that_only_the_gate_sets_passes() {
    #[rustfmt::skip]
    let names = [
        "X-Session-User", "X-Session-Roles", "X-Session-Jwt", "Forwarded", "X-Forwarded", "X-Forwarded-For",
        "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Uri", "X-Forwarded-Prefix", "X-Real-IP",
        "X-Original-URL", "X-Original-URI", "X-Original-Host", "X-Original-Forwarded-For", "X-Rewrite-URL",
        "X-Middleware-Subrequest", "X-HTTP-Method-Override", "X-Remote-User", "True-Client-IP", "X-Client-IP",
        "X-Auth-Request-User",
    ];
    for name in names {
        let mut spellings = vec![name.to_owned(), name.to_lowercase(), name.to_uppercase()];
        for other in "_.~!#$%&'*+^`|".chars() {
            spellings.push(name.replace('-', &other.to_string()));
            spellings.push(name.replacen('-', &other.to_string(), 1));
        }
        for prefix in ["HTTP_", "http-", "Http.", "HTTP_HTTP_"] {
            let of_name = format!("{prefix}{name}");
            spellings.push(of_name.replace('-', "_"));
            spellings.push(of_name);
        }
        for spelling in spellings {
            let mut headers = head(&[(spelling.as_str(), "eve")]);
            prepare(&mut headers, "connect.sid", None);
            assert!(headers.is_empty(), "{spelling}");
        }
    }
    #[rustfmt::skip]
    let others = [
        "accept", "authorization", "content-type", "rsc", "next-action", "next-router-state-tree",
        "x-requested-with", "x-csrf-token", "x-nextjs-data", "x-session", "x-sessions-user", "xsessionuser",
        "real-ip", "http", "user-agent", "sec-websocket-key",
    ];
    for name in others {
        let mut headers = head(&[(name, "1")]);
        prepare(&mut headers, "connect.sid", None);
        assert_eq!(headers.len(), 1, "{name}");
    }
}

#[test]
fn x1_nothing_but_a_websocket_is_upgraded() {
    #[rustfmt::skip]
    let table: [(&[&str], bool); 8] = [
        (&["websocket"],        true),
        (&["WebSocket"],        true),
        (&["h2c"],              false),
        (&["websocket, h2c"],   false),
        (&["h2c", "websocket"], false),
        (&["websocket", "h2c"], false),
        (&["tls/1.0"],          false),
        (&[""],                 false),
    ];
    for (asked, passes) in table {
        let fields: Vec<(&str, &str)> = asked.iter().map(|value| ("upgrade", *value)).collect();
        let mut headers = head(&fields);
        headers.insert("trailer", HeaderValue::from_static("x-session-user"));
        prepare(&mut headers, "connect.sid", Some("ada"));
        assert_eq!(headers.contains_key("upgrade"), passes, "{asked:?}");
        assert_eq!(headers.contains_key("connection"), passes, "{asked:?}");
        assert!(!headers.contains_key("trailer"));
    }
}

#[test]
fn a_client_cannot_drop_the_gates_headers_by_connection() {
    let mut headers = head(&[("connection", "close, X-Session-User"), ("accept", "*/*")]);
    prepare(&mut headers, "connect.sid", Some("ada"));
    assert!(!headers.contains_key("connection"));
    assert_eq!(headers["x-session-user"], "ada");

    let mut headers = head(&[
        ("connection", "x-session-user, Upgrade"),
        ("upgrade", "websocket"),
    ]);
    prepare(&mut headers, "connect.sid", Some("ada"));
    assert_eq!(headers["connection"], "upgrade");
}

#[test]
fn any_user_name_is_one_valid_header_value() {
    for (name, value) in [
        ("ada", "ada"),
        ("a\r\nX-Admin: 1", "a%0D%0AX-Admin%3A%201"),
        ("Łukasz", "%C5%81ukasz"),
        ("100%", "100%25"),
        ("\0", "%00"),
    ] {
        let mut headers = HeaderMap::new();
        prepare(&mut headers, "connect.sid", Some(name));
        assert_eq!(headers["x-session-user"], value);
    }
}

#[test]
fn the_session_cookie_is_removed_and_other_cookies_pass() {
    #[rustfmt::skip]
    let table: [(&[&str], &[&str]); 7] = [
        (&["connect.sid=s%3Ax"],                              &[]),
        (&["a=1; connect.sid=s%3Ax; b=2"],                    &["a=1; b=2"]),
        (&["connect.sid=x; connect.sid=y;a=1"],               &["a=1"]),
        (&[" connect.sid\t=x;; a=1;"],                        &["a=1"]),
        (&["a=1", "connect.sid=x", "b=\"2\u{fc}\""],          &["a=1", "b=\"2\u{fc}\""]),
        (&["connect.sid", "CONNECT.SID=x"],                   &["CONNECT.SID=x"]),
        (&["xconnect.sid=1; connect.sidx=2; a=connect.sid=x"], &["xconnect.sid=1; connect.sidx=2; a=connect.sid=x"]),
    ];
    for (sent, kept) in table {
        let fields: Vec<(&str, &str)> = sent.iter().map(|value| ("cookie", *value)).collect();
        let mut headers = head(&fields);
        prepare(&mut headers, "connect.sid", None);
        let passed: Vec<&[u8]> = headers
            .get_all("cookie")
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        let kept: Vec<&[u8]> = kept.iter().map(|value| value.as_bytes()).collect();
        assert_eq!(passed, kept, "{sent:?}");
    }
}

#[test]
fn sockets_are_opened_by_this_sites_pages() {
    let (upgrade, host) = (("upgrade", "websocket"), ("host", "app.example:8080"));
    #[rustfmt::skip]
    let table: [(&[(&str, &str)], bool); 8] = [
        (&[upgrade, host],                                                                  false),
        (&[upgrade, host, ("origin", "https://app.example:8080")],                          false),
        (&[upgrade, host, ("origin", "http://app.example:8080")],                           false),
        (&[upgrade, host, ("origin", "https://evil.example")],                              true),
        (&[upgrade, host, ("origin", "null")],                                              true),
        (&[upgrade, host, ("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")], false),
        (&[upgrade, host, ("sec-fetch-site", "cross-site")],                                true),
        (&[host, ("origin", "https://evil.example")],                                       false),
    ];
    for (fields, expected) in table {
        assert_eq!(is_foreign_socket(&head(fields)), expected, "{fields:?}");
    }
}
