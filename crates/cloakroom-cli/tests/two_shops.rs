//! Two demo processes on one store behave as one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use testbed::browser::{Context, Jar};
use testbed::{Mongo, Postgres, Redis, RedisCluster};
use ureq::Agent;

/// A shop that is open; it closes when this goes.
struct Shop {
    process: Child,
    url: String,
}

impl Shop {
    fn open(store: &str) -> Self {
        let directory = testbed::directory();
        let mut process = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
            .args(["demo", "--addr", "127.0.0.1:0", "--store", store])
            .arg("--data-dir")
            .arg(&*directory)
            .env(
                "SESSION_SECRET",
                "a secret that both of the shops share, long enough",
            )
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let mut lines = stdout.lines().map_while(Result::ok);
        let url = lines.find_map(|line| Some(line.split_once("http://")?.1.trim().to_owned()));
        let url = format!("http://{}", url.expect("it says where it is"));
        std::thread::spawn(move || lines.count());
        Self { process, url }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A browser; the shops look alike to it.
struct Visitor {
    agent: Agent,
    jar: Jar,
}

impl Visitor {
    fn new() -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .new_agent();
        Self {
            agent,
            jar: Jar::new(),
        }
    }

    fn sign_in(&mut self, shop: &Shop) -> u16 {
        let credentials = r#"{"username":"ada","password":"analytical-engine"}"#;
        self.post(shop, "/login", credentials)
    }

    fn post(&mut self, shop: &Shop, path: &str, body: &str) -> u16 {
        let url = format!("{}{path}", shop.url);
        let response = self
            .agent
            .post(&url)
            .header("cookie", self.cookies(&url))
            .header("accept", "application/json")
            .header("sec-fetch-site", "same-origin")
            .content_type("application/json")
            .send(body)
            .unwrap();
        for field in response.headers().get_all("set-cookie") {
            let (field, url) = (field.to_str().unwrap(), url.parse().unwrap());
            self.jar.keep(field, &url, Context::OWN).unwrap();
        }
        response.status().as_u16()
    }

    fn cookies(&self, url: &str) -> String {
        let field = self.jar.header(&url.parse().unwrap(), Context::OWN);
        field.unwrap_or_default()
    }

    /// Returns the status of "who am I?".
    fn me(&self, shop: &Shop) -> u16 {
        let url = format!("{}/me", shop.url);
        let request = self.agent.get(&url).header("cookie", self.cookies(&url));
        let response = request.header("accept", "application/json").call();
        response.unwrap().status().as_u16()
    }
}

fn are_one(store: &str) {
    let (one, other) = (Shop::open(store), Shop::open(store));
    let (mut visitor, mut elsewhere) = (Visitor::new(), Visitor::new());
    assert_eq!(visitor.sign_in(&one), 200);
    assert_eq!(visitor.me(&other), 200);
    assert_eq!(elsewhere.sign_in(&other), 200);
    // Signing out everywhere else at one ends what the other began.
    assert_eq!(visitor.post(&one, "/logout-others", "{}"), 200);
    assert_eq!(elsewhere.me(&other), 401);
    assert_eq!(elsewhere.me(&one), 401);
    let before = visitor.jar.clone();
    assert_eq!(visitor.post(&other, "/logout", "{}"), 204);
    visitor.jar = before;
    assert_eq!(visitor.me(&one), 401);
    assert_eq!(visitor.me(&other), 401);
}

#[test]
fn on_sqlite() {
    let file = testbed::directory().leave().join("sessions.db");
    are_one(&format!("sqlite:{}", file.display()));
}

#[test]
fn on_redis() {
    are_one(&Redis::shared().url());
}

/// A session that ends at one is refused by the other within the bound.
#[test]
fn on_redis_with_a_cache_before_it() {
    let store = format!("{}?near=1s", Redis::shared().url());
    let (one, other) = (Shop::open(&store), Shop::open(&store));
    let mut visitor = Visitor::new();
    assert_eq!(visitor.sign_in(&one), 200);
    for _ in 0..10 {
        assert_eq!((visitor.me(&one), visitor.me(&other)), (200, 200));
    }
    let before = visitor.jar.clone();
    assert_eq!(visitor.post(&other, "/logout", "{}"), 204);
    visitor.jar = before;
    assert_eq!(visitor.me(&other), 401);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(visitor.me(&one), 401);
}

#[test]
fn on_a_cluster() {
    are_one(&RedisCluster::shared().url());
}

#[test]
fn on_postgres() {
    are_one(&Postgres::shared().url());
}

#[test]
fn on_mongodb() {
    are_one(&Mongo::shared().url("shop"));
}

/// The error is one line, without the password in the URL.
#[test]
fn an_unreachable_store_is_reported_in_one_line() {
    let port = testbed::free_port();
    for url in [
        format!("redis://:hunter2@127.0.0.1:{port}"),
        format!("postgres://u:hunter2@127.0.0.1:{port}/d"),
        format!("mongodb://u:hunter2@127.0.0.1:{port}/d"),
        "redis+sentinel://:hunter2@host".to_owned(),
        "mysql://u:hunter2@host/d".to_owned(),
        format!("redis://:hunter2@127.0.0.1:{port}?near=soon"),
    ] {
        let ended = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
            .args(["demo", "--addr", "127.0.0.1:0", "--store", &url])
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success(), "{url}");
        assert_eq!(said.lines().count(), 1, "{url}: {said}");
        assert!(said.starts_with("error: "), "{url}: {said}");
        assert!(!said.contains("hunter2"), "{url}: {said}");
        assert!(said.contains("--store"), "{url}: {said}");
    }
}
