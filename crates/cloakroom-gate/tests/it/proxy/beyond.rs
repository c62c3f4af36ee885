//! Attempts beyond the thirty groups.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Answer, PATIENCE, Place, head, raw};

/// Paths that name a protected one to some server: Windows, Tomcat, PHP, Java, proxies that normalise.
#[tokio::test]
async fn the_names_of_other_systems_for_a_path_open_nothing() {
    let place = Place::open().await;
    let cookie = place.user("linus", &[]).await;
    #[rustfmt::skip]
    let paths = [
        "/admin::$DATA", "/admin%3A%3A$DATA", "/admin~1", "/ADMIN~1", "/admin./", "/admin%2e", "/admin%20/", "/admin%09",
        "/admin%c2%a0", "/admin%e2%80%ae", "/public/..%u2216admin", "/public/%e0%80%af../admin", "/public/%f0%80%80%af../admin",
        "/public/..%252f..%252fadmin", "/public/..%5c..%5cadmin", "/public/.;/admin", "/public/;/../admin", "/public/%3b/..",
        "/public/..;a=b/admin", "/public/%2f/admin", "/public/.%00./admin", "/public/%ef%bc%8e%ef%bc%8e/admin",
        "/public/%e2%88%95admin", "/public/%e2%81%84admin", "/%c4%80dmin", "/admin/..", "/x/../admin", "/x/..%2f../admin",
        "/\u{a0}admin", "/admin%ad", "/%EF%BB%BFadmin", "/admin%E2%80%8C", "/\u{212a}", "/%00/admin", "/public/a%0d%0aX: y",
        "/public/.../...//admin", "/~/admin/..", "/public/..//admin", "/%2f%2fevil.example", "/%5c%5cevil.example",
    ];
    for path in paths {
        let answer = place
            .get(path, &[("Cookie", &cookie), ("X-Session-Roles", "admin")])
            .await;
        let seen = place.upstream.take();
        // Whatever passes is another path to every server, and not told a role.
        for one in &seen {
            let target = one.target().to_lowercase();
            let is_other =
                target.contains("admin~1") || target.contains("$data") || target == "/%c4%80dmin";
            assert!(
                is_other && one.all("x-session-roles").concat().is_empty(),
                "{path} {one:?}"
            );
        }
        assert!(
            answer.status == 200 || [400, 403].contains(&answer.status),
            "{path} {answer:?}"
        );
    }
}

#[tokio::test]
async fn names_of_fields_that_other_products_believe_are_dropped() {
    let place = Place::open().await;
    let cookie = place.user("linus", &[]).await;
    #[rustfmt::skip]
    let names = [
        "X-Forwarded-Server", "X-Forwarded-Port", "X-Forwarded-Scheme", "X-Forwarded-Ssl", "X-Forwarded-By",
        "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "X-Forwarded-Access-Token",
        "X-Forwarded-Path", "X-Original-Path", "X-Original-Scheme", "X-Original-Remote-Addr", "X-Auth-Request-Email",
        "X-Auth-Request-Groups", "X-Authenticated-User", "X-Authenticated-Groups", "Remote-User", "X-Remote-User", "X-User",
        "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "CF-Connecting-IPv6", "Fastly-Client-IP", "X-Cluster-Client-IP",
        "X-Host", "X-HTTP-Host-Override", "Proxy-Authorization", "Proxy", "X-Envoy-External-Address", "X-Middleware-Next",
        "X-Middleware-Prefetch", "X-Session-Id", "X_HTTP_METHOD", "HTTP_X_REAL_IP", "http-forwarded",
    ];
    for name in names {
        let answer = place
            .get("/other", &[("Cookie", &cookie), (name, "forged")])
            .await;
        assert_eq!(answer.status, 200, "{name}");
        let seen = &place.upstream.take()[0];
        assert!(
            seen.fields
                .iter()
                .all(|(_, value)| !value.contains("forged")),
            "{name} {seen:?}"
        );
    }
}

#[tokio::test]
async fn many_users_at_once_are_told_apart() {
    let place = Arc::new(Place::open().await);
    let mut tasks = Vec::new();
    for n in 0..40 {
        let cookie = place
            .user(&format!("user{n}"), &[&format!("role{n}")])
            .await;
        let place = Arc::clone(&place);
        tasks.push(tokio::spawn(async move {
            for round in 0..10 {
                let answer = place
                    .get(&format!("/other/{n}/{round}"), &[("Cookie", &cookie)])
                    .await;
                assert!(
                    answer.body.ends_with(&format!("user=user{n}")),
                    "{n} {answer:?}"
                );
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let seen = place.upstream.take();
    assert_eq!(seen.len(), 400);
    for one in seen {
        let n = one.target().split('/').nth(2).unwrap().to_owned();
        assert_eq!(one.all("x-session-user"), [format!("user{n}")]);
        assert_eq!(one.all("x-session-roles"), [format!("role{n}")]);
    }
}

#[tokio::test]
async fn a_login_or_logout_between_two_requests_of_a_connection_counts_at_once() {
    let place = Place::open().await;
    let cookie = place.user("ada", &["admin"]).await;
    let mut stream = TcpStream::connect(place.proxy).await.unwrap();
    let text = format!("GET /admin HTTP/1.1\r\nHost: gate\r\nCookie: {cookie}\r\n\r\n");
    let mut statuses = Vec::new();
    for round in 0..3 {
        if round == 2 {
            place.end("ada").await;
        }
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let is_whole = |answer: &[u8]| {
            let text = String::from_utf8_lossy(answer);
            text.contains("user=ada") || text.contains("nobody is signed in")
        };
        while !is_whole(&answer) {
            let read = timeout(PATIENCE, stream.read_buf(&mut answer))
                .await
                .unwrap()
                .unwrap();
            assert!(read > 0, "the connection ends");
        }
        statuses.push(Answer::of(&String::from_utf8_lossy(&answer)).status);
    }
    assert_eq!(statuses, [200, 200, 401]);
}

#[tokio::test]
async fn an_impersonated_user_has_the_rights_of_that_user_alone() {
    let place = Place::open().await;
    let mut visitor = place.visitor("ada", &["admin"]).await;
    place
        .change(&mut visitor, async |session| session.impersonate("linus"))
        .await;
    let cookie = visitor.field().unwrap();
    assert_eq!(
        place.get("/admin", &[("Cookie", &cookie)]).await.status,
        403
    );
    assert_eq!(
        place.get("/other", &[("Cookie", &cookie)]).await.status,
        200
    );
    assert_eq!(place.upstream.take()[0].all("x-session-user"), ["linus"]);
}

#[tokio::test]
async fn interim_answers_and_two_lengths_of_an_upstream_are_no_second_response() {
    let place = Place::open().await;
    for (answer, body) in [
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            Some("ok"),
        ),
        (
            "HTTP/1.1 103 Early Hints\r\nX-Session-User: eve\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            Some("ok"),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nokeve",
            None,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\neve",
            Some("ok"),
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\neve",
            None,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            Some("ok"),
        ),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut read = [0; 4_096];
                let _ = stream.read(&mut read).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        let upstream = cloakroom_gate::Upstream::parse(&format!("http://{address}")).unwrap();
        let proxy = crate::support::serve(place.gate.proxy(&upstream)).await;
        let text = head("GET", "/public/a", proxy, &[]);
        let got = raw(proxy, text.as_bytes()).await;
        assert_eq!(got.matches("HTTP/1.1 ").count(), 1, "{answer:?} {got}");
        assert!(!got.contains("eve"), "{answer:?} {got}");
        match body {
            Some(body) => assert!(Answer::of(&got).body.contains(body), "{answer:?} {got}"),
            None => assert!(got.starts_with("HTTP/1.1 502"), "{answer:?} {got}"),
        }
    }
}

#[tokio::test]
async fn a_range_and_a_condition_pass_and_a_body_without_length_too() {
    let place = Place::open().await;
    let cookie = place.user("ada", &[]).await;
    let fields = [
        ("Cookie", cookie.as_str()),
        ("Range", "bytes=0-1"),
        ("If-None-Match", "\"x\""),
        ("TE", "trailers"),
    ];
    assert_eq!(place.get("/other", &fields).await.status, 200);
    let seen = &place.upstream.take()[0];
    assert_eq!(
        (seen.all("range"), seen.all("if-none-match")),
        (vec!["bytes=0-1"], vec!["\"x\""])
    );
    let text = format!(
        "POST /other HTTP/1.1\r\nHost: gate\r\nCookie: {cookie}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
         5\r\nhello\r\n0\r\n\r\n"
    );
    assert_eq!(Answer::of(&place.raw(&text).await).status, 200);
    assert!(String::from_utf8_lossy(&place.upstream.bytes()).contains("hello"));
}
