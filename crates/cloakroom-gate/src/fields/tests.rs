//! Heads as clients and upstreams may send them.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{clean, clean_answer, is_disguised};

fn head(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

#[test]
fn g05_g06_no_spelling_of_a_field_that_only_the_gate_sets_passes() {
    #[rustfmt::skip]
    let names = [
        "X-Session-User", "X-Session-Roles", "X-Session-Jwt", "X-Session-Anything", "Forwarded", "X-Forwarded",
        "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Uri", "X-Forwarded-Method",
        "X-Forwarded-Prefix", "X-Forwarded-User", "X-Real-IP", "X-Original-URL", "X-Original-URI",
        "X-Original-Host", "X-Original-Method", "X-Original-Forwarded-For", "X-Rewrite-URL",
        "X-Middleware-Subrequest", "X-Middleware-Rewrite", "X-HTTP-Method-Override", "X-HTTP-Method",
        "X-Method-Override", "X-Remote-User", "True-Client-IP", "X-Client-IP", "CF-Connecting-IP",
        "X-Auth-Request-User", "X-Envoy-Original-Path", "Proxy", "Forwarded-For", "Remote-Email", "X-Webauth-User",
        "X-Url-Scheme", "Front-End-Https",
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
            let mut headers = head(&[(spelling.as_str(), "eve"), (spelling.as_str(), "eve")]);
            clean(&mut headers, None);
            assert!(headers.is_empty(), "{spelling}");
        }
    }
    #[rustfmt::skip]
    let others = [
        "accept", "authorization", "content-type", "rsc", "next-action", "x-requested-with", "x-csrf-token",
        "x-nextjs-data", "x-session", "x-sessions-user", "xsessionuser", "real-ip", "http", "user-agent",
        "sec-websocket-key", "traceparent", "range", "if-none-match",
    ];
    for name in others {
        let mut headers = head(&[(name, "1")]);
        clean(&mut headers, None);
        assert_eq!(headers.len(), 1, "{name}");
    }
}

#[test]
fn a_spelling_that_no_proxy_writes_is_told_from_the_right_one() {
    #[rustfmt::skip]
    let table = [
        ("x-session-user",      false), ("x_session_user",     true), ("x-session_user",    true), ("x.session.user", true),
        ("http-x-session-user", true),  ("http_remote_user",   true), ("x-forwarded-for",   false), ("x_real_ip",     true),
        ("x-session!user",      true),  ("accept_language",    false), ("x_csrf_token",     false), ("http2-settings", false),
    ];
    for (name, expected) in table {
        let name = HeaderName::from_static(name);
        assert_eq!(is_disguised(&name), expected, "{name}");
    }
}

#[test]
fn g07_g14_connection_names_nothing_and_nothing_but_a_websocket_is_upgraded() {
    #[rustfmt::skip]
    let table: [(&str, &[&str], bool); 11] = [
        ("upgrade",                            &["websocket"],        true),
        ("close, X-Session-User, upgrade",     &["WebSocket"],        true),
        ("",                                   &["websocket"],        true),
        ("upgrade, http2-settings",            &["h2c"],              false),
        ("upgrade",                            &["websocket, h2c"],   false),
        ("upgrade",                            &["h2c", "websocket"], false),
        ("upgrade",                            &["websocket", "h2c"], false),
        ("upgrade",                            &["tls/1.0"],          false),
        ("upgrade",                            &[""],                 false),
        ("upgrade, x-session-user",            &[],                   false),
        ("keep-alive",                         &[],                   false),
    ];
    for (connection, asked, passes) in table {
        let mut fields: Vec<(&str, &str)> = asked.iter().map(|value| ("upgrade", *value)).collect();
        fields.extend([
            ("connection", connection),
            ("trailer", "x-session-user"),
            ("http2-settings", "x"),
        ]);
        let mut headers = head(&fields);
        clean(&mut headers, None);
        assert_eq!(
            headers.contains_key("upgrade"),
            passes,
            "{connection} {asked:?}"
        );
        let kept: Vec<&HeaderValue> = headers.get_all("connection").iter().collect();
        let expected: &[&str] = if passes { &["upgrade"] } else { &[] };
        assert_eq!(kept, expected, "{connection} {asked:?}");
        assert!(!headers.contains_key("trailer") && !headers.contains_key("http2-settings"));
    }
}

#[test]
fn g23_the_ticket_is_removed_and_other_cookies_pass() {
    #[rustfmt::skip]
    let table: [(&[&str], &[&str]); 8] = [
        (&["=connect.sid=s%3Ax; = connect.sid=x; =a=1"],       &["=a=1"]),
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
        clean(&mut headers, Some("connect.sid"));
        let passed: Vec<&HeaderValue> = headers.get_all("cookie").iter().collect();
        assert_eq!(passed, kept, "{sent:?}");
        let mut headers = head(&fields);
        clean(&mut headers, None);
        assert_eq!(headers, head(&fields));
    }
}

#[test]
fn g23_g24_an_upstream_speaks_for_nobody() {
    let sent = [
        ("x-session-user", "eve"),
        ("X_Session.Roles", "admin"),
        ("x-accel-redirect", "/secret"),
        ("x-accel-expires", "3600"),
        ("X-Sendfile", "/etc/passwd"),
        ("surrogate-control", "max-age=60"),
        ("set-cookie", "connect.sid=s%3Ax; Path=/"),
        ("set-cookie", " connect.sid =; Max-Age=0"),
        ("set-cookie", "theme=dark"),
        ("content-type", "text/plain"),
        ("x-frame-options", "DENY"),
    ];
    let mut headers = head(&sent);
    clean_answer(&mut headers, Some("connect.sid"));
    let expected = [
        ("set-cookie", "theme=dark"),
        ("content-type", "text/plain"),
        ("x-frame-options", "DENY"),
    ];
    assert_eq!(headers, head(&expected));
    let mut headers = head(&sent);
    clean_answer(&mut headers, None);
    assert_eq!(headers.get_all("set-cookie").iter().count(), 3);
}
