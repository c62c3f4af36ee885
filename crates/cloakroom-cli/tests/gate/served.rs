//! The command by itself: what it serves where, what changes while it runs, what it refuses to start with.

use std::fs;
use std::process::Command;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::place::{PROGRAM, Place, RULES};
use crate::wire::PATIENCE;

/// Waits until a request is answered with this status.
async fn becomes(place: &Place, target: &str, fields: &[(&str, &str)], status: u16) {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = place.get(place.proxy, target, fields).await;
        if answer.status == status {
            return;
        }
        assert!(Instant::now() < end, "{target} stays {}", answer.status);
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g28_rules_are_read_again_as_a_whole_or_not_at_all() {
    let place = Place::open().await;
    let rules = place.folder.join("rules.toml");
    assert_eq!(place.get(place.proxy, "/public/a", &[]).await.status, 200);
    let other = "[[route]]\npath = \"/new/{*rest}\"\npublic = true\n";
    fs::write(&rules, other).unwrap();
    becomes(&place, "/new/a", &[], 200).await;
    assert_eq!(place.get(place.proxy, "/public/a", &[]).await.status, 401);
    // One that cannot be used, half of it good; one that is gone.
    for broken in [
        format!("{other}[[route]]\npath = \"^/x\"\n"),
        format!("{RULES}\nlogin = \"/x\""),
        "[[".to_owned(),
    ] {
        fs::write(&rules, broken).unwrap();
        place.gate.signal("HUP");
        sleep(Duration::from_millis(1_500)).await;
        assert_eq!(place.get(place.proxy, "/new/a", &[]).await.status, 200);
        assert_eq!(place.get(place.proxy, "/public/a", &[]).await.status, 401);
    }
    fs::remove_file(&rules).unwrap();
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(place.get(place.proxy, "/new/a", &[]).await.status, 200);
    let log = fs::read_to_string(place.folder.join("log")).unwrap();
    assert!(
        log.contains("the rules stay as they were") && log.contains("does not begin with /"),
        "{log}"
    );
    fs::write(&rules, RULES).unwrap();
    becomes(&place, "/public/a", &[], 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g20_a_signal_rotates_the_keys_and_none_of_them_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::open().await;
    let keys = place.folder.join("keys.json");
    assert_eq!(
        fs::metadata(&keys).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let stored: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&keys).unwrap()).unwrap();
    for address in [place.proxy, place.verify] {
        let answer = place.get(address, "/.well-known/jwks.json", &[]).await;
        let set: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(set["keys"].as_array().unwrap().len(), 2);
        for key in stored["keys"].as_array().unwrap() {
            assert!(!answer.body.contains(key["seed"].as_str().unwrap()));
            assert!(answer.body.contains(key["kid"].as_str().unwrap()));
        }
    }
    // The next key is too young: what is stored says when it signs.
    let before = stored["keys"][1]["from"].as_u64().unwrap();
    let published = stored["keys"][1]["published"].as_u64().unwrap();
    let mut aged = stored.clone();
    aged["keys"][0]["from"] = (published - 1_000).into();
    fs::write(&keys, aged.to_string()).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    place.gate.signal("HUP");
    let end = Instant::now() + PATIENCE;
    loop {
        let now: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&keys).unwrap()).unwrap();
        let from = now["keys"][1]["from"].as_u64().unwrap();
        if from < before {
            assert_eq!(from, published + 600);
            break;
        }
        assert!(Instant::now() < end, "the keys are not rotated");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g27_health_and_metrics_are_on_a_listener_of_their_own() {
    let place = Place::open().await;
    let cookie = place.user("ada", &["staff"]).await;
    let cookie = ("Cookie", cookie.as_str());
    for (target, fields) in [
        ("/public/a", &[][..]),
        ("/other", &[][..]),
        ("/other", &[cookie]),
        ("/admin", &[cookie]),
        ("/a/../b", &[]),
    ] {
        place.get(place.proxy, target, fields).await;
    }
    for path in ["/live", "/ready", "/metrics"] {
        assert_eq!(
            place.get(place.metrics, path, &[]).await.status,
            200,
            "{path}"
        );
        assert_eq!(
            place.get(place.proxy, path, &[]).await.status,
            401,
            "{path}"
        );
        assert_eq!(
            place.get(place.verify, path, &[]).await.status,
            404,
            "{path}"
        );
    }
    sleep(Duration::from_millis(1_500)).await;
    let metrics = place.get(place.metrics, "/metrics", &[]).await.body;
    for line in [
        r#"cloakroom_gate_decisions_total{rule="/public/{*rest}",decision="pass"} 1"#,
        r#"cloakroom_gate_decisions_total{rule="default",decision="pass"} 1"#,
        r#"cloakroom_gate_decisions_total{rule="/admin/{*rest}",decision="forbidden"} 1"#,
        r#"cloakroom_gate_decisions_total{rule="none",decision="malformed"} 1"#,
        "cloakroom_gate_jwt_minted_total 1",
        "cloakroom_gate_key_age_seconds ",
        r#"cloakroom_build_info{version=""#,
        "cloakroom_sessions_opened_total 2",
        "db_client_operation_duration_seconds_bucket",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    // The three of them and `/live` and the like are refused without a login.
    assert!(
        metrics.contains(r#"cloakroom_gate_decisions_total{rule="default",decision="login"} 4"#),
        "{metrics}"
    );
    // The quotes: a reason is `unreadable`.
    for secret in ["\"ada\"", "staff", cookie.1] {
        assert!(!metrics.contains(secret), "{secret}");
    }
    let log = fs::read_to_string(place.folder.join("log")).unwrap();
    let line = log
        .lines()
        .find(|line| line.contains("cloakroom::audit"))
        .unwrap();
    let line: serde_json::Value = serde_json::from_str(&line[line.find('{').unwrap()..]).unwrap();
    assert_eq!(line["event"], "authz_fail:ada,/admin/{*rest}");
    assert_eq!(
        (&line["user"], &line["source_ip"]),
        (&"ada".into(), &"127.0.0.1".into())
    );
    assert!(!log.contains(cookie.1));
}

#[tokio::test(flavor = "multi_thread")]
async fn g29_slow_clients_and_long_heads_hold_nobody_up() {
    let place = Place::open().await;
    let mut slow = Vec::new();
    for _ in 0..500 {
        let mut stream = TcpStream::connect(place.proxy).await.unwrap();
        stream
            .write_all(b"GET /public/a HTTP/1.1\r\nHost: gate\r\nX-Slow: ")
            .await
            .unwrap();
        slow.push(stream);
    }
    let long = place
        .get(
            place.proxy,
            "/public/a",
            &[("X-Long", &"x".repeat(3_000_000))],
        )
        .await;
    assert!([0, 431].contains(&long.status), "{long:?}");
    let many: Vec<String> = (0..500).map(|n| format!("X-{n}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(place.get(place.proxy, "/public/a", &many).await.status, 431);
    assert_eq!(place.get(place.proxy, "/public/b", &[]).await.status, 200);
    assert_eq!(place.upstream.targets(), ["/public/b"]);
}

/// Returns the gate's memory in MiB.
fn resident(place: &Place) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", place.gate.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn g29_bodies_are_streamed_both_ways_whoever_reads_them() {
    const MIB: usize = 1024 * 1024;
    const LENGTH: usize = 300 * MIB;
    let place = Place::open().await;
    let cookie = place.user("ada", &[]).await;
    let (cookie, length) = (("Cookie", cookie.as_str()), LENGTH.to_string());
    place.get(place.proxy, "/other", &[cookie]).await;
    let before = resident(&place);
    let text = |method: &str, target: &str, more: &[(&str, &str)]| {
        crate::wire::head(method, target, place.proxy, &[&[cookie], more].concat())
    };
    let mut stream = TcpStream::connect(place.proxy).await.unwrap();
    stream
        .write_all(text("POST", "/upload", &[("Content-Length", &length)]).as_bytes())
        .await
        .unwrap();
    for _ in 0..LENGTH / MIB {
        stream.write_all(&vec![b'x'; MIB]).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let mut stream = TcpStream::connect(place.proxy).await.unwrap();
    stream
        .write_all(text("GET", "/x/download", &[]).as_bytes())
        .await
        .unwrap();
    let (mut part, mut read) = (vec![0; MIB], 0);
    while read < LENGTH {
        read += stream.read(&mut part).await.unwrap();
    }
    // A hundred clients that read nothing.
    let mut idle = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(place.proxy).await.unwrap();
        stream
            .write_all(text("GET", "/x/download", &[]).as_bytes())
            .await
            .unwrap();
        idle.push(stream);
    }
    sleep(Duration::from_secs(1)).await;
    let grown = resident(&place).saturating_sub(before);
    assert!(
        grown < 150,
        "{grown} MiB for 600 MiB of bodies and a hundred clients"
    );
    assert_eq!(place.get(place.proxy, "/public/a", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_finished_when_the_gate_ends() {
    let mut place = Place::open().await;
    let cookie = place.user("ada", &[]).await;
    let mut stream = TcpStream::connect(place.proxy).await.unwrap();
    let head = format!(
        "POST /other HTTP/1.1\r\nHost: gate\r\nCookie: {cookie}\r\nContent-Length: 4\r\n\r\nco"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    place.gate.signal("TERM");
    sleep(Duration::from_millis(300)).await;
    stream.write_all(b"at").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    place.gate.kill();
}

#[test]
fn g25_g28_rules_that_open_or_loop_are_refused_at_start_in_one_line() {
    let folder = testbed::directory();
    let file = folder.join("rules.toml");
    let start = |rules: &str| {
        fs::write(&file, rules).unwrap();
        let output = Command::new(PROGRAM)
            .args([
                "gate",
                "--upstream",
                "http://127.0.0.1:1",
                "--addr",
                "127.0.0.1:0",
                "--store",
                "memory:",
                "--rules",
            ])
            .arg(&file)
            .env("SESSION_SECRET", "a secret of tests of more than 32 bytes")
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    for (rules, expected) in [
        ("login = \"/login\"", "would lead to itself"),
        (
            "login = \"/login\"\n[[route]]\npath = \"/login\"\npublic = true",
            "strips the session's cookie",
        ),
        (
            "[[route]]\npath = \"/a/{x}\"\n[[route]]\npath = \"/a/{y}\"",
            "for the same requests",
        ),
        (
            "[[route]]\npath = \"/a\"\npublik = true",
            "line 3: unknown field `publik`",
        ),
        ("[[route]]\npath = \".*\"", "does not begin with /"),
    ] {
        let (code, said) = start(rules);
        let lines: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("error"))
            .collect();
        assert_eq!(
            (code, lines.len(), said.lines().count()),
            (Some(1), 1, 1),
            "{said}"
        );
        assert!(said.contains(expected), "{said}");
    }
    fs::remove_file(&file).unwrap();
    let output = Command::new(PROGRAM)
        .args(["gate", "check"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn check_says_which_rule_decides() {
    let folder = testbed::directory();
    let file = folder.join("rules.toml");
    fs::write(&file, RULES).unwrap();
    let check = |words: &[&str]| {
        let output = Command::new(PROGRAM)
            .args(["gate", "check"])
            .arg(&file)
            .args(words)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (code, said) = check(&["--path", "/admin/users", "--method", "DELETE"]);
    assert_eq!(code, Some(0));
    assert!(
        said.contains("decided by `/admin/{*rest}`") && said.contains("the role admin"),
        "{said}"
    );
    let (code, said) = check(&["--path", "/reports/1", "--method", "POST"]);
    assert!(code == Some(1) && said.starts_with("405"), "{said}");
    let (code, said) = check(&["--path", "/public/..%2fadmin"]);
    assert!(code == Some(1) && said.starts_with("400"), "{said}");
    assert_eq!(check(&[]).1.lines().count(), 6);
}
