//! `cloakroom sessions` on SQLite, Redis and PostgreSQL, with sessions that Express and Rust wrote.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod bulk;
mod endings;
mod figures;
mod files;
mod looks;
mod reading;

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use cloakroom::record::UserKeys;
use cloakroom::store::{AnyStore, NewRecord, Store as _};
use cloakroom::{SessionId, Timestamp};
use serde_json::Value;
use testbed::{Postgres, Redis};

/// The secret of the application.
const SECRET: &str = "pM1tP1j8w9h1sX5bC0cZb0Q6m8rT7nK2uY4vE3aL9dGfHiJk";

/// A store with sessions, and the command on it.
struct Shop {
    url: String,
    flags: Vec<String>,
    runtime: tokio::runtime::Runtime,
    store: AnyStore,
    /// Kept for as long as the store is used.
    _server: Option<Redis>,
}

/// The output of a run of the command.
struct Said {
    code: i32,
    out: String,
    error: String,
}

impl Said {
    fn lines(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).expect("it is JSON"))
            .collect()
    }

    /// The texts of one field, sorted.
    fn field(&self, name: &str) -> Vec<String> {
        let texts = self
            .lines()
            .into_iter()
            .map(|line| line[name].as_str().unwrap_or("-").to_owned());
        let mut texts: Vec<String> = texts.collect();
        texts.sort();
        texts
    }
}

impl Shop {
    fn new(url: String, flags: &[&str], server: Option<Redis>) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let table = flags
            .iter()
            .position(|flag| *flag == "--table")
            .map(|at| flags[at + 1]);
        let options = match table {
            Some(table) => cloakroom::store::StoreOptions::new().table(table),
            None => cloakroom::store::StoreOptions::new(),
        };
        let store = runtime
            .block_on(AnyStore::connect_with(&url, &options))
            .unwrap();
        Self {
            url,
            flags: flags.iter().map(ToString::to_string).collect(),
            runtime,
            store,
            _server: server,
        }
    }

    fn sqlite() -> Self {
        let file = testbed::directory().leave().join("sessions.db");
        Self::new(format!("sqlite:{}", file.display()), &[], None)
    }

    fn redis() -> Self {
        let redis = Redis::start();
        Self::new(redis.url(), &[], Some(redis))
    }

    fn postgres(table: &str) -> Self {
        Self::new(Postgres::shared().url(), &["--table", table], None)
    }

    /// One of each, each with the sessions of [`fill`](Self::fill).
    fn each(name: &str) -> Vec<Self> {
        let shops = vec![Self::sqlite(), Self::redis(), Self::postgres(name)];
        shops.iter().for_each(Self::fill);
        shops
    }

    /// Two sessions of ada, one of bob as Express writes them, one of nobody, one that cannot be read.
    fn fill(&self) {
        let hour = 3_600_000;
        self.put(
            "ada-one",
            &express(hour, r#","userId":"ada","role":"admin""#),
            hour,
        );
        self.put(
            "ada-two",
            &own(hour, r#","userId":"ada""#, "Mozilla/5.0 Firefox/140.0"),
            hour,
        );
        self.put(
            "bob-one",
            &express(hour, r#","passport":{"user":"bob"}"#),
            hour / 2,
        );
        self.put("nobody", &express(hour, ""), hour);
        self.put("odd", r#"{"no":"cookie"}"#, hour);
    }

    fn put(&self, id: &str, text: &str, millis: i64) {
        let entry = NewRecord {
            text: text.into(),
            expires: Timestamp::from_millis(now() + millis),
            users: UserKeys::default().users_of(text),
        };
        let id = SessionId::from_store(id);
        self.runtime
            .block_on(self.store.create(&id, &entry))
            .unwrap();
    }

    fn has(&self, id: &str) -> bool {
        let id = SessionId::from_store(id);
        let found = self
            .runtime
            .block_on(self.store.expiries(std::slice::from_ref(&id)))
            .unwrap();
        found[0].is_some()
    }

    /// The command on this store.
    fn command(&self, args: &[&str]) -> Command {
        let (first, rest) = args.split_first().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_cloakroom"));
        command
            .args(["sessions", first])
            .args(&self.flags)
            .args(rest)
            .env("CLOAKROOM_STORE", &self.url)
            .env("SESSION_SECRET", SECRET)
            .env_remove("CLOAKROOM_AUDIT")
            .env("RUST_LOG", "off");
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        let command = args.first().unwrap();
        let said = said(self.command(args).output().unwrap());
        for id in ["ada-one", "ada-two", "bob-one"] {
            assert!(
                *command == "export" || !said.out.contains(id),
                "{id}: {}",
                said.out
            );
            assert!(!said.error.contains(id), "{id}: {}", said.error);
        }
        said
    }

    /// Runs a subcommand that must succeed.
    fn ok(&self, args: &[&str]) -> Said {
        let said = self.run(args);
        assert_eq!(said.code, 0, "{args:?}: {} {}", said.out, said.error);
        said
    }

    fn handle(&self, filter: &[&str]) -> String {
        let lines = self.ok(&[&["list"], filter].concat()).lines();
        lines[0]["handle"].as_str().unwrap().to_owned()
    }
}

fn said(ran: Output) -> Said {
    Said {
        code: ran.status.code().unwrap(),
        out: String::from_utf8(ran.stdout).unwrap(),
        error: String::from_utf8(ran.stderr).unwrap(),
    }
}

fn now() -> i64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// A record as Express writes it, whose life began now.
fn express(life: i64, rest: &str) -> String {
    let until = SystemTime::now() + Duration::from_millis(life.unsigned_abs());
    let until = humantime::format_rfc3339_millis(until);
    format!(
        r#"{{"cookie":{{"originalMaxAge":{life},"expires":"{until}","httpOnly":true,"path":"/"}}{rest}}}"#
    )
}

/// A record as this library writes it: it began two hours ago.
fn own(life: i64, rest: &str, agent: &str) -> String {
    let created = now() - 7_200_000;
    let rest = format!(
        r#"{rest},"_ck":{{"created":{created},"deadline":{},"login":{created},"device":{{"handle":"a-device","agent":"{agent}"}}}}"#,
        now() + 86_400_000
    );
    express(life, &rest)
}

/// A file that does not exist yet.
fn new_file(name: &str) -> PathBuf {
    testbed::directory().leave().join(name)
}
