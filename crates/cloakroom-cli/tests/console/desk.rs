//! A console that runs as a process of its own, its operator, and a store that is filled.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use cloakroom::store::{AnyStore, Store as _};
use testbed::{Directory, directory};
use ureq::Agent;

/// Sessions that are sent to Redis at once.
const BATCH: u32 = 1000;
/// Time until sessions expire.
const LIFE: Duration = Duration::from_hours(24);
/// The longest that anything may take before the test fails instead of hanging.
const PATIENCE: Duration = Duration::from_mins(20);

/// Creates sessions, two for each user; one in a thousand has a rare plan. In bulk, as no store of the library would:
/// a million take it minutes.
pub(crate) fn fill(url: &str, size: u32) {
    // The store's own tables, and one session that is not among them.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = AnyStore::connect(url).await.unwrap();
        assert_eq!(store.count().await.unwrap(), 0);
    });
    drop(runtime);
    match url.strip_prefix("sqlite:") {
        Some(path) => fill_sqlite(path, size),
        None => fill_redis(url.trim_start_matches("redis://"), size),
    }
}

fn id(n: u32) -> String {
    format!(
        "{:032x}",
        u128::from(n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    )
}

fn user(n: u32) -> String {
    format!("user-{}", n / 2)
}

fn text(n: u32) -> String {
    let plan = if n.is_multiple_of(1000) {
        "rare"
    } else {
        "usual"
    };
    format!(
        r#"{{"cookie":{{"originalMaxAge":86400000,"httpOnly":true,"path":"/"}},"userId":"{}","plan":"{plan}","cart":["felt-hat","oak-hanger","umbrella"]}}"#,
        user(n)
    )
}

fn fill_sqlite(path: &str, size: u32) {
    let until = SystemTime::now() + LIFE;
    let until = until.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let until = i64::try_from(until.as_millis()).unwrap();
    let mut connection = rusqlite::Connection::open(path).unwrap();
    let transaction = connection.transaction().unwrap();
    let sql = "INSERT INTO cloakroom_sessions (sid, record, expires, user) VALUES (?1, ?2, ?3, ?4)";
    for n in 0..size {
        let mut insert = transaction.prepare_cached(sql).unwrap();
        insert.execute((id(n), text(n), until, user(n))).unwrap();
    }
    transaction.commit().unwrap();
}

fn fill_redis(address: &str, size: u32) {
    let mut redis = TcpStream::connect(address).unwrap();
    let seconds = LIFE.as_secs().to_string();
    for batch in 0..size.div_ceil(BATCH) {
        let mut commands = Vec::new();
        let all = batch * BATCH..size.min((batch + 1) * BATCH);
        for n in all.clone() {
            let (id, set) = (id(n), format!("user:{}:sessions", user(n)));
            command(&mut commands, &["SADD", &set, &id]);
            command(&mut commands, &["EXPIRE", &set, &seconds]);
            command(
                &mut commands,
                &["SET", &format!("sess:{id}"), &text(n), "EX", &seconds],
            );
        }
        redis.write_all(&commands).unwrap();
        // `:1`, `:1`, `+OK` for each.
        let mut answers = vec![0; all.len() * "::+OK11\r\n\r\n\r\n".len()];
        redis.read_exact(&mut answers).unwrap();
        assert!(
            !answers.contains(&b'-'),
            "{}",
            String::from_utf8_lossy(&answers)
        );
    }
}

fn command(commands: &mut Vec<u8>, words: &[&str]) {
    write!(commands, "*{}\r\n", words.len()).unwrap();
    for word in words {
        write!(commands, "${}\r\n{word}\r\n", word.len()).unwrap();
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
