//! `cloakroom cookie`, `policy`, `completions` and `man` as processes: pipes, exit codes, stores.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use cloakroom::cookie::cookie_value;
use cloakroom::record::NewRecord;
use cloakroom::store::{AnyStore, RetiredId, Store as _, StoreOptions};
use cloakroom::{KeyRing, SessionId, Timestamp};
use testbed::{Mongo, Postgres, Redis};

const NEW: &str = "a new secret of thirty-two bytes and more.";
const OLD: &str = "an old secret of thirty-two bytes and more";

/// Runs the command with a secret in its environment and a text on standard input.
fn run(args: &[&str], secret: &str, stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
        .args(args)
        .env_clear()
        .env("SESSION_SECRET", secret)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing has closed it.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn signed(id: &SessionId, secret: &str) -> String {
    cookie_value(id, &KeyRing::with_insecure_short_secret(secret).unwrap())
}

fn explain(args: &[&str], secret: &str, cookie: &str) -> serde_json::Value {
    let all = [&["cookie", "explain", "--json", "--cookie", "-"], args].concat();
    let output = run(&all, secret, cookie);
    assert_eq!(stderr(&output), "", "{args:?}");
    let said = stdout(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    serde_json::from_str(&said).unwrap()
}

#[test]
fn what_sign_prints_verify_accepts() {
    let drawn = run(&["cookie", "sign", "--generate"], NEW, "");
    assert_eq!(code(&drawn), 0);
    assert!(stderr(&drawn).contains("live ticket"), "{}", stderr(&drawn));
    let value = stdout(&drawn);
    assert!(value.starts_with("s%3A") && value.lines().count() == 1);
    let id = SessionId::random();
    let given = run(&["cookie", "sign"], NEW, &format!("{}\n", id.expose()));
    assert_eq!(stdout(&given).trim_end(), signed(&id, NEW));
    #[rustfmt::skip]
    let table = [ // secrets, exit code, what is said
        (NEW.to_owned(),                0, "newest secret"),
        (format!("{OLD}\n{NEW}"),       3, "secret 2 of 2"),
        (OLD.to_owned(),                4, "no secret given here made it, 1 in all"),
        (format!("{NEW} extra"),        4, "no secret given here made it, 1 in all"),
    ];
    for (secrets, expected, said) in table {
        let output = run(&["cookie", "verify"], &secrets, &value);
        assert_eq!(code(&output), expected, "{}", stdout(&output));
        assert!(stdout(&output).contains(said), "{}", stdout(&output));
        assert!(
            !stdout(&output).contains(value.trim()),
            "the ticket is not repeated"
        );
    }
    // A secret of Express's, too short for this library.
    let short = run(
        &["cookie", "verify", "--json"],
        "keyboard cat",
        &signed(&id, "keyboard cat"),
    );
    assert_eq!(code(&short), 0);
    assert!(stdout(&short).contains("\"valid\":true"));
}

#[test]
fn secrets_come_from_files_as_well() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{NEW}\n{OLD}\n")).unwrap();
    let path = file.path().to_str().unwrap();
    let value = signed(&SessionId::random(), OLD);
    let output = run(&["cookie", "verify", "--secret-file", path], "", &value);
    assert_eq!(code(&output), 3, "{}", stdout(&output));
}

#[test]
fn every_error_is_one_line_that_says_what_to_do() {
    #[rustfmt::skip]
    let table: [(&[&str], &str, &str); 17] = [
        (&["cookie", "verify"],                                                      "", "SESSION_SECRET"),
        (&["cookie", "verify", "--secret-file", "-"],                                "", "file"),
        (&["cookie", "verify", "--secret-file", "/nowhere"],                         "", "--secret-file"),
        (&["cookie", "sign"],                                                        NEW, "--any-id"),
        (&["cookie", "explain"],                                                     "", "--set-cookie"),
        (&["cookie", "explain", "--url", "https://a.example"],                       "", "--no-set-cookie"),
        (&["cookie", "explain", "--set-cookie", "a=hunter2"],                        "", "--url"),
        (&["cookie", "explain", "--set-cookie", "a=hunter2", "--url", "a.example"],  "", "https://shop.example"),
        (&["cookie", "explain", "--har", "/nowhere"],                                "", "another file"),
        (&["cookie", "explain", "--har", "-"],                                       "", "no HAR file"),
        (&["cookie", "explain", "--curl", "-"],                                      "", "curl -v"),
        (&["cookie", "explain", "--age", "soon"],                                    "", "cloakroom cookie explain --help"),
        (&["cookie", "expain"],                                                      "", "cloakroom cookie --help"),
        (&["policy", "check", "/nowhere"],                                           "", "TOML"),
        (&["policy", "check", "--set", "secure=yes"],                                "", "always, auto, never"),
        (&["completions", "tcsh"],                                                   "", "cloakroom completions --help"),
        (&["man", "/dev/null/x"],                                                    "", "another directory"),
    ];
    for (args, secret, part) in table {
        let output = run(args, secret, "x\n");
        let said = stderr(&output);
        assert!(
            !output.status.success() && code(&output) <= 2,
            "{args:?}: {said}"
        );
        assert!(
            said.starts_with("error: ") && said.lines().count() == 1,
            "{args:?}: {said}"
        );
        assert!(said.contains(part), "{args:?}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
        assert_eq!(stdout(&output), "", "{args:?}");
    }
}

#[test]
fn recordings_of_curl_and_browsers_are_explained() {
    let curl = "\
* Connected to shop.example (127.0.0.1) port 80
> GET /login HTTP/1.1
> Host: shop.example
>
< HTTP/1.1 200 OK
< Set-Cookie: connect.sid=s%3Ahunter2.x; Path=/; HttpOnly; Secure
<
";
    let output = run(&["cookie", "explain", "--curl", "-", "--json"], "", curl);
    let said: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(said["cause"]["id"], "secure-over-http");
    assert_eq!(
        (said["name"].as_str(), code(&output)),
        (Some("connect.sid"), 4)
    );
    assert!(!stdout(&output).contains("hunter2"));

    let har = r#"{"log":{"entries":[
        {"startedDateTime":"2026-01-02T03:04:05.000Z",
         "request":{"method":"GET","url":"https://api.shop.example/login",
          "headers":[{"name":"Origin","value":"https://app.other.example"},{"name":"Sec-Fetch-Mode","value":"cors"},
                     {"name":"Sec-Fetch-Site","value":"cross-site"}]},
         "response":{"status":200,"headers":[{"name":"Set-Cookie","value":"connect.sid=s%3Aa.b; Secure; SameSite=Lax"},
          {"name":"Access-Control-Allow-Origin","value":"*"}]}}]}}"#;
    let output = run(&["cookie", "explain", "--har", "-", "--json"], "", har);
    let said: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(said["cause"]["id"], "cross-site-answer-lax");
    assert_eq!(said["cause"]["chromium"], "SameSiteLax");
    let ids = said["stages"][1]["findings"].as_array().unwrap();
    assert!(
        ids.iter().any(|row| row["id"] == "cors-any-origin"),
        "{ids:?}"
    );
}

#[test]
fn a_pipe_that_closes_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The reader leaves before the first byte: the output is longer than a pipe holds.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
}

#[test]
fn a_pipe_gets_no_colours_and_the_cause_as_its_first_line() {
    let output = run(
        &[
            "cookie",
            "explain",
            "--set-cookie",
            "a=1; Secure",
            "--url",
            "http://shop.example",
        ],
        "",
        "",
    );
    let said = stdout(&output);
    assert!(!said.contains('\x1b'));
    let first = said.lines().next().unwrap();
    assert_eq!(
        first,
        "The browser refuses the cookie because it is Secure and came over http."
    );
}

#[test]
fn bash_takes_its_completions() {
    let output = run(&["completions", "bash"], "", "");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &output.stdout).unwrap();
    let words = "source \"$1\"; COMP_WORDS=(cloakroom cookie e); COMP_CWORD=2; \
                 _cloakroom cloakroom e cookie; echo \"${COMPREPLY[@]}\"";
    let completed = Command::new("/bin/bash")
        .args(["-c", words, "bash"])
        .arg(file.path())
        .output()
        .unwrap();
    assert_eq!(
        stdout(&completed).trim(),
        "explain",
        "{}",
        stderr(&completed)
    );
}

#[test]
fn the_policy_is_checked_from_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        "name = \"__Host-sid\"\ndomain = \"shop.example\"\nresave = true\n",
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let output = run(&["policy", "check", "--json", path], "", "");
    let said = stdout(&output);
    let ids: Vec<serde_json::Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(ids.len(), 2, "{said}");
    assert_eq!(ids[0]["id"], "host-prefix-with-domain");
    assert_eq!(code(&output), 4);
    assert_eq!(code(&run(&["policy", "check"], "", "")), 0);
    let described = run(
        &["policy", "describe", "--json", "--set", "idle_timeout=1h"],
        "",
        "",
    );
    let described: serde_json::Value = serde_json::from_str(&stdout(&described)).unwrap();
    assert_eq!(
        (&described["idle_timeout"], &described["secrets"]),
        (&3600.0.into(), &serde_json::Value::Null)
    );
    let refused = run(&["policy", "describe", "--set", "idle_timeout=25h"], "", "");
    assert_eq!(code(&refused), 2);
    assert!(
        stderr(&refused).contains("policy check"),
        "{}",
        stderr(&refused)
    );
    assert_eq!(
        code(&run(&["policy", "check", "--set", "resave=true"], "", "")),
        3
    );
}

/// The sessions that a store is filled with, and what is said of each.
async fn last_stage(url: &str) {
    let store = AnyStore::connect(url).await.unwrap();
    let now = Timestamp::from(SystemTime::now());
    let hour = Duration::from_hours(1);
    let entry = |text: &str| NewRecord {
        text: text.into(),
        expires: now.after(hour),
        users: Vec::new(),
    };
    let millis = now.as_millis();
    let own = |deadline: i64| {
        format!(
            "{{\"cookie\":{{\"path\":\"/\"}},\"userId\":\"ada\",\"_ck\":{{\"created\":{},\"deadline\":{}}}}}",
            millis - 60_000,
            millis + deadline
        )
    };
    let express = r#"{"cookie":{"path":"/"},"userId":"ada"}"#.to_owned();
    #[rustfmt::skip]
    let table = [
        (own(7_200_000),                               "live"),
        (express,                                      "live"),
        (own(-1_000),                                  "deadline-passed"),
        (r#"{"no":"cookie"}"#.to_owned(),              "unreadable"),
        (r#"{"cookie":{},"_ck":{"created":1,"realm":"admin"}}"#.to_owned(), "other-realm"),
    ];
    for (text, expected) in table {
        let id = SessionId::random();
        store.create(&id, &entry(&text)).await.unwrap();
        let said = of_store(url, &id);
        let found = &said["stages"][4]["findings"];
        assert_eq!(
            found[found.as_array().unwrap().len() - 1]["id"],
            expected,
            "{url}: {said}"
        );
        // It was only looked at.
        let again = of_store(url, &id);
        assert_eq!(again["cause"]["id"], said["cause"]["id"], "{url}");
    }
    let hashed = SessionId::random();
    store
        .create(&hashed.hashed_at_rest(), &entry(&own(9_000_000)))
        .await
        .unwrap();
    assert_eq!(of_store(url, &hashed)["cause"]["id"], "ids-hashed");
    let ended = SessionId::random();
    store.create(&ended, &entry(&own(9_000_000))).await.unwrap();
    store.retire(&ended).await.unwrap();
    assert_eq!(
        store.retired(&ended).await.unwrap(),
        Some(RetiredId::Closed)
    );
    assert_eq!(of_store(url, &ended)["cause"]["id"], "closed");
    assert_eq!(
        of_store(url, &SessionId::random())["cause"]["id"],
        "unknown"
    );
    // A forged cookie never reaches the store.
    let forged = format!("connect.sid={}", signed(&ended, "another secret"));
    let said = explain(&["--store", url], NEW, &forged);
    assert_eq!(said["cause"]["id"], "no-key-fits");
    assert_eq!(said["stages"][4]["verdict"], "not-checked");
}

fn of_store(url: &str, id: &SessionId) -> serde_json::Value {
    let cookie = format!("lang=en; connect.sid={}", signed(id, NEW));
    let said = explain(&["--store", url], NEW, &cookie);
    assert!(!said.to_string().contains(id.expose()), "no id is printed");
    said
}

#[tokio::test]
async fn the_session_in_redis() {
    let url = Redis::shared().url();
    last_stage(&url).await;
    // Under a prefix that another library has.
    let options = StoreOptions::new().prefix("session:");
    let store = AnyStore::connect_with(&url, &options).await.unwrap();
    let id = SessionId::random();
    let entry = NewRecord {
        text: r#"{"cookie":{"path":"/"}}"#.into(),
        expires: Timestamp::from(SystemTime::now()).after(Duration::from_hours(1)),
        users: Vec::new(),
    };
    store.create(&id, &entry).await.unwrap();
    assert_eq!(of_store(&url, &id)["cause"]["id"], "other-prefix-in-store");
}

#[tokio::test]
async fn the_session_in_sqlite() {
    let directory = testbed::directory();
    let file = directory.join("sessions.db");
    last_stage(&format!("sqlite:{}", file.display())).await;
    let missing = format!("sqlite:{}", directory.join("missing.db").display());
    let cookie = format!("connect.sid={}", signed(&SessionId::random(), NEW));
    let output = run(
        &["cookie", "explain", "--cookie", "-", "--store", &missing],
        NEW,
        &cookie,
    );
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("--store") && !directory.join("missing.db").exists());
}

#[tokio::test]
async fn the_session_in_postgres() {
    last_stage(&Postgres::shared().url()).await;
}

#[tokio::test]
async fn the_session_in_mongodb() {
    last_stage(&Mongo::shared().url("explain")).await;
}

#[test]
fn an_unreachable_store_is_a_finding_without_its_password() {
    let url = format!("redis://:hunter2@127.0.0.1:{}", testbed::free_port());
    let cookie = format!("connect.sid={}", signed(&SessionId::random(), NEW));
    let output = run(
        &["cookie", "explain", "--cookie", "-", "--store", &url],
        NEW,
        &cookie,
    );
    let said = stdout(&output) + &stderr(&output);
    assert!(said.starts_with("The store did not answer: "), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    assert_eq!(code(&output), 4);
}

/// The manual's examples are run, and print what it says.
#[test]
fn the_manual_shows_what_is_printed() {
    let manual = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../cloakroom/src/manual/command.md"
    );
    let manual = std::fs::read_to_string(manual).unwrap();
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_cloakroom"));
    let blocks = manual.split("```console\n").skip(1);
    let mut seen = 0;
    for block in blocks {
        let block = block.split("```").next().unwrap();
        let (command, expected) = block.split_once('\n').unwrap();
        let output = Command::new("/bin/bash")
            .args(["-c", command.strip_prefix("$ ").unwrap()])
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", binary.parent().unwrap().display()),
            )
            .output()
            .unwrap();
        assert_eq!(stdout(&output), expected, "{command}");
        seen += 1;
    }
    assert!(seen >= 3, "{seen}");
}
