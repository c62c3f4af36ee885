//! Verify mode behind real proxies, with the configurations that `cloakroom gate config` prints. The upstream's
//! own log is the judge.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::running::{Front, Proxy};
use crate::wire::{Answer, PATIENCE, head, raw};

async fn attacked(proxy: Proxy) {
    let front = Front::open(proxy).await;
    let linus = front.place.user("linus", &["staff"]).await;
    let ada = front.place.user("ada", &["admin"]).await;
    paths(&front, &linus).await;
    queries_and_methods(&front, &linus).await;
    identities(&front, &linus, &ada).await;
    questions(&front, &linus).await;
    cookies(&front, &linus).await;
    sockets(&front, &linus).await;
    refusals(&front, &linus).await;
    smuggled(&front).await;
    ends(front, &linus, &ada).await;
}

/// Groups 1 and 2.
async fn paths(front: &Front, linus: &str) {
    let proxy = front.proxy;
    #[rustfmt::skip]
    let paths = [
        "/public/../admin", "/public/%2e%2e/admin", "/public/..%2fadmin", "/public/%2e%2e%5cadmin", "/public/..\\admin",
        "/public/..;/admin", "/./admin", "//admin", "/public//../admin", "/admin", "/admin/", "/ADMIN", "/%61dmin",
        "/%2561dmin", "/public/%252e%252e/admin", "/admin%00.js", "/admin%0a", "/admin%20", "/admin.", "/admin;x=.css",
        "/public/%c0%ae%c0%ae/admin", "/public/..%ef%bc%8fadmin", "/admin%", "/admin%2", "/admin%3fx", "/admin%23x",
    ];
    for path in paths {
        for fields in [&[][..], &[("Cookie", linus)][..]] {
            let answer = front.get(path, fields).await;
            assert!(
                (300..500).contains(&answer.status),
                "{proxy:?} {path} {fields:?}: {answer:?}"
            );
            let seen = front.seen();
            assert!(seen.is_empty(), "{proxy:?} {path} {seen:?}");
        }
    }
    let address = front.address.to_string();
    for (target, hosts) in [
        ("http://other/admin", &[address.as_str()][..]),
        ("/admin", &[&address, "other"]),
        ("/admin", &["gate.example."]),
        ("/admin", &["u@gate.example"]),
        ("/admin", &[]),
    ] {
        let hosts: String = hosts
            .iter()
            .map(|host| format!("Host: {host}\r\n"))
            .collect();
        let text = format!("GET {target} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        let answer = Answer::of(&raw(front.address, text.as_bytes()).await);
        assert!(
            (300..500).contains(&answer.status),
            "{proxy:?} {text}: {answer:?}"
        );
        assert!(front.seen().is_empty(), "{proxy:?} {text}");
    }
    // The control, byte for byte.
    for target in [
        "/public/a",
        "/public/a?b=/../c&d=%2e",
        "/public/caf%C3%A9",
        "/public/%5Bx%5D.js",
    ] {
        let answer = front.get(target, &[]).await;
        assert_eq!(answer.status, 200, "{proxy:?} {target} {answer:?}");
        let seen = front.seen();
        let forwarded = seen[0]
            .target()
            .replace("%c3%a9", "%C3%A9")
            .replace("[x]", "%5Bx%5D");
        assert_eq!(forwarded, target, "{proxy:?}");
    }
}

/// Groups 3 and 4.
async fn queries_and_methods(front: &Front, linus: &str) {
    let (proxy, cookie) = (front.proxy, ("Cookie", linus));
    for target in [
        "/admin?/public/a",
        "/admin?x=/public/../public/a",
        "/admin?.js",
    ] {
        assert_eq!(
            front.get(target, &[cookie]).await.status,
            403,
            "{proxy:?} {target}"
        );
    }
    #[rustfmt::skip]
    let table = [
        ("POST",     "/public/a",  401), ("DELETE",  "/public/a",  401), ("PUT",  "/reports/1", 403),
        ("PROPFIND", "/reports/1", 403), ("TRACE",   "/public/a",  405), ("get",  "/public/a",  400),
    ];
    for (method, target, status) in table {
        let fields = if target == "/reports/1" {
            &[cookie][..]
        } else {
            &[]
        };
        let fields = [fields, &[("X-HTTP-Method-Override", "GET")]].concat();
        let answer = front.send(method, target, &fields).await;
        let is_refused = answer.status == status
            || (status != 401 && [400, 403, 405, 501].contains(&answer.status));
        assert!(is_refused, "{proxy:?} {method} {target}: {answer:?}");
    }
    assert!(front.seen().is_empty(), "{proxy:?}");
    assert_eq!(
        front.send("HEAD", "/reports/1", &[cookie]).await.status,
        200,
        "{proxy:?}"
    );
    front
        .get(
            "/reports/1",
            &[cookie, ("X-HTTP-Method-Override", "DELETE")],
        )
        .await;
    for seen in front.seen() {
        assert!(seen.all("x-http-method-override").is_empty(), "{proxy:?}");
    }
}

/// Groups 5 to 7, 16 and 26.
async fn identities(front: &Front, linus: &str, ada: &str) {
    let proxy = front.proxy;
    #[rustfmt::skip]
    let forged = [
        "X-Session-User", "x-session-user", "X_Session_User", "X-Session_User", "X.Session.User", "X-Session-Roles",
        "X_Session_Roles", "X-Session-Jwt", "X_Session_Jwt", "X-Session-Cookie", "X-Forwarded-User", "X-Real-IP",
        "X-Original-URL", "X-Rewrite-URL", "X-Middleware-Subrequest", "Forwarded", "X-Auth-Request-User",
    ];
    for name in forged {
        let eve = [(name, "eve"), (name, "eve")];
        for (target, fields, user) in [
            ("/public/a", eve.to_vec(), ""),
            ("/other", [&eve[..], &[("Cookie", linus)]].concat(), "linus"),
        ] {
            let answer = front.get(target, &fields).await;
            // A proxy may refuse such a name outright, and the gate one in a spelling that no proxy writes.
            if matches!(answer.status, 400 | 403) && name != "X-Session-User" {
                assert!(front.seen().is_empty());
                continue;
            }
            assert_eq!(answer.status, 200, "{proxy:?} {target} {name} {answer:?}");
            let seen = &front.seen()[0];
            let told = seen.all("x-session-user").concat();
            assert_eq!(told, user, "{proxy:?} {target} {name} {seen:?}");
            let has_eve = seen.fields.iter().any(|(_, value)| value.contains("eve"));
            assert!(!has_eve, "{proxy:?} {target} {name} {seen:?}");
            assert_eq!(
                seen.all("x-session-jwt").concat().is_empty(),
                user.is_empty()
            );
        }
    }
    for connection in [
        "close, X-Session-User",
        "X-Session-User, X-Session-Jwt, X-Forwarded-For, close",
    ] {
        assert_eq!(
            front
                .get("/other", &[("Cookie", linus), ("Connection", connection)])
                .await
                .status,
            200
        );
        let seen = front.seen();
        assert_eq!(
            seen[0].all("x-session-user"),
            ["linus"],
            "{proxy:?} {connection}"
        );
    }
    // Several users on one connection.
    let mut text = String::new();
    for (round, cookie) in [linus, ada, "", linus, ada].into_iter().enumerate() {
        let last = if round == 4 {
            "Connection: close\r\n"
        } else {
            ""
        };
        text += &format!(
            "GET /other/{round} HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n{last}\r\n",
            front.address
        );
    }
    raw(front.address, text.as_bytes()).await;
    let told: Vec<String> = front
        .seen()
        .iter()
        .map(|seen| seen.all("x-session-user").concat())
        .collect();
    assert_eq!(told, ["linus", "ada", "linus", "ada"], "{proxy:?}");
    for (name, told) in [
        ("a,b", "a%2Cb"),
        ("a\r\nX-Admin: 1", "a%0D%0AX-Admin%3A%201"),
        ("\u{141}ukasz", "%C5%81ukasz"),
    ] {
        let cookie = front.place.user(name, &["r,s"]).await;
        assert_eq!(
            front.get("/other", &[("Cookie", &cookie)]).await.status,
            200
        );
        let seen = &front.seen()[0];
        assert_eq!(
            (seen.all("x-session-user"), seen.all("x-session-roles")),
            (vec![told], vec!["r%2Cs"])
        );
    }
}

/// Groups 8 and 9: a client's own words about what it asks for.
async fn questions(front: &Front, linus: &str) {
    let proxy = front.proxy;
    for name in [
        "X-Original-URI",
        "X-Forwarded-Uri",
        "X-Original-Url",
        "X-Rewrite-Url",
        "X_Original_URI",
    ] {
        for cookie in ["", linus] {
            let fields = [
                (name, "/public/a"),
                ("Cookie", cookie),
                ("X-Original-Method", "GET"),
            ];
            let answer = front.get("/admin", &fields).await;
            assert!(
                [400, 401, 403].contains(&answer.status),
                "{proxy:?} {name} {answer:?}"
            );
            let fields = [
                (name, "/public/a"),
                ("X-Forwarded-Method", "GET"),
                ("X-Forwarded-Host", "evil"),
            ];
            let answer = front.send("POST", "/other", &fields).await;
            assert!(
                [400, 401, 403].contains(&answer.status),
                "{proxy:?} {name} {answer:?}"
            );
        }
    }
    assert!(front.seen().is_empty(), "{proxy:?}");
    // The place that is asked is not to be had from outside.
    for target in [
        "/_cloakroom_gate",
        "/verify",
        "/forward-auth",
        "/.well-known/jwks.json",
    ] {
        let answer = front
            .get(
                target,
                &[
                    ("X-Original-URI", "/public/a"),
                    ("X-Original-Method", "GET"),
                ],
            )
            .await;
        assert!(
            (400..500).contains(&answer.status),
            "{proxy:?} {target} {answer:?}"
        );
        assert!(answer.field("x-session-user").is_none());
    }
    assert!(front.seen().is_empty(), "{proxy:?}");
}

/// Groups 10 and 23.
async fn cookies(front: &Front, linus: &str) {
    let proxy = front.proxy;
    let (name, value) = linus.split_once('=').unwrap();
    let bad = [
        format!("{name}="),
        format!("{name}=s%3Ax.y"),
        format!("{name}={value}x"),
        format!("x{linus}"),
        format!("{name}=\u{e9}\u{ff}"),
        (0..500).map(|n| format!("c{n}=x; ")).collect::<String>() + &format!("{name}=x"),
    ];
    for cookie in &bad {
        for target in ["/other", "/admin"] {
            let answer = front.get(target, &[("Cookie", cookie)]).await;
            assert!(
                (400..500).contains(&answer.status),
                "{proxy:?} {target} {cookie}: {answer:?}"
            );
        }
    }
    assert!(front.seen().is_empty(), "{proxy:?}");
    let sent = format!("a=1; {linus}; b=2");
    front.get("/other", &[("Cookie", &sent)]).await;
    let seen = &front.seen()[0];
    assert_eq!(seen.all("cookie"), ["a=1; b=2"], "{proxy:?}");
    // Nor where there is nothing else.
    for target in ["/other", "/public/a"] {
        front.get(target, &[("Cookie", linus)]).await;
        assert_eq!(
            front.seen()[0].all("cookie").concat(),
            "",
            "{proxy:?} {target}"
        );
    }
    front.get("/shared/x", &[("Cookie", &sent)]).await;
    assert_eq!(front.seen()[0].all("cookie"), [sent.as_str()], "{proxy:?}");
}

/// Groups 13 and 14.
async fn sockets(front: &Front, linus: &str) {
    let proxy = front.proxy;
    let host = front.address.to_string();
    let own = format!("http://{host}");
    #[rustfmt::skip]
    let table: [(&str, &str, &str, &str, u16); 8] = [
        ("/socket",        "websocket", linus, &own,                   101),
        ("/socket",        "websocket", "",    &own,                   401),
        ("/socket",        "websocket", linus, "https://evil.example", 403),
        ("/socket",        "websocket", linus, "null",                 403),
        ("/admin/socket",  "websocket", linus, &own,                   403),
        ("/public/socket", "websocket", "",    &own,                   401),
        ("/public/socket", "websocket", "",    "https://evil.example", 403),
        ("/other",         "h2c",       linus, &own,                   200),
    ];
    for (path, upgrade, cookie, origin, status) in table {
        let settings = if upgrade == "h2c" {
            ", HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"
        } else {
            ""
        };
        let text = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade{settings}\r\nUpgrade: {upgrade}\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nCookie: {cookie}\r\n\
             Origin: {origin}\r\n\r\n"
        );
        let mut stream = TcpStream::connect(front.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.windows(4).any(|part| part == b"\r\n\r\n") {
            let read = timeout(PATIENCE, stream.read_buf(&mut answer))
                .await
                .unwrap();
            if read.unwrap() == 0 {
                break;
            }
        }
        let answer = Answer::of(&String::from_utf8_lossy(&answer));
        assert_eq!(
            answer.status, status,
            "{proxy:?} {path} {upgrade} {origin} {answer:?}"
        );
        assert_eq!(answer.field("location"), None, "{proxy:?}");
        let seen = front.seen();
        assert_eq!(
            seen.len(),
            usize::from(status < 300),
            "{proxy:?} {path} {upgrade}"
        );
        if upgrade == "h2c" {
            assert!(
                seen[0].all("upgrade").is_empty()
                    && seen[0].all("http2-settings").concat().len() <= 32
            );
        }
    }
}

/// Groups 17 and 25.
async fn refusals(front: &Front, linus: &str) {
    let proxy = front.proxy;
    let page = ("Accept", "text/html,*/*;q=0.8");
    #[rustfmt::skip]
    let table: [(&str, &str, &[(&str, &str)], u16, Option<&str>); 6] = [
        ("GET",  "/a?b=1", &[page],                                         303, Some("/login?next=/a%3Fb%3D1")),
        ("GET",  "/a",     &[page, ("Sec-Fetch-Mode", "cors")],             401, None),
        ("GET",  "/a",     &[page, ("X-Requested-With", "XMLHttpRequest")], 401, None),
        ("GET",  "/a",     &[],                                             401, None),
        ("POST", "/a",     &[page],                                         401, None),
        ("GET",  "/admin", &[page, ("Cookie", linus)],                      403, None),
    ];
    for (method, target, fields, status, location) in table {
        let answer = front.send(method, target, fields).await;
        assert_eq!(
            answer.status, status,
            "{proxy:?} {method} {target} {fields:?} {answer:?}"
        );
        // Some proxies make the address a URL of their own host.
        let own = format!("http://{}", front.address);
        let to = answer
            .field("location")
            .map(|to| to.trim_start_matches(&own));
        assert_eq!(to, location, "{proxy:?}");
        if status == 401 {
            assert!(
                answer.field("www-authenticate").is_some(),
                "{proxy:?} {answer:?}"
            );
        }
    }
    assert!(front.seen().is_empty(), "{proxy:?}");
}

/// Group 15.
async fn smuggled(front: &Front) {
    let inner = "GET /admin HTTP/1.1\r\nHost: gate\r\nX-Session-User: eve\r\n\r\n";
    let length = inner.len();
    for framing in [
        format!("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{inner}"),
        format!("Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\n\r\n0;\n{inner}\r\n\r\n{inner}"),
        format!("Content-Length: {length}\r\n\r\n{inner}"),
    ] {
        let text = format!(
            "GET /public/a HTTP/1.1\r\nHost: {}\r\n{framing}",
            front.address
        );
        let mut stream = TcpStream::connect(front.address).await.unwrap();
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        for seen in front.seen() {
            assert_eq!(seen.target(), "/public/a", "{:?} {framing}", front.proxy);
            assert!(!seen.all("x-session-user").contains(&"eve"));
        }
    }
}

/// Groups 11, 18, 21: what has ended or was taken away; a gate that is gone.
async fn ends(front: Front, linus: &str, ada: &str) {
    let proxy = front.proxy;
    assert_eq!(
        front.get("/admin", &[("Cookie", ada)]).await.status,
        200,
        "{proxy:?}"
    );
    front
        .place
        .manager
        .set_roles_of("ada", ["staff"])
        .await
        .unwrap();
    assert_eq!(
        front.get("/admin", &[("Cookie", ada)]).await.status,
        403,
        "{proxy:?}"
    );
    front.seen();
    front.place.end("linus").await;
    assert_eq!(
        front.get("/other", &[("Cookie", linus)]).await.status,
        401,
        "{proxy:?}"
    );
    // It hangs, and then it is gone: no door opens, not even a public one.
    let mut place = front.place;
    let send = async |target: &str| {
        let text = head("GET", target, front.address, &[("Cookie", ada)]);
        Answer::of(&raw(front.address, text.as_bytes()).await)
    };
    place.gate.signal("STOP");
    assert!(send("/other").await.status >= 500, "{proxy:?}");
    place.gate.kill();
    let last = ["/other", "/admin", "/public/last"];
    for target in last {
        let answer = send(target).await;
        assert!(answer.status >= 500, "{proxy:?} {target} {answer:?}");
    }
    // What a test before gave up waiting for may still arrive.
    for target in place.upstream.targets() {
        assert!(!last.contains(&&*target), "{proxy:?} {target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_nginx_the_printed_configuration_holds() {
    attacked(Proxy::Nginx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_caddy_the_printed_configuration_holds() {
    attacked(Proxy::Caddy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_haproxy_the_printed_configuration_holds() {
    attacked(Proxy::Haproxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_apache_the_printed_configuration_holds() {
    attacked(Proxy::Apache).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g22_a_cache_before_the_gate_serves_each_user_their_own() {
    // A cache that keys by the path alone, before proxy mode.
    let front = Front::with(Proxy::Nginx, "location /cached/ { include cached.conf; }").await;
    let place = &front.place;
    let (ada, linus) = (
        place.user("ada", &["admin"]).await,
        place.user("linus", &[]).await,
    );
    for target in ["/cached/cacheable", "/cached/plain", "/cached/private"] {
        for round in 0..3 {
            for (cookie, user) in [(&ada, "ada"), (&linus, "linus")] {
                let answer = front.get(target, &[("Cookie", cookie)]).await;
                assert_eq!(answer.status, 200, "{target} {answer:?}");
                assert!(
                    answer.body.contains(user),
                    "{target} {round}: {user} got {answer:?}"
                );
            }
            assert_eq!(front.get(target, &[]).await.status, 401, "{target} {round}");
        }
    }
    // The control: it does keep what it may.
    front.seen();
    for _ in 0..3 {
        assert_eq!(front.get("/cached/public/cacheable", &[]).await.status, 200);
    }
    assert_eq!(front.seen().len(), 1);
}
