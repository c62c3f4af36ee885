//! Compares the counts of the gate and the console, read from their `/metrics`, with what happened.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use testbed::{Process, free_port};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant, sleep};

use crate::place::{PROGRAM, Place};
use crate::wire::{PATIENCE, head};

/// A console beside the gate, on its store.
pub(crate) struct Desk {
    pub(crate) pages: SocketAddr,
    pub(crate) metrics: SocketAddr,
    _console: Process,
}

impl Desk {
    pub(crate) async fn open(place: &Place) -> Self {
        let [pages, metrics] = [(), ()].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let file = |name: &str| place.folder.join(name).display().to_string();
        #[rustfmt::skip]
        let flags = [
            "console".to_owned(),
            "--store".to_owned(),        format!("sqlite:{}", file("sessions.db")),
            "--secret-file".to_owned(),  file("secret"),
            "--audit".to_owned(),        file("audit.jsonl"),
            "--addr".to_owned(),         pages.to_string(),
            "--metrics-addr".to_owned(), metrics.to_string(),
        ];
        let console = Process::start(Path::new(PROGRAM), flags, &place.folder, None);
        for address in [pages, metrics] {
            place.listens(address).await;
        }
        Self {
            pages,
            metrics,
            _console: console,
        }
    }
}

/// Returns what `/metrics` of a command answers.
pub(crate) async fn exposed(place: &Place, at: SocketAddr) -> String {
    let answer = place.get(at, "/metrics", &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// Returns each series with its value, without those whose value is 0; of a histogram its count.
fn series(text: &str) -> BTreeMap<String, f64> {
    let mut series = BTreeMap::new();
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap();
        if value != 0.0 && !name.contains("_seconds_bucket") && !name.contains("_seconds_sum") {
            let known = series.insert(name.to_owned(), value);
            assert!(known.is_none(), "{name} is there twice:\n{text}");
        }
    }
    series
}

/// Compares with a table, both ways.
fn agree(mut counted: BTreeMap<String, f64>, expected: &[(&str, f64)], text: &str) {
    counted.retain(|name, _| !name.starts_with("cloakroom_build_info"));
    let expected: BTreeMap<String, f64> = expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect();
    assert_eq!(counted, expected, "\n{text}");
}

/// Waits until a line is there.
async fn becomes(place: &Place, line: &str) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let text = exposed(place, place.metrics).await;
        if text.lines().any(|it| it == line) {
            return text;
        }
        assert!(Instant::now() < end, "{line} is not in\n{text}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Listener, target, fields, status.
type Row<'a> = (SocketAddr, &'a str, Vec<(&'a str, &'a str)>, u16);

/// Fails unless every decision that a rule can come to is there before the first request, at 0: `increase` needs it.
fn begins_at_nothing(text: &str) {
    for rule in [
        "/login",
        "/public/{*rest}",
        "/admin/{*rest}",
        "/reports/{id}",
        "/shared/{*rest}",
        "default",
    ] {
        for decision in ["pass", "login", "forbidden", "store_error"] {
            let line = format!(
                "cloakroom_gate_decisions_total{{rule=\"{rule}\",decision=\"{decision}\"}} 0"
            );
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
    }
    assert!(
        text.contains("cloakroom_gate_jwt_minted_total 0\n"),
        "{text}"
    );
    assert!(
        text.contains("cloakroom_sessions_ended_total{reason=\"limit\"} 0\n"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_the_gate_are_counted_exactly() {
    let place = Place::open().await;
    begins_at_nothing(&exposed(&place, place.metrics).await);
    let (ada, eve) = (
        place.user("ada", &["staff"]).await,
        place.user("eve", &["admin"]).await,
    );
    let (ada_s, eve_s) = (("Cookie", ada.as_str()), ("Cookie", eve.as_str()));
    let forged = format!("{ada}x");
    let about = |path| [("X-Original-URI", path), ("X-Original-Method", "GET")];
    #[rustfmt::skip]
    let script: [Row<'_>; 14] = [
        (place.proxy,  "/public/a",              vec![],                          200),
        (place.proxy,  "/public/b",              vec![ada_s],                     200),
        (place.proxy,  "/other",                 vec![],                          401),
        (place.proxy,  "/other",                 vec![ada_s],                     200),
        (place.proxy,  "/other",                 vec![ada_s],                     200),
        (place.proxy,  "/other",                 vec![("Cookie", &forged)],       401),
        (place.proxy,  "/admin/a",               vec![ada_s],                     403),
        (place.proxy,  "/admin/a",               vec![eve_s],                     200),
        (place.proxy,  "/a/../b",                vec![ada_s],                     400),
        (place.proxy,  "/.well-known/jwks.json", vec![],                          200),
        (place.verify, "/verify",                about("/public/a").to_vec(),     200),
        (place.verify, "/verify",                [&about("/shared/a")[..], &[ada_s]].concat(), 200),
        (place.verify, "/verify",                about("/other").to_vec(),        401),
        (place.verify, "/verify",                vec![ada_s],                     403),
    ];
    for (at, target, fields, status) in script {
        let answer = place.get(at, target, &fields).await;
        assert_eq!(answer.status, status, "{target} {fields:?}");
    }
    let refused = head(
        "POST",
        "/reports/1",
        place.proxy,
        &[ada_s, ("Content-Length", "0")],
    );
    let answer = crate::wire::raw(place.proxy, refused.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    // A client that gives up while the application is silent: its request has passed.
    let mut stream = TcpStream::connect(place.proxy).await.unwrap();
    let waits = head("GET", "/shared/silence", place.proxy, &[ada_s]);
    stream.write_all(waits.as_bytes()).await.unwrap();
    let end = Instant::now() + PATIENCE;
    while !place
        .upstream
        .targets()
        .iter()
        .any(|target| target == "/shared/silence")
    {
        assert!(Instant::now() < end, "it does not reach the application");
        sleep(Duration::from_millis(10)).await;
    }
    drop(stream);
    // The last of a user whose session has ended meanwhile.
    place.end("eve").await;
    assert_eq!(place.get(place.proxy, "/other", &[eve_s]).await.status, 401);
    let passed = r#"cloakroom_gate_decisions_total{rule="/shared/{*rest}",decision="pass"} 2"#;
    let text = becomes(&place, passed).await;
    let mut counted = series(&text);
    // Two follow the clock: the age of the key, and how often the sessions of open requests are looked at.
    assert!(text.contains("cloakroom_gate_key_age_seconds "), "{text}");
    counted.retain(|name, _| !name.contains("key_age_seconds") && !name.contains("\"expiries\""));
    #[rustfmt::skip]
    agree(counted, &[
        (r#"cloakroom_gate_decisions_total{rule="/public/{*rest}",decision="pass"}"#,     3.0),
        (r#"cloakroom_gate_decisions_total{rule="default",decision="pass"}"#,             2.0),
        (r#"cloakroom_gate_decisions_total{rule="default",decision="login"}"#,            4.0),
        (r#"cloakroom_gate_decisions_total{rule="/admin/{*rest}",decision="forbidden"}"#, 1.0),
        (r#"cloakroom_gate_decisions_total{rule="/admin/{*rest}",decision="pass"}"#,      1.0),
        (r#"cloakroom_gate_decisions_total{rule="/shared/{*rest}",decision="pass"}"#,     2.0),
        (r#"cloakroom_gate_decisions_total{rule="/reports/{id}",decision="forbidden"}"#,  1.0),
        (r#"cloakroom_gate_decisions_total{rule="none",decision="malformed"}"#,           2.0),
        // One for each session: those of ada's requests are asked for within its 20 seconds.
        ("cloakroom_gate_jwt_minted_total",                                               2.0),
        ("cloakroom_sessions_opened_total",                                               6.0),
        (r#"cloakroom_cookies_refused_total{reason="signature"}"#,                        1.0),
        (r#"cloakroom_cookies_refused_total{reason="unknown"}"#,                          1.0),
        (r#"db_client_operation_duration_seconds_count{db_system_name="sqlite",db_operation_name="get"}"#,     7.0),
        (r#"db_client_operation_duration_seconds_count{db_system_name="sqlite",db_operation_name="retired"}"#, 1.0),
        // The client that gave up was never answered.
        (r#"http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200"}"#, 8.0),
        (r#"http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="401"}"#, 4.0),
        (r#"http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="403"}"#, 2.0),
        (r#"http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="400"}"#, 1.0),
        (r#"http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="405"}"#, 1.0),
    ], &text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_counts_its_sessions_and_its_own_pages_exactly() {
    let place = Place::open().await;
    for user in ["ada", "eve", "bob"] {
        place.user(user, &[]).await;
    }
    let desk = Desk::open(&place).await;
    assert_eq!(
        place.get(desk.pages, "/style.css.no", &[]).await.status,
        401
    );
    let end = Instant::now() + PATIENCE;
    let text = loop {
        let text = exposed(&place, desk.metrics).await;
        if text.contains("\ncloakroom_sessions_live 3\n") {
            break text;
        }
        assert!(Instant::now() < end, "{text}");
        sleep(Duration::from_millis(20)).await;
    };
    let mut counted = series(&text);
    let at = counted
        .remove("cloakroom_sessions_counted_timestamp_seconds")
        .unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!(at <= now && now - at < 3600.0, "{at} {now}");
    #[rustfmt::skip]
    agree(counted, &[
        ("cloakroom_sessions_live", 3.0),
        (r#"http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="401"}"#, 1.0),
    ], &text);
}
