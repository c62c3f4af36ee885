//! Stores that cannot be reached, and a command line that is typed wrongly.

use testbed::{Postgres, Redis};

use crate::{SECRET, doctor, run, said};

/// The step that failed is named, and no password.
#[test]
fn the_step_that_failed_is_named() {
    let port = testbed::free_port();
    let redis = Redis::shared().port();
    let postgres = Postgres::shared().port();
    #[rustfmt::skip]
    let table = [
        (format!("redis://:hunter2@127.0.0.1:{port}"), "the connection (TCP) failed"),
        (format!("redis://nobody:hunter2@127.0.0.1:{redis}"), "TLS or the login failed"),
        ("redis://:hunter2@no-such-host.invalid".to_owned(), "the name (DNS) failed"),
        (format!("postgres://u:hunter2@127.0.0.1:{port}/d"), "the connection (TCP) failed"),
        (format!("postgres://postgres:hunter2@127.0.0.1:{postgres}/nowhere"), "TLS or the login failed"),
        (format!("mongodb://u:hunter2@127.0.0.1:{port}/d"), "the connection (TCP) failed"),
    ];
    for (url, step) in table {
        let said = doctor(&url, &[]);
        said.finds_only("S01");
        assert!(said.text.contains(step), "{url}: {}", said.text);
        assert!(!said.text.contains("hunter2"), "{}", said.text);
        assert!(said.unchecked.iter().any(|id| id == "S06"), "{}", said.text);
    }
}

/// A server says best what it refuses, and repeats no password.
#[test]
fn the_server_s_own_words_are_passed_on() {
    let redis = Redis::shared().port();
    let postgres = Postgres::shared().port();
    for (url, words) in [
        (
            format!("redis://nobody:hunter2@127.0.0.1:{redis}"),
            "invalid username-password pair",
        ),
        (
            format!("postgres://postgres:hunter2@127.0.0.1:{postgres}/nowhere"),
            "database \"…\" does not exist",
        ),
        (
            format!("postgres://stranger:hunter2@127.0.0.1:{postgres}/postgres"),
            "role \"…\" does not exist",
        ),
    ] {
        let said = doctor(&url, &[]);
        let text = said.text.replace("\\\"", "\"");
        assert!(text.contains(words), "{url}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

/// It is not a password that is to be corrected where nobody answers.
#[test]
fn a_port_that_takes_connections_and_is_silent_is_told_from_a_refusal() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for url in [
        format!("redis://:hunter2@127.0.0.1:{port}"),
        format!("postgres://u:hunter2@127.0.0.1:{port}/d"),
    ] {
        let said = doctor(&url, &[]);
        said.finds_only("S01");
        assert!(
            said.text.contains("does not answer"),
            "{url}: {}",
            said.text
        );
        assert!(!said.text.contains("correct user"), "{}", said.text);
    }
}

#[test]
fn usage_errors_are_one_line_that_says_what_to_do() {
    for (args, word) in [
        (&[][..], "--store"),
        (&["--store", "mysql://u:hunter2@h/d"], "redis://"),
        (&["--store", "memory:", "--only", "X99"], "--list"),
        (&["--store", "memory:", "--policy", "/nowhere"], "--policy"),
        (&["--store", "memory:", "--url", "ftp://h"], "--url"),
        (
            &["--store", "memory:", "--secret-file", "/nowhere"],
            "--secret-file",
        ),
    ] {
        let output = run(args, SECRET);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(
            error.contains(word) && !error.contains("hunter2"),
            "{error}"
        );
    }
}

#[test]
fn secrets_are_judged_and_never_printed() {
    for (secret, found) in [
        (SECRET, &[][..]),
        ("short", &["C01"]),
        ("keyboard cat keyboard cat keyboard cat", &["C01"]),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &["C01"]),
    ] {
        let output = run(&["--store", "memory:", "--json", "--only", "C01"], secret);
        let said = said(&output);
        assert_eq!(said.found, found, "{}", said.text);
        assert!(!said.text.contains(secret), "{}", said.text);
    }
    let three = [SECRET; 3].join(",");
    let said = said(&run(
        &["--store", "memory:", "--json", "--only", "C02"],
        &three,
    ));
    assert_eq!((said.found, said.code), (vec!["C02".to_owned()], 0));
}

/// Without `--json` a healthy store prints nothing; what was not checked is said aside.
#[test]
fn silence_is_health() {
    let output = run(&["--store", "memory:", "--only", "C"], SECRET);
    let (out, aside) = (output.stdout, String::from_utf8(output.stderr).unwrap());
    assert!(out.is_empty());
    assert!(
        aside.contains("not checked: C03") && aside.contains("no --url"),
        "{aside}"
    );
    let output = run(&["--store", "memory:", "--only", "C01"], SECRET);
    assert!(output.stdout.is_empty() && output.stderr.is_empty());
}
