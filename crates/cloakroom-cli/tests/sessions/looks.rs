//! `list`, `count`, `show`.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::{SECRET, Shop, express};

#[test]
fn one_filter_lists_and_counts_alike() {
    for shop in Shop::each("looked_at") {
        #[rustfmt::skip]
        let table: [(&[&str], &[&str]); 11] = [
            (&[],                              &["-", "-", "ada", "ada", "bob"]),
            (&["--user", "ada"],               &["ada", "ada"]),
            (&["--user", "bob"],               &["bob"]),
            (&["--user", "eve"],               &[]),
            (&["--anonymous"],                 &["-"]),
            (&["--unreadable"],                &["-"]),
            (&["--older", "1h"],               &["ada"]),
            (&["--agent", "firefox"],          &["ada"]),
            (&["--where", "role=admin"],       &["ada"]),
            (&["--where", "passport.user=bob"], &["bob"]),
            (&["--idle", "25m"],               &["bob"]),
        ];
        for (filter, users) in table {
            let listed = shop.ok(&[&["list"], filter].concat());
            assert_eq!(listed.field("user"), users, "{} {filter:?}", shop.url);
            let counted = shop.ok(&[&["count"], filter].concat());
            assert_eq!(
                counted.out,
                format!("{}\n", users.len()),
                "{} {filter:?}",
                shop.url
            );
        }
        let limited = shop.ok(&["list", "--limit", "2"]);
        assert_eq!(limited.lines().len(), 2);
    }
}

#[test]
fn a_session_is_shown_by_its_handle_without_its_values() {
    for shop in Shop::each("shown") {
        let handle = shop.handle(&["--where", "role=admin"]);
        let shown = shop.ok(&["show", &handle]);
        let line = &shown.lines()[0];
        assert_eq!(line["user"], "ada");
        assert_eq!(line["keys"], serde_json::json!(["userId", "role"]));
        assert!(!shown.out.contains("admin"), "{}", shown.out);
        // The device's own handle, as the devices page has it.
        let device = shop.ok(&["show", "a-device", "--user", "ada"]);
        assert!(
            device.lines()[0]["device"]
                .as_str()
                .unwrap()
                .contains("Firefox")
        );
        let missing = shop.run(&["show", "nothing"]);
        assert_eq!(
            (missing.code, missing.error.lines().count()),
            (1, 1),
            "{}",
            missing.error
        );
    }
}

/// Ended sessions are not counted, and a page is not the whole.
#[test]
fn many_sessions_are_counted_over_many_pages() {
    let shop = Shop::sqlite();
    for at in 0..1203 {
        shop.put(
            &format!("s{at}"),
            &express(60_000, r#","userId":"ada""#),
            60_000,
        );
    }
    shop.put("gone", &express(60_000, ""), -1000);
    assert_eq!(shop.ok(&["count"]).out, "1203\n");
    assert_eq!(shop.ok(&["count", "--where", "userId=ada"]).out, "1203\n");
    assert_eq!(shop.ok(&["list"]).lines().len(), 1203);
    let reader = shop.ok(&["list", "--limit", "501"]);
    assert_eq!(reader.lines().len(), 501);
}

#[test]
fn errors_are_one_line_that_says_what_to_do() {
    let shop = Shop::sqlite();
    for (args, word) in [
        (&["end"][..], "end-all"),
        (&["list", "--older", "soon"], "--older"),
        (&["list", "--where", "role"], "KEY=VALUE"),
        (&["import", "/nowhere"], "export"),
        (&["list", "--secret-file", "/nowhere"], "--secret-file"),
        (&["list", "--store", "sqlite:/nowhere/at.all"], "--store"),
        (
            &["list", "--store", "redis://:hunter2@127.0.0.1:1"],
            "--store",
        ),
    ] {
        let said = shop.run(args);
        assert!(
            said.code != 0 && said.error.contains(word),
            "{args:?}: {}",
            said.error
        );
        assert_eq!(said.error.lines().count(), 1, "{}", said.error);
        assert!(!said.error.contains("hunter2"), "{}", said.error);
    }
    assert!(!std::path::Path::new("/nowhere").exists());
}

/// Beginnings and ends are reported while it watches, each once.
#[test]
fn beginnings_and_ends_are_watched() {
    for shop in Shop::each("watched") {
        let mut watching = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
            .args(["sessions", "watch", "--every", "200ms"])
            .args(&shop.flags)
            .env("CLOAKROOM_STORE", &shop.url)
            .env("SESSION_SECRET", SECRET)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut header = BufReader::new(watching.stderr.take().unwrap()).lines();
        assert!(
            header
                .next()
                .unwrap()
                .unwrap()
                .starts_with("5 sessions; looking again")
        );
        let mut told = BufReader::new(watching.stdout.take().unwrap()).lines();
        let mut next = || {
            let line = told.next().unwrap().unwrap();
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            (
                line["event"].as_str().unwrap().to_owned(),
                line["user"].as_str().map(str::to_owned),
            )
        };
        shop.put(
            "eve-one",
            &express(3_600_000, r#","userId":"eve""#),
            3_600_000,
        );
        assert_eq!(next(), ("began".to_owned(), Some("eve".to_owned())));
        shop.ok(&["end-user", "bob"]);
        assert_eq!(next(), ("ended".to_owned(), Some("bob".to_owned())));
        watching.kill().unwrap();
        watching.wait().unwrap();
    }
}

/// A handle may begin with a hyphen, and is no flag where one alone is taken.
#[test]
fn a_handle_with_a_hyphen_is_no_flag() {
    let shop = Shop::sqlite();
    let said = shop.run(&["show", "-0zYg9Gm9Kph-8GYRive_w", "--user", "ada"]);
    assert!(
        said.error.contains("no live session has this handle"),
        "{}",
        said.error
    );
}

/// A record whose user signed in by this library holds a fingerprint, made with the secret.
#[test]
fn a_secret_that_is_not_the_application_s_is_noticed() {
    use cloakroom::policy::RequestInfo;
    use cloakroom::{AnyStore, KeyRing, Manager, Policy};
    let shop = Shop::sqlite();
    shop.put(
        "express-one",
        &express(3_600_000, r#","userId":"bob""#),
        3_600_000,
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = AnyStore::connect(&shop.url).await.unwrap();
        let policy = Policy::builder(KeyRing::new(SECRET).unwrap())
            .build()
            .unwrap();
        let manager = Manager::new(policy, store);
        let session = manager.open([], RequestInfo::default()).await.unwrap();
        session.login("ada").await.unwrap();
        session.save().await.unwrap();
    });
    let told = shop.ok(&["list"]);
    assert_eq!(told.error, "", "its own secret");
    let with = |args: &[&str]| {
        let mut command = shop.command(args);
        command.env(
            "SESSION_SECRET",
            "a secret of another application, as long as it must be",
        );
        crate::said(command.output().unwrap())
    };
    let listed = with(&["list"]);
    assert_eq!((listed.code, listed.lines().len()), (0, 2));
    assert!(
        listed.error.contains("signed in under another secret"),
        "{}",
        listed.error
    );
    let handle = shop.handle(&["--user", "bob"]);
    for args in [&["show", &handle][..], &["end", &handle]] {
        let said = with(args);
        let text = format!("{}{}", said.out, said.error);
        assert!(text.contains("signed in under another secret"), "{text}");
    }
    // Express's records tell nothing.
    assert_eq!(with(&["list", "--user", "bob"]).error, "");
}
