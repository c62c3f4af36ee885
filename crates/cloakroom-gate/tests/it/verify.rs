//! Verify mode, asked directly: groups 8 and 30, and what the others say of it.

use std::net::SocketAddr;

use cloakroom::policy::TrustedProxy;
use cloakroom::store::StoreErrorKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;

use crate::support::{Answer, PATIENCE, Place, head, raw, serve};

const PLACES: [&str; 2] = ["/verify", "/forward-auth"];

fn about<'a>(method: &'a str, uri: &'a str) -> [(&'static str, &'a str); 2] {
    [("X-Original-Method", method), ("X-Original-URI", uri)]
}

#[tokio::test]
async fn a_request_that_may_pass_is_200_with_all_fields_of_the_identity() {
    let place = Place::open().await;
    let user = place.user("linus", &["staff"]).await;
    for asked in PLACES {
        let answer = place
            .ask(
                asked,
                &[&about("GET", "/other?x=1")[..], &[("Cookie", &user)]].concat(),
            )
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.field("x-session-user"), Some("linus"));
        assert_eq!(answer.field("x-session-roles"), Some("staff"));
        assert!(
            answer
                .field("x-session-jwt")
                .is_some_and(|token| token.split('.').count() == 3)
        );
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert_eq!(answer.field("set-cookie"), None);
        assert_eq!(answer.field("x-session-cache"), Some("private, no-cache"));
        // On a public rule they are there and empty, so that a proxy overwrites a client's.
        for cookie in ["", &user] {
            let answer = place
                .ask(
                    asked,
                    &[&about("GET", "/public/a")[..], &[("Cookie", cookie)]].concat(),
                )
                .await;
            assert_eq!(answer.status, 200);
            for name in [
                "x-session-user",
                "x-session-roles",
                "x-session-jwt",
                "x-session-cache",
            ] {
                assert_eq!(answer.field(name), Some(""), "{name}");
            }
        }
    }
    // So are the cookies that the application may have.
    for (uri, cookies) in [
        ("/other", "a=1;b=2"),
        ("/shared/x", "a=1; SID;b=2"),
        ("/public/a", "a=1;b=2"),
    ] {
        let (sent, kept) = (format!("a=1; {user};b=2"), cookies.replace("SID", &user));
        let fields = [&about("GET", uri)[..], &[("Cookie", &sent)]].concat();
        let answer = place.ask("/verify", &fields).await;
        assert_eq!(answer.field("x-session-cookie"), Some(&*kept), "{uri}");
    }
    let by_path = place.ask("/envoy/other?x=1", &[("Cookie", &user)]).await;
    assert_eq!(
        (by_path.status, by_path.field("x-session-user")),
        (200, Some("linus"))
    );
    assert!(place.upstream.bytes().is_empty());
}

#[tokio::test]
async fn g08_a_question_that_is_not_asked_once_is_403() {
    let place = Place::open().await;
    let admin = place.user("ada", &["admin"]).await;
    let (get, public, protected) = ("GET", "/public/a", "/admin");
    #[rustfmt::skip]
    let table: [(&[(&str, &str)], u16); 34] = [
        (&[("X-Original-Method", get), ("X-Original-URI", public), ("X-Session-User", "eve")],            200),
        (&[("X-Original-Method", get), ("X-Original-URI", public), ("X_Session_User", "eve")],            403),
        (&[("X-Original-Method", get), ("X-Original-URI", public), ("Http-X-Session-User", "eve")],       403),
        (&[("X-Original-Method", get), ("X-Original-URI", public), ("Remote.User", "eve")],               403),
        (&[("X-Original-Method", get), ("X-Original-URI", public)],                                       200),
        (&[("X-Forwarded-Method", get), ("X-Forwarded-Uri", public)],                                     200),
        (&[("X-Original-Method", get), ("X-Original-URI", public), ("X-Forwarded-Uri", public)],          200),
        (&[("X-Original-Method", get), ("X-Original-URI", protected), ("X-Forwarded-Uri", public)],       403),
        (&[("X-Original-Method", get), ("X-Original-URI", public), ("X-Forwarded-Uri", protected)],       403),
        (&[("X-Original-Method", get), ("X-Original-URI", public), ("X-Original-URI", protected)],        403),
        (&[("X-Original-Method", get), ("X-Original-URI", public), ("X-Original-URI", public)],           403),
        (&[("X-Forwarded-Method", get), ("X-Forwarded-Uri", public), ("X-Forwarded-Uri", protected)],     403),
        (&[("X-Original-Method", get), ("X-Forwarded-Method", "POST"), ("X-Original-URI", public)],       403),
        (&[("X-Original-Method", get), ("X-Original-Method", get), ("X-Original-URI", public)],           403),
        (&[("X-Original-Method", get)],                                                                   403),
        (&[("X-Original-URI", public)],                                                                   403),
        (&[],                                                                                             403),
        (&[("X-Original-Method", get), ("X-Original-URI", "")],                                           403),
        (&[("X-Original-Method", ""), ("X-Original-URI", public)],                                        403),
        (&[("X-Original-Method", "get"), ("X-Original-URI", public)],                                     403),
        (&[("X-Original-Method", "TRACE"), ("X-Original-URI", public)],                                   403),
        (&[("X-Original-Method", "CONNECT"), ("X-Original-URI", public)],                                 403),
        (&[("X-Original-Method", get), ("X-Original-URI", "*")],                                          403),
        (&[("X-Original-Method", get), ("X-Original-URI", "public/a")],                                   403),
        (&[("X-Original-Method", get), ("X-Original-URI", "http://other/public/a")],                      403),
        (&[("X-Original-Method", get), ("X-Original-URI", "//other/public/a")],                           403),
        (&[("X-Original-Method", get), ("X-Original-URI", "/public/../admin")],                           403),
        (&[("X-Original-Method", get), ("X-Original-URI", "/public/%2e%2e/admin")],                       403),
        (&[("X-Original-Method", get), ("X-Original-URI", "/public/a#/../admin")],                        403),
        (&[("X-Original-Method", get), ("X-Original-URI", "/public/a, /admin")],                          403),
        (&[("X-Original-Method", get), ("X-Original-URI", "/public/%zz")],                                403),
        (&[("X-Original-Method", get), ("X-Original-URI", "/caf\u{e9}")],                                 403),
        (&[("X-Original-Method", get), ("X-Original-URI", "/public/a b")],                                403),
        (&[("X-Original-Method", get), ("X-Original-URI", public), ("Host", "a@b")],                      403),
    ];
    for asked in PLACES {
        for (fields, status) in table {
            let fields = [fields, &[("Cookie", admin.as_str())]].concat();
            let answer = place.ask(asked, &fields).await;
            assert_eq!(answer.status, status, "{asked} {fields:?} {answer:?}");
        }
    }
    for path in [
        "/",
        "/verify/",
        "/verify/../verify",
        "/VERIFY",
        "/metrics",
        "/envoy",
        "/admin",
    ] {
        let answer = place.ask(path, &about("GET", public)).await;
        assert!([403, 404].contains(&answer.status), "{path} {answer:?}");
    }
    for path in ["/envoy//admin", "/envoy/public/../admin", "/envoy/%61dmin"] {
        assert_eq!(
            place.ask(path, &about("GET", public)).await.status,
            403,
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_refusal_is_one_that_its_proxy_understands() {
    let place = Place::open().await;
    let user = place.user("linus", &[]).await;
    let page = ("Accept", "text/html");
    #[rustfmt::skip]
    let table: [(&str, &str, &[(&str, &str)], u16, u16); 9] = [
        ("GET",  "/other",         &[],                                                   401, 401),
        ("GET",  "/other",         &[page],                                               401, 303),
        ("POST", "/other",         &[page],                                               401, 401),
        ("GET",  "/api/x",         &[page],                                               401, 401),
        ("GET",  "/admin",         &[("Cookie", &user), page],                            403, 403),
        ("POST", "/reports/1",     &[("Cookie", &user)],                                  403, 405),
        ("GET",  "/public/socket", &[("X-Original-Upgrade", "websocket"), ("Origin", "https://pay.example")], 401, 401),
        ("GET",  "/public/socket", &[("Upgrade", "websocket"), ("Origin", "https://evil.example")],           403, 403),
        ("GET",  "/other",         &[("Cookie", "connect.sid=s%3Ax.y")],                  401, 401),
    ];
    for (method, uri, fields, of_verify, of_forward) in table {
        for (asked, status) in [("/verify", of_verify), ("/forward-auth", of_forward)] {
            let fields = [&about(method, uri)[..], fields].concat();
            let answer = place.ask(asked, &fields).await;
            assert_eq!(answer.status, status, "{asked} {method} {uri} {fields:?}");
            assert_eq!(answer.field("cache-control"), Some("no-store"));
            assert_eq!(answer.field("x-session-user"), None);
        }
    }
    let fields = [&about("GET", "/other?a=1")[..], &[page]].concat();
    let answer = place.ask("/verify", &fields).await;
    assert_eq!(
        answer.field("x-session-login"),
        Some("/login?next=/other%3Fa%3D1")
    );
    let answer = place.ask("/forward-auth", &fields).await;
    assert_eq!(answer.field("location"), Some("/login?next=/other%3Fa%3D1"));
}

#[tokio::test]
async fn g11_g18_g21_what_ended_or_was_taken_away_passes_nowhere() {
    let place = Place::open().await;
    let admin = place.user("ada", &["admin"]).await;
    let fields = [&about("GET", "/admin")[..], &[("Cookie", &admin)]].concat();
    for asked in PLACES {
        assert_eq!(place.ask(asked, &fields).await.status, 200);
    }
    place
        .elsewhere()
        .set_roles_of("ada", ["staff"])
        .await
        .unwrap();
    for asked in PLACES {
        assert_eq!(place.ask(asked, &fields).await.status, 403);
    }
    for how in ["fail", "hang"] {
        match how {
            "fail" => place.sessions.store().fail(StoreErrorKind::Unavailable),
            _ => place.sessions.store().hang(),
        }
        for asked in PLACES {
            let answer = timeout(PATIENCE, place.ask(asked, &fields))
                .await
                .expect(how);
            assert_eq!(answer.status, 503, "{how} {asked}");
        }
        place.sessions.store().work();
    }
    place.end("ada").await;
    for asked in PLACES {
        assert_eq!(place.ask(asked, &fields).await.status, 401);
    }
}

#[tokio::test]
async fn g08_g30_only_a_named_network_may_ask() {
    let place = Place::open().await;
    let v6 = TcpListener::bind("[::]:0").await.unwrap();
    let port = v6.local_addr().unwrap().port();
    let serve_on = |listener: TcpListener, trusted: TrustedProxy| {
        let service = place
            .gate
            .verify(trusted)
            .into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await })
    };
    let networks = |text: &str| TrustedProxy::networks([text]).unwrap();
    // The address of a client over IPv4 is ::ffff:127.0.0.1 here.
    let serving = serve_on(v6, networks("127.0.0.1"));
    let mapped: SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
    let real: SocketAddr = format!("[::1]:{port}").parse().unwrap();
    for (to, status) in [(mapped, 200), (real, 403)] {
        let text = head("GET", "/verify", to, &about("GET", "/public/a"));
        assert_eq!(
            Answer::of(&raw(to, text.as_bytes()).await).status,
            status,
            "{to}"
        );
    }
    serving.abort();
    // By another address of this machine, as by another machine.
    for (named, from, status) in [
        ("127.0.0.1", "127.0.0.1", 200),
        ("127.0.0.1", "127.0.0.2", 403),
        ("127.0.0.2", "127.0.0.2", 200),
        ("127.0.0.2", "127.0.0.1", 403),
        ("127.1.0.0/16", "127.1.2.3", 200),
        ("127.1.0.0/16", "127.2.2.3", 403),
    ] {
        let to = serve(place.gate.verify(networks(named))).await;
        let text = head("GET", "/verify", to, &about("GET", "/public/a"));
        let answer = asked_from(from, to, &text).await;
        assert_eq!(answer.status, status, "{named} trusted, {from} asks");
    }
    #[rustfmt::skip]
    let table = [
        (TrustedProxy::None,              403),
        (networks("10.0.0.0/8"),          403),
        (networks("::1"),                 403),
        (networks("127.0.0.2"),           403),
        (networks("127.0.0.0/8"),         200),
    ];
    for (trusted, status) in table {
        let to = serve(place.gate.verify(trusted.clone())).await;
        for more in [
            &[][..],
            &[("X-Forwarded-For", "10.0.0.1")],
            &[("X-Real-IP", "::1"), ("Forwarded", "for=127.0.0.2")],
        ] {
            let fields = [&about("GET", "/public/a")[..], more].concat();
            let answer = Answer::of(&raw(to, head("GET", "/verify", to, &fields).as_bytes()).await);
            assert_eq!(answer.status, status, "{trusted:?} {more:?}");
        }
        let text = head("GET", "/.well-known/jwks.json", to, &[]);
        assert_eq!(Answer::of(&raw(to, text.as_bytes()).await).status, status);
    }
    // A server that makes no peer known, as over a unix socket, trusts nobody.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let router = place.gate.verify(networks("127.0.0.0/8"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let text = head("GET", "/verify", to, &about("GET", "/public/a"));
    assert_eq!(Answer::of(&raw(to, text.as_bytes()).await).status, 403);
}

async fn asked_from(from: &str, to: SocketAddr, text: &str) -> Answer {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    Answer::of(&answer)
}

/// The fields that Traefik's and Envoy's documentation has, around what a client sent. Neither was at hand.
#[tokio::test]
async fn traefiks_and_envoys_questions_are_answered_as_the_printed_configurations_expect() {
    let place = Place::open().await;
    let user = place.user("linus", &[]).await;
    let page = ("Accept", "text/html");
    let traefik = |method, uri| {
        [
            ("X-Forwarded-Method", method),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "shop.example"),
            ("X-Forwarded-Uri", uri),
            ("X-Forwarded-For", "203.0.113.7"),
            ("Accept-Encoding", "gzip"),
        ]
    };
    #[rustfmt::skip]
    let table: [(&str, &str, &[(&str, &str)], u16); 8] = [
        ("GET",  "/other",           &[("Cookie", &user)],                                            200),
        ("GET",  "/public/a",        &[],                                                             200),
        ("GET",  "/other?a=1",       &[page],                                                         303),
        ("POST", "/other",           &[page],                                                         401),
        ("GET",  "/admin",           &[("Cookie", &user)],                                            403),
        ("GET",  "/public/../admin", &[("Cookie", &user)],                                            403),
        ("GET",  "/socket",          &[("Cookie", &user), ("Upgrade", "websocket"), ("Origin", "https://shop.example")], 200),
        ("GET",  "/socket",          &[("Cookie", &user), ("Upgrade", "websocket"), ("Origin", "https://evil.example")], 403),
    ];
    for (method, uri, fields, status) in table {
        let asked = [&traefik(method, uri)[..], fields].concat();
        let answer = place.ask("/forward-auth", &asked).await;
        assert_eq!(answer.status, status, "Traefik {method} {uri} {answer:?}");
        assert_eq!(answer.field("location").is_some(), status == 303);
        // Envoy: the method, the path behind its prefix, and what the configuration lets through.
        let envoy = [
            ("Host", "shop.example"),
            ("Content-Length", "0"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-For", "203.0.113.7"),
            ("X-Envoy-Internal", "true"),
            ("X-Envoy-Expected-Rq-Timeout-Ms", "5000"),
            // A client's own, which is not believed.
            ("X-Forwarded-Uri", "/public/a"),
            ("X-Original-URI", "/public/a"),
        ];
        let to = format!("/envoy{uri}");
        let text = head(method, &to, place.verify, &[&envoy[..], fields].concat());
        let answer = Answer::of(&raw(place.verify, text.as_bytes()).await);
        assert_eq!(answer.status, status, "Envoy {method} {uri} {answer:?}");
    }
    // A client that gets a field of the other family past Traefik gets nothing by it.
    let asked = [
        &traefik("GET", "/admin")[..],
        &[("X-Original-URI", "/public/a"), ("Cookie", &user)],
    ]
    .concat();
    assert_eq!(place.ask("/forward-auth", &asked).await.status, 403);
}
