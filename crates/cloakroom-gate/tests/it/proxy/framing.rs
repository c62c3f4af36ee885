//! Groups 13 to 16: tunnels, smuggled requests, connections that several users share.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Answer, Place};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn handshake(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: gate.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

/// Returns the first answer on a connection that may stay open.
async fn first(place: &Place, text: &str) -> Answer {
    let mut stream = TcpStream::connect(place.proxy).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|part| part == b"\r\n\r\n") {
        let read = timeout(crate::support::PATIENCE, stream.read_buf(&mut answer))
            .await
            .unwrap();
        if read.unwrap() == 0 {
            break;
        }
    }
    Answer::of(&String::from_utf8_lossy(&answer))
}

#[tokio::test]
async fn g13_a_socket_is_opened_by_a_page_of_this_site_with_a_login() {
    let place = Place::open().await;
    let user = format!("Cookie: {}\r\n", place.user("linus", &[]).await);
    let (own, pay) = (
        "Origin: http://gate.example\r\n",
        "Origin: https://pay.example\r\n",
    );
    #[rustfmt::skip]
    let table: [(&str, &[&str], u16); 14] = [
        ("/socket",         &[&user, own],                                       101),
        ("/socket",         &[&user, "Origin: https://gate.example\r\n"],        101),
        ("/socket",         &[&user, pay],                                       101),
        ("/socket",         &[own],                                              401),
        ("/socket",         &[&user],                                            403),
        ("/socket",         &[&user, "Origin: null\r\n"],                        403),
        ("/socket",         &[&user, "Origin: https://evil.example\r\n"],        403),
        ("/socket",         &[&user, "Origin: http://gate.example.evil\r\n"],    403),
        ("/socket",         &[&user, own, "Origin: https://evil.example\r\n"],   403),
        ("/socket",         &[&user, "Sec-Fetch-Site: same-origin\r\n"],         403),
        ("/admin/socket",   &[&user, own],                                       403),
        ("/public/socket",  &[own],                                              401),
        ("/public/socket",  &["Origin: https://evil.example\r\n"],               403),
        ("/public/socket",  &[&user, own],                                       101),
    ];
    for (path, more, status) in table {
        let answer = first(&place, &handshake(path, &more.concat())).await;
        assert_eq!(answer.status, status, "{path} {more:?} {answer:?}");
        assert!(
            answer.field("location").is_none(),
            "a handshake is not redirected"
        );
        assert_eq!(
            place.upstream.take().len(),
            usize::from(status == 101),
            "{path} {more:?}"
        );
    }
    // A handshake in another spelling is one as well, or none at all.
    for upgrade in [
        "WebSocket",
        "WEBSOCKET",
        "websocket, x",
        "websocket\r\nUpgrade: h2c",
    ] {
        let text = handshake("/public/socket", own)
            .replace("Upgrade: websocket", &format!("Upgrade: {upgrade}"));
        let answer = first(&place, &text).await;
        assert_ne!(answer.status, 101, "{upgrade}");
        assert!(
            place
                .upstream
                .take()
                .iter()
                .all(|seen| seen.all("upgrade").is_empty()),
            "{upgrade}"
        );
    }
}

#[tokio::test]
async fn g13_after_a_public_handshake_nothing_reaches_a_protected_path() {
    let place = Place::open().await;
    let mut stream = TcpStream::connect(place.proxy).await.unwrap();
    let smuggled = "GET /admin HTTP/1.1\r\nHost: gate.example\r\nConnection: close\r\n\r\n";
    let text = handshake("/public/socket", "Origin: http://gate.example\r\n") + smuggled;
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = timeout(crate::support::PATIENCE, stream.read_to_string(&mut answer))
        .await
        .unwrap();
    assert!(
        !answer.contains("200 OK") && !answer.contains("101 "),
        "{answer}"
    );
    assert!(place.upstream.bytes().is_empty());
}

#[tokio::test]
async fn g14_nothing_but_a_websocket_becomes_a_tunnel() {
    let place = Place::open().await;
    let user = place.user("linus", &[]).await;
    for upgrade in [
        "h2c",
        "HTTP/2.0",
        "TLS/1.0",
        "connect-udp",
        "h2c, websocket",
        "websocket, h2c",
    ] {
        let text = format!(
            "GET /other HTTP/1.1\r\nHost: gate\r\nCookie: {user}\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             Upgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"
        );
        let answer = first(&place, &text).await;
        assert_eq!(answer.status, 200, "{upgrade} {answer:?}");
        let seen = &place.upstream.take()[0];
        for name in ["upgrade", "http2-settings", "connection"] {
            assert!(seen.all(name).is_empty(), "{upgrade} {seen:?}");
        }
    }
    let connect = format!(
        "CONNECT gate.example:80 HTTP/1.1\r\nHost: gate.example:80\r\nCookie: {user}\r\n\r\n"
    );
    assert!([400, 405].contains(&first(&place, &connect).await.status));
    // HTTP/2 is not spoken at all: an extended CONNECT (RFC 8441) finds nobody.
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0";
    assert_ne!(first(&place, preface).await.status, 200);
    assert!(place.upstream.take().is_empty());
}

#[tokio::test]
async fn g15_a_request_within_a_request_reaches_nobody() {
    let place = Place::open().await;
    let user = place.user("linus", &[]).await;
    let inner = "GET /admin HTTP/1.1\r\nHost: gate\r\nX-Session-User: eve\r\n\r\n";
    let length = inner.len();
    let chunked = format!("{length:x}\r\n{inner}\r\n0\r\n\r\n");
    #[rustfmt::skip]
    let framings = [
        ("CL and TE",              format!("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}")),
        ("TE and CL",              format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n0\r\n\r\n{inner}")),
        ("two CL",                 format!("Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{inner}")),
        ("a list of CL",           format!("Content-Length: 0, {length}\r\n\r\n{inner}")),
        ("CL with a sign",         format!("Content-Length: +{length}\r\n\r\n{inner}")),
        ("negative CL",            format!("Content-Length: -1\r\n\r\n{inner}")),
        ("hexadecimal CL",         format!("Content-Length: 0x0\r\n\r\n{inner}")),
        ("CL with a blank",        format!("Content-Length : 0\r\n\r\n{inner}")),
        ("identity after chunked", format!("Transfer-Encoding: chunked, identity\r\n\r\n{chunked}")),
        ("identity",               format!("Transfer-Encoding: identity\r\n\r\n{inner}")),
        ("TE twice",               format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n{chunked}")),
        ("TE with a blank",        format!("Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{inner}")),
        ("TE with a tab",          format!("Transfer-Encoding:\tchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{inner}")),
        ("xchunked",               format!("Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{inner}")),
        ("folded TE",              format!("Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{inner}")),
        ("bare LF",                format!("Content-Length: 5\nTransfer-Encoding: chunked\n\n0\r\n\r\n{inner}")),
        ("bare CR",                format!("X: y\rContent-Length: 0\r\n\r\n{inner}")),
        ("chunk extension",        format!("Transfer-Encoding: chunked\r\n\r\n0;\n{inner}\r\n\r\n{inner}")),
        ("long chunk extension",   format!("Transfer-Encoding: chunked\r\n\r\n0;{}\r\n\r\n{inner}", "x".repeat(100_000))),
        ("chunk size with a blank", format!("Transfer-Encoding: chunked\r\n\r\n 0\r\n\r\n{inner}")),
        ("endless chunk size",     format!("Transfer-Encoding: chunked\r\n\r\n{}\r\n{inner}", "f".repeat(17))),
        ("chunk size wrapped",     format!("Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n{inner}")),
        ("bare LF in chunks",      format!("Transfer-Encoding: chunked\r\n\r\n0\n\n{inner}")),
        ("body of a GET",          format!("Content-Length: {length}\r\n\r\n{inner}")),
        ("TE in HTTP/1.0",         format!("Transfer-Encoding: chunked\r\nContent-Length: 5\r\nX-Http10: 1\r\n\r\n0\r\n\r\n{inner}")),
        ("pipelined",              format!("Content-Length: 0\r\n\r\n{inner}")),
    ];
    for (name, framing) in &framings {
        for (method, target, cookie) in [
            ("POST", "/other", Some(&user)),
            ("GET", "/public/a", None),
            ("POST", "/other", None),
        ] {
            let version = if framing.contains("X-Http10") {
                "1.0"
            } else {
                "1.1"
            };
            let cookie = cookie.map_or_else(String::new, |cookie| format!("Cookie: {cookie}\r\n"));
            let text =
                format!("{method} {target} HTTP/{version}\r\nHost: gate\r\n{cookie}{framing}");
            let mut stream = TcpStream::connect(place.proxy).await.unwrap();
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
            let answer = String::from_utf8_lossy(&answer);
            for seen in place.upstream.take() {
                assert_eq!(seen.target(), target, "{name}: {seen:?}\n{answer}");
                assert!(
                    !seen.all("x-session-user").contains(&"eve"),
                    "{name}: {seen:?}"
                );
                let framed = seen.all("content-length").len() + seen.all("transfer-encoding").len();
                assert!(framed <= 1, "{name}: {seen:?}");
            }
        }
    }
}

#[tokio::test]
async fn g15_the_body_of_a_refused_request_is_nobodys_request() {
    let place = Place::open().await;
    let inner = "GET /public/smuggled HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n";
    for head in [
        format!(
            "POST /other HTTP/1.1\r\nHost: gate\r\nContent-Length: {}\r\n\r\n",
            inner.len() + 100_000
        ),
        "POST /other HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
        format!(
            "POST /%2e HTTP/1.1\r\nHost: gate\r\nContent-Length: {}\r\n\r\n",
            inner.len() + 100_000
        ),
    ] {
        let answer = place.raw(head + inner).await;
        let answer = Answer::of(&answer);
        assert!([400, 401].contains(&answer.status), "{answer:?}");
        assert_eq!(answer.field("connection"), Some("close"));
        assert!(place.upstream.bytes().is_empty());
    }
}

#[tokio::test]
async fn g16_users_who_share_a_connection_share_nothing_else() {
    let place = Place::open().await;
    let users = ["ada", "grace", "linus"];
    let mut cookies = Vec::new();
    for user in users {
        cookies.push(place.user(user, &[user]).await);
    }
    let mut text = String::new();
    for round in 0..30 {
        text += &format!("GET /other/{round} HTTP/1.1\r\nHost: gate\r\n");
        if round % 4 != 3 {
            text += &format!("Cookie: {}\r\n", cookies[round % 4]);
        }
        text += if round == 29 {
            "Connection: close\r\n\r\n"
        } else {
            "\r\n"
        };
    }
    let answers = place.raw(text).await;
    let seen = place.upstream.take();
    for one in &seen {
        let round: usize = one.target().rsplit('/').next().unwrap().parse().unwrap();
        assert_eq!(one.all("x-session-user"), [users[round % 4]]);
        assert_eq!(one.all("x-session-roles"), [users[round % 4]]);
    }
    let anonymous = (0..30).filter(|round| round % 4 == 3).count();
    assert_eq!(seen.len(), 30 - anonymous);
    assert_eq!(
        answers.matches("401 Unauthorized").count(),
        anonymous,
        "{answers}"
    );
    for (round, part) in answers.split("HTTP/1.1 ").skip(1).enumerate() {
        let user = users.get(round % 4).map(|user| format!("user={user}"));
        assert!(
            user.is_none_or(|user| part.contains(&user)),
            "{round} {part}"
        );
    }
}
