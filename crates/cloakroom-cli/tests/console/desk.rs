//! A console that runs as a process of its own, its operator, and a store that is filled.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use cloakroom::record::UserKeys;
use cloakroom::store::{AnyStore, NewRecord, Store as _};
use cloakroom::{SessionId, Timestamp};
use testbed::{Directory, directory};
use ureq::Agent;

/// Sessions that are created at the same time.
const TASKS: usize = 256;
/// The longest that anything may take before the test fails instead of hanging.
const PATIENCE: Duration = Duration::from_mins(20);

/// Creates sessions, two for each user; one in a thousand has a rare plan.
pub(crate) fn fill(url: &str, size: u32) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Arc::new(AnyStore::connect(url).await.unwrap());
        let next = Arc::new(AtomicU32::new(0));
        let filling: Vec<_> = (0..TASKS)
            .map(|_| {
                let (store, next) = (Arc::clone(&store), Arc::clone(&next));
                tokio::spawn(async move {
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n >= size {
                            return;
                        }
                        store.create(&SessionId::random(), &entry(n)).await.unwrap();
                    }
                })
            })
            .collect();
        for task in filling {
            task.await.unwrap();
        }
    });
}

fn entry(n: u32) -> NewRecord {
    let plan = if n % 1000 == 0 { "rare" } else { "usual" };
    let text = format!(
        r#"{{"cookie":{{"originalMaxAge":86400000,"httpOnly":true,"path":"/"}},"userId":"user-{}","plan":"{plan}","cart":["felt-hat","oak-hanger","umbrella"]}}"#,
        n / 2
    );
    let users = UserKeys::default().users_of(&text);
    NewRecord {
        text: text.as_str().into(),
        expires: Timestamp::from(SystemTime::now() + Duration::from_hours(24)),
        users,
    }
}

/// The console, and an operator who has entered.
pub(crate) struct Desk {
    process: Child,
    url: String,
    agent: Agent,
    cookie: String,
    _folder: Directory,
}

impl Desk {
    pub(crate) fn open(store: &str) -> Self {
        let folder = directory();
        let mut process = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
            .args(["console", "--addr", "127.0.0.1:0", "--scan-rate", "1000000"])
            .args(["--operator", "grace", "--store", store])
            .arg("--audit")
            .arg(folder.join("acts.jsonl"))
            .env("SESSION_SECRET", "a secret of tests of more than 32 bytes")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let (url, token) = lines
            .find_map(|line| link(&line))
            .expect("it says where it is");
        std::thread::spawn(move || lines.count());
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(PATIENCE))
            .proxy(None)
            .build()
            .new_agent();
        let mut desk = Self {
            process,
            url,
            agent,
            cookie: String::new(),
            _folder: folder,
        };
        desk.cookie = desk.enter(&token);
        desk
    }

    fn enter(&self, token: &str) -> String {
        let answer = self.form("/enter", &format!("token={token}"));
        let field = answer
            .headers()
            .get("set-cookie")
            .expect("the token is good");
        field
            .to_str()
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned()
    }

    fn form(&self, path: &str, fields: &str) -> ureq::http::Response<ureq::Body> {
        self.agent
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .header("origin", &self.url)
            .header("cookie", &self.cookie)
            .send(fields)
            .unwrap()
    }

    /// Returns a page, or the place to which it leads, and how long it took.
    pub(crate) fn get(&self, path: &str) -> (String, Duration) {
        let begun = Instant::now();
        let request = self.agent.get(format!("{}{path}", self.url));
        let mut answer = request.header("cookie", &self.cookie).call().unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let to = answer
            .headers()
            .get("location")
            .map(|to| to.to_str().unwrap().to_owned());
        (to.unwrap_or(text), begun.elapsed())
    }

    /// Sends a form; returns its status, and how long it took.
    pub(crate) fn post(&self, path: &str, fields: &str) -> (u16, Duration) {
        let (page, _) = self.get("/ended");
        let token = page.split(r#"name="_csrf" value=""#).nth(1).unwrap();
        let token = token
            .split('"')
            .next()
            .unwrap()
            .replace('+', "%2B")
            .replace('/', "%2F");
        let begun = Instant::now();
        let answer = self.form(path, &format!("{fields}&_csrf={token}"));
        (answer.status().as_u16(), begun.elapsed())
    }

    /// Waits for the first inventory, which has counted all.
    pub(crate) fn counted(&self, size: u32) {
        let page = self.until(|page| page.contains("Counted one by one"));
        let signed_in = page.split("Signed in</dt>").nth(1).unwrap();
        let figure: String = signed_in
            .split("</dd>")
            .next()
            .unwrap()
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        assert_eq!(figure, size.to_string());
    }

    /// Waits for another inventory than that of the page now.
    pub(crate) fn counted_again(&self) {
        let before = self.revision();
        let end = Instant::now() + PATIENCE;
        while self.revision() == before {
            assert!(Instant::now() < end, "no other inventory is taken");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn revision(&self) -> String {
        let (page, _) = self.get("/");
        let text = page.split("data-revision=\"").nth(1).unwrap();
        text.split('"').next().unwrap().to_owned()
    }

    fn until(&self, is_there: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let (page, _) = self.get("/");
            if is_there(&page) {
                return page;
            }
            assert!(Instant::now() < end, "{page}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Returns the console's memory in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.process.id())).unwrap();
        let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
        pages * 4096
    }
}

/// Returns the address and the token of a link.
fn link(line: &str) -> Option<(String, String)> {
    let (address, token) = line.split_once("/#token=")?;
    let begin = address.find("http://")?;
    let token: String = token
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .collect();
    Some((address[begin..].to_owned(), token))
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
