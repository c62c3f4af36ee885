//! Groups 5 to 7, 10, 23 and 24: the fields of heads, in both directions.

use cloakroom::testing::TestSessions;

use crate::support::{Answer, Place};

const FORGED: [&str; 24] = [
    "X-Session-User",
    "x-session-user",
    "X-SESSION-USER",
    "X_Session_User",
    "X.Session.User",
    "X-Session_User",
    "X~Session!User",
    "HTTP_X_SESSION_USER",
    "X-Session-Roles",
    "X_Session_Roles",
    "X-Session-Jwt",
    "X.Session.Jwt",
    "X-Session-Handle",
    "Forwarded",
    "X-Forwarded-User",
    "X_Forwarded_For",
    "X-Forwarded-Prefix",
    "X-Real-IP",
    "X-Original-URL",
    "X-Original-URI",
    "X-Rewrite-URL",
    "X-Middleware-Subrequest",
    "X-Middleware-Rewrite",
    "X-Auth-Request-User",
];

#[tokio::test]
async fn g05_g06_only_the_gate_says_who_asks() {
    let place = Place::open().await;
    let user = place.user("linus", &["staff"]).await;
    let sent: Vec<(&str, &str)> = FORGED
        .iter()
        .flat_map(|name| [(*name, "eve"), (*name, "admin")])
        .collect();
    let with_cookie: Vec<_> = [("Cookie", user.as_str())]
        .into_iter()
        .chain(sent.clone())
        .collect();
    for (target, fields, name) in [
        ("/public/a", &sent, None),
        ("/other", &with_cookie, Some("linus")),
    ] {
        assert_eq!(place.get(target, fields).await.status, 200);
        let seen = &place.upstream.take()[0];
        let eve = seen
            .fields
            .iter()
            .find(|(_, value)| value.contains("eve") || value == "admin");
        assert_eq!(eve, None);
        assert_eq!(seen.all("x-session-user"), Vec::from_iter(name));
        assert_eq!(
            seen.all("x-session-roles"),
            Vec::from_iter(name.map(|_| "staff"))
        );
        assert_eq!(seen.all("x-session-jwt").len(), usize::from(name.is_some()));
        assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
        assert_eq!(seen.all("x-forwarded-host"), [place.proxy.to_string()]);
        assert!(seen.all("forwarded").is_empty() && seen.all("x-real-ip").is_empty());
    }
}

#[tokio::test]
async fn g05_a_field_that_is_written_oddly_is_no_way_around() {
    let place = Place::open().await;
    #[rustfmt::skip]
    let odd = [
        "X-Session-User : eve", "X-Session-User\t: eve", " X-Session-User: eve", "X-Session-User:eve",
        "X-Session-User:", "Accept: a\r\n X-Session-User: eve", "Accept: a\r\n\tX-Session-User: eve",
        "X-Session-User:\r\n eve", "X-Session\0-User: eve", "Accept: a\rX-Session-User: eve",
        "Accept: a\nX-Session-User: eve", "X-Session-User: eve\r\nX-Session-User: ada", "Trailer: X-Session-User",
    ];
    for line in odd {
        let text =
            format!("GET /public/a HTTP/1.1\r\nHost: gate\r\n{line}\r\nConnection: close\r\n\r\n");
        let answer = Answer::of(&place.raw(&text).await);
        assert!([200, 400].contains(&answer.status), "{line:?} {answer:?}");
        for seen in place.upstream.take() {
            assert!(seen.all("x-session-user").is_empty(), "{line:?} {seen:?}");
            assert!(seen.all("trailer").is_empty(), "{line:?} {seen:?}");
        }
    }
    // In the trailers of a body.
    let user = place.user("linus", &[]).await;
    let text = format!(
        "POST /other HTTP/1.1\r\nHost: gate\r\nCookie: {user}\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\
         Trailer: X-Session-User\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\nX-Session-User: eve\r\n\
         X_Session_Roles: admin\r\n\r\n"
    );
    assert_eq!(Answer::of(&place.raw(&text).await).status, 200);
    let bytes = String::from_utf8_lossy(&place.upstream.bytes()).into_owned();
    assert!(bytes.contains("abc") && !bytes.contains("eve"), "{bytes}");
}

#[tokio::test]
async fn g07_connection_drops_no_field_of_the_gates() {
    let place = Place::open().await;
    let user = place.user("linus", &[]).await;
    for connection in [
        "X-Session-User, close",
        "close, X-Session-User, X-Session-Roles, X-Session-Jwt",
        "x-forwarded-for, x-forwarded-proto, close",
        "close, cookie, host, content-length",
    ] {
        let fields = [("Cookie", user.as_str()), ("Connection", connection)];
        assert_eq!(place.get("/other", &fields).await.status, 200);
        let seen = &place.upstream.take()[0];
        assert_eq!(seen.all("x-session-user"), ["linus"], "{connection}");
        assert_eq!(seen.all("x-session-jwt").len(), 1);
        assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
        assert!(
            !seen
                .all("connection")
                .concat()
                .to_lowercase()
                .contains("x-")
        );
    }
    let handshake = [
        ("Cookie", user.as_str()),
        ("Connection", "close, X-Session-User, upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
        ("Origin", "https://pay.example"),
    ];
    let _ = tokio::time::timeout(
        std::time::Duration::from_secs(2),
        place.get("/socket", &handshake),
    )
    .await;
    let seen = &place.upstream.take()[0];
    assert_eq!(seen.all("x-session-user"), ["linus"]);
    assert_eq!(seen.all("connection"), ["upgrade"]);
}

#[tokio::test]
async fn g10_no_cookie_that_is_none_opens_a_protected_path() {
    let place = Place::open().await;
    let good = place.user("linus", &[]).await;
    let (name, value) = good.split_once('=').unwrap();
    let many = (0..2_000)
        .map(|n| format!("c{n}=x"))
        .collect::<Vec<_>>()
        .join("; ");
    let mut bad: Vec<Vec<u8>> = [
        String::new(),
        name.to_owned(),
        format!("{name}="),
        format!("{name}=;"),
        format!("{name}=undefined"),
        format!("{name}=j%3A%7B%7D"),
        format!("{name}=s%3A"),
        format!("{name}=s%3A."),
        format!("{name}={}", value.replace("s%3A", "")),
        format!("{name}={}", &value[..value.len() - 1]),
        format!("{name}={value}x"),
        format!("{name}={}", value.to_lowercase()),
        format!("{name}={}", value.to_uppercase()),
        format!("{}={value}", name.to_uppercase()),
        format!("x{name}={value}"),
        format!("__Host-{name}={value}"),
        format!("{name}={}", value.replace('%', "%25")),
        format!("{name}=s%3A{}.{}", "A".repeat(32), "B".repeat(43)),
        format!("{name}={}", "x".repeat(6_000)),
        format!("{many}; {name}=x"),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect();
    bad.push([name.as_bytes(), b"=\xff\xfe\x80"].concat());
    bad.push([name.as_bytes(), b"=s%3A%ff%c0%ae."].concat());
    for cookie in &bad {
        for (path, expected) in [("/other", 401), ("/admin", 401), ("/public/a", 200)] {
            let mut text =
                format!("GET {path} HTTP/1.1\r\nHost: gate\r\nConnection: close\r\nCookie: ")
                    .into_bytes();
            text.extend_from_slice(cookie);
            text.extend_from_slice(b"\r\n\r\n");
            let answer = Answer::of(&place.raw(&text).await);
            let shown = String::from_utf8_lossy(cookie);
            assert!(
                answer.status == expected || answer.status == 431,
                "{path} {shown}: {answer:?}"
            );
        }
    }
    assert!(
        place
            .upstream
            .targets()
            .iter()
            .all(|target| target == "/public/a")
    );
    // Ten thousand, and a header that is far too long.
    let flood = (0..10_000)
        .map(|n| format!("c{n}=x"))
        .collect::<Vec<_>>()
        .join("; ");
    let status = place
        .get("/other", &[("Cookie", &format!("{flood}; {name}=x"))])
        .await
        .status;
    assert!([401, 431].contains(&status), "{status}");
    let status = place
        .get(
            "/other",
            &[("Cookie", &format!("{name}={}", "x".repeat(1_000_000)))],
        )
        .await
        .status;
    assert!([0, 400, 401, 431].contains(&status), "{status}");
    // The control: the cookie that these were made of, also behind a forged one.
    assert_eq!(place.get("/other", &[("Cookie", &good)]).await.status, 200);
    assert_eq!(
        place
            .get("/other", &[("Cookie", &format!("{name}=forged; {good}"))])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn g23_the_ticket_stays_at_the_gate_unless_a_rule_passes_it() {
    let place = Place::open().await;
    let user = place.user("linus", &[]).await;
    let cookies = format!("a=1; {user}; b=2");
    let set = |answer: &Answer| {
        let lines = answer.head.lines();
        lines
            .filter(|line| line.to_lowercase().starts_with("set-cookie"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for target in ["/other/lies", "/public/lies", "/admin/lies"] {
        let admin = place.user("ada", &["admin"]).await;
        let cookies = if target.starts_with("/admin") {
            format!("a=1; {admin}; b=2")
        } else {
            cookies.clone()
        };
        let answer = place.get(target, &[("Cookie", &cookies)]).await;
        assert_eq!(
            place.upstream.take()[0].all("cookie"),
            ["a=1; b=2"],
            "{target}"
        );
        assert_eq!(set(&answer), ["set-cookie: theme=dark"], "{target}");
    }
    let answer = place.get("/shared/lies", &[("Cookie", &cookies)]).await;
    assert_eq!(place.upstream.take()[0].all("cookie"), [cookies.as_str()]);
    assert_eq!(set(&answer).len(), 2);
    let answer = place.get("/login/", &[("Cookie", &cookies)]).await;
    assert_eq!(
        (answer.status, place.upstream.take()[0].all("cookie")),
        (200, vec![cookies.as_str()])
    );
}

#[tokio::test]
async fn g24_an_upstreams_answer_is_no_word_of_the_gates() {
    let place = Place::open().await;
    let answer = place.get("/public/lies", &[]).await;
    assert_eq!(answer.body, "lies");
    let head = answer.head.to_lowercase();
    for name in ["session", "accel", "sendfile", "eve", "secret", "x-own"] {
        assert!(!head.contains(name), "{name} in {head}");
    }
}

#[tokio::test]
async fn a_name_of_the_cookie_with_a_prefix_is_another_cookie() {
    let policy = TestSessions::policy().name("sid");
    let place = Place::with(TestSessions::with(policy), crate::support::RULES).await;
    let user = place.user("linus", &[]).await;
    let fields = [("Cookie", format!("connect.sid=1; {user}; sid2=3"))];
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(place.get("/other/lies", &fields).await.status, 200);
    assert_eq!(
        place.upstream.take()[0].all("cookie"),
        ["connect.sid=1; sid2=3"]
    );
}
