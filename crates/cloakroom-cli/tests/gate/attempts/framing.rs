//! Heads and bodies that two servers could frame differently.

use super::{Arrive, Harmless, Site, Stay, request};

#[tokio::test(flavor = "multi_thread")]
async fn no_framing_of_a_head_or_a_body_hides_a_field_or_a_request() {
    let site = Site::open().await;
    let mut attempts = Vec::new();
    #[rustfmt::skip]
    let lines = [
        "X-A: b\r\n X-Session-User: folded", "X-Session-User:\r\n eve", "X-Session-User:\r\n\teve", "X-Session-User : eve",
        "X-Session-User\t: eve", " X-Session-User: eve", "X-A: b\rX-Session-User: eve", "X-A: b\nX-Session-User: eve",
        "X-A: b\0\r\nX-Session-User: eve", "X-Session-User\0: eve", "X-\0Session-User: eve", "X-Session-User: eve\0",
        ": eve", "X-Session-User", "X-Session-User:eve", "\u{b}X-Session-User: eve", "X-Session\u{ad}-User: eve",
        "X-Sess\u{131}on-User: eve", "\u{feff}X-Session-User: eve", "(X-Session-User): eve", "X-Session-User;: eve",
        "Connection: X-Original-URI, X-Original-Method, close", "Connection: Cookie, close", "Connection: Host, close",
        "Connection: X-Forwarded-For, X-Forwarded-Proto, X-Session-Jwt, close", "Connection: Transfer-Encoding, Content-Length",
        "Keep-Alive: X-Session-User", "Proxy-Connection: X-Session-User", "TE: trailers", "TE: trailers, X-Session-User",
        "Expect: 100-continue", "Expect: something", "Max-Forwards: 0", "Via: 1.1 gate", "X-Accel-Redirect: /admin",
        "X-Accel-Expires: 3600", "Range: bytes=0-3", "Range: bytes=0-3\r\nIf-Range: \"x\"", "If-None-Match: *", "If-Match: \"x\"",
        "If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT", "Accept-Encoding: x;q=y",
        "Content-Length: 0", "Authorization: Basic YWRhOng=", "Host: other", "Host:", "host: {HOST}",
    ];
    for line in lines {
        let must = if line.starts_with("Host") {
            Stay
        } else {
            Harmless
        };
        attempts.push((request("GET", "/admin", &format!("{line}\r\n")), Stay));
        attempts.push((
            request("GET", "/admin", &format!("{line}\r\nCookie: {{LINUS}}\r\n")),
            Stay,
        ));
        attempts.push((request("GET", "/public/a", &format!("{line}\r\n")), must));
        attempts.push((
            request("GET", "/other", &format!("Cookie: {{LINUS}}\r\n{line}\r\n")),
            must,
        ));
    }
    let inner =
        "GET /admin HTTP/1.1\r\nHost: gate\r\nConnection: close\r\nX-Session-User: eve\r\n\r\n";
    let length = inner.len();
    let (chunked, hex) = (
        format!("0\r\n\r\n{inner}"),
        format!("{length:x}\r\n{inner}\r\n0\r\n\r\n"),
    );
    #[rustfmt::skip]
    let bodies = [
        (format!("Content-Length: +{length}\r\n"), inner), (format!("Content-Length: 0x{length:x}\r\n"), inner),
        (format!("Content-Length: {length}, {length}\r\n"), inner), (format!("Content-Length: 0, {length}\r\n"), inner),
        (format!("Content-Length:\r\n {length}\r\n"), inner), ("Content-Length: -1\r\n".to_owned(), inner),
        ("Content-Length: 00\r\n".to_owned(), inner), ("Content-Length: 1e9\r\n".to_owned(), inner), (String::new(), inner),
        ("Content-Length: 18446744073709551616\r\n".to_owned(), inner), ("Content-Length : 0\r\n".to_owned(), inner),
        ("Transfer-Encoding: xchunked\r\n".to_owned(), &chunked), ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(), &chunked),
        ("Transfer-Encoding: identity, chunked\r\n".to_owned(), &chunked), ("Transfer-Encoding:\u{b}chunked\r\n".to_owned(), &chunked),
        ("Transfer-Encoding: \"chunked\"\r\n".to_owned(), &chunked), ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".to_owned(), &chunked),
        ("Transfer-Encoding: gzip, chunked\r\n".to_owned(), &chunked), ("Transfer-Encoding: chunked;q=1\r\n".to_owned(), &chunked),
        ("Transfer-Encoding:\r\n chunked\r\n".to_owned(), &chunked), ("Transfer_Encoding: chunked\r\n".to_owned(), &chunked),
        ("Transfer-Encoding: CHUNKED\r\nContent-Length: 3\r\n".to_owned(), &chunked), ("Transfer-Encoding: chunked, chunked\r\n".to_owned(), &chunked),
        ("Transfer-Encoding: \r\nContent-Length: 5\r\n".to_owned(), &chunked), ("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n".to_owned(), &hex),
    ];
    for (fields, body) in &bodies {
        for (method, target, cookie) in [
            ("POST", "/other", "Cookie: {LINUS}\r\n"),
            ("GET", "/public/a", ""),
            ("POST", "/admin", ""),
        ] {
            let head =
                format!("{method} {target} HTTP/1.1\r\nHost: {{HOST}}\r\n{cookie}{fields}\r\n");
            attempts.push((
                head + body,
                if target == "/admin" { Stay } else { Harmless },
            ));
        }
    }
    // Of HTTP/1.0, which has no chunks.
    attempts.push((format!("POST /other HTTP/1.0\r\nHost: {{HOST}}\r\nCookie: {{LINUS}}\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"), Harmless));
    for chunks in [
        "0x0\r\n\r\n",
        "0 \r\n\r\n",
        "-0\r\n\r\n",
        "0\n\n",
        "0;a=\"\r\n\r\n\"\r\n\r\n",
        "00000000000000000\r\n\r\n",
        "fffffffffffffffff\r\n",
        "3\r\nabcde\r\n0\r\n\r\n",
    ] {
        attempts.push((format!("POST /other HTTP/1.1\r\nHost: {{HOST}}\r\nCookie: {{LINUS}}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{inner}"), Harmless));
    }
    let last = request("GET", "/public/last", "");
    for announced in [
        "",
        "Trailer: X-Session-User\r\n",
        "TE: trailers\r\nTrailer: X-Session-User, X-Session-Jwt\r\nConnection: TE\r\n",
    ] {
        for trailers in [
            "X-Session-User: eve\r\nX-Session-Jwt: eve\r\n",
            "x_session_user: eve\r\n",
            "Cookie: eve\r\nContent-Length: 9\r\n",
        ] {
            let body = format!("3\r\nabc\r\n0\r\n{trailers}\r\n");
            attempts.push((format!("POST /other HTTP/1.1\r\nHost: {{HOST}}\r\nCookie: {{LINUS}}\r\n{announced}Transfer-Encoding: chunked\r\n\r\n{body}{last}"), Harmless));
        }
    }
    attempts.push(("POST /other HTTP/1.1\r\nHost: {HOST}\r\nCookie: {LINUS}\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc".to_owned(), Arrive));
    site.resists(&attempts).await;
}
