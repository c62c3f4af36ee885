//! The library's paths in one process, without a server: `paths NAME N` runs one of them N times.
//!
//! `cargo xtask paths` counts what each costs under callgrind, and holds it to a table.

#![expect(clippy::print_stdout, reason = "a command answers on standard output")]

use std::process::ExitCode;

use cloakroom::policy::RequestInfo;
use cloakroom::store::Store;
use cloakroom::store::memory::MemoryStore;
use cloakroom::{KeyRing, Manager, Policy, Secure, Session, SessionId};
use serde_json::json;

/// Largest number of visitors of a path, each for the first time.
const MANY: usize = 1200;

/// Number of candidates of which one visitor is taken.
const CANDIDATES: usize = 64;

type Path = fn(&tokio::runtime::Runtime, u32);

/// The paths with their functions, in the order of the table.
const PATHS: [(&str, &str, Path); 10] = [
    ("ticket", "Cookie field to verified id, seen before", ticket),
    (
        "ticket-anew",
        "Cookie field to verified id, seen for the first time",
        ticket_anew,
    ),
    ("forged", "Cookie field with a wrong signature", forged),
    (
        "anonymous",
        "request without a cookie, from open to close",
        anonymous,
    ),
    ("store-get", "memory store: get", store_get),
    ("read", "request that reads a key, its record in use", read),
    (
        "read-anew",
        "request that reads a key, its record parsed",
        read_anew,
    ),
    ("patch", "request that changes a key", patch),
    ("update", "one step of `update`", update),
    ("login", "login: another id, a record of 300 bytes", login),
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (name, times) = (words.next(), words.next());
    let times = times.as_deref().unwrap_or("1").parse();
    let path = PATHS
        .iter()
        .find(|(path, ..)| Some(*path) == name.as_deref());
    let (Some((.., go)), Ok(times)) = (path, times) else {
        for (name, about, _) in PATHS {
            println!("{name}\t{about}");
        }
        return ExitCode::from(u8::from(name.is_some()));
    };
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build();
    go(&runtime.expect("a runtime starts"), times);
    ExitCode::SUCCESS
}

/// An application with its sessions in memory.
struct Application {
    manager: Manager,
    store: MemoryStore,
}

impl Application {
    fn new() -> Self {
        Self::over(MemoryStore::new())
    }

    /// Returns a manager that has parsed none of the store's records.
    fn over(store: MemoryStore) -> Self {
        let keys = KeyRing::with_insecure_short_secret([7; 32]).expect("any secret will do");
        let policy = Policy::builder(keys).secure(Secure::Never).build();
        Self {
            manager: Manager::new(policy.expect("the defaults go together"), store.clone()),
            store,
        }
    }

    async fn open(&self, cookie: Option<&str>) -> Session {
        let fields = cookie.iter().map(|field| field.as_bytes());
        let opened = self.manager.open(fields, RequestInfo::default()).await;
        opened.expect("a store in memory does not fail")
    }

    /// Ends a request; the Cookie field that its client sends from then on.
    async fn close(&self, session: &Session) -> Option<String> {
        let closing = self.manager.close(session).await;
        let field = closing
            .expect("a store in memory does not fail")
            .set_cookie?;
        Some(field.split(';').next().unwrap_or_default().to_owned())
    }

    /// A visitor signs in, with what a shop keeps: a record of about 300 bytes.
    async fn sign_in(&self, cookie: Option<&str>) -> String {
        let session = self.open(cookie).await;
        session.login("ada").await.expect("there is no limit");
        let profile = json!({
            "name": "Ada Lovelace", "email": "ada@example.com", "theme": "dark", "locale": "en-GB",
            "cart": { "wool-scarf": 2, "felt-hat": 1 }, "flash": [], "seen": "2026-01-02T03:04:05.678Z",
        });
        session
            .insert("profile", profile)
            .expect("it is not too large");
        self.close(&session).await.expect("a new id is sent")
    }

    /// A visitor whose signature has one character that is escaped, as is the mean: each more costs.
    /// Among as many each time, so that looking for one costs the same in every run.
    async fn visitor(&self) -> String {
        let mut found = None;
        for _ in 0..CANDIDATES {
            let cookie = self.sign_in(None).await;
            found = found.or_else(|| (cookie.matches('%').count() == 2).then_some(cookie));
        }
        found.expect("one in three is of that kind")
    }

    async fn request(&self, cookie: &str, handle: impl FnOnce(&Session)) {
        let session = self.open(Some(cookie)).await;
        handle(&session);
        self.close(&session).await;
    }
}

fn user(session: &Session) {
    let user: Option<String> = session.get("userId").expect("it is a text");
    assert_eq!(user.as_deref(), Some("ada"));
}

fn ticket(runtime: &tokio::runtime::Runtime, times: u32) {
    let application = Application::new();
    let cookie = runtime.block_on(application.visitor());
    for _ in 0..times {
        assert!(application.manager.ticket([cookie.as_bytes()]).is_some());
    }
}

/// The cookies were signed by another server: one's own are known as verified.
fn ticket_anew(runtime: &tokio::runtime::Runtime, times: u32) {
    let (another, application) = (Application::new(), Application::new());
    let cookies: Vec<String> = runtime.block_on(async {
        let mut cookies = Vec::new();
        for _ in 0..MANY {
            cookies.push(another.sign_in(None).await);
        }
        cookies
    });
    for cookie in cookies.iter().take(times as usize) {
        assert!(application.manager.ticket([cookie.as_bytes()]).is_some());
    }
}

fn forged(_: &tokio::runtime::Runtime, times: u32) {
    let application = Application::new();
    let cookie = format!("connect.sid=s%3A{}.{}", "a".repeat(32), "b".repeat(43));
    for _ in 0..times {
        assert!(application.manager.ticket([cookie.as_bytes()]).is_none());
    }
}

fn anonymous(runtime: &tokio::runtime::Runtime, times: u32) {
    let application = Application::new();
    runtime.block_on(async {
        for _ in 0..times {
            let session = application.open(None).await;
            assert_eq!(application.close(&session).await, None);
        }
    });
}

fn store_get(runtime: &tokio::runtime::Runtime, times: u32) {
    let application = Application::new();
    runtime.block_on(async {
        let mut ids: Vec<SessionId> = Vec::new();
        for _ in 0..100 {
            let cookie = application.sign_in(None).await;
            ids.push(application.open(Some(&cookie)).await.id());
        }
        for id in ids.iter().cycle().take(times as usize) {
            let got = application.store.get(id).await;
            assert!(got.is_ok_and(|stored| stored.is_some()));
        }
    });
}

fn read(runtime: &tokio::runtime::Runtime, times: u32) {
    let application = Application::new();
    runtime.block_on(async {
        let cookie = application.visitor().await;
        for _ in 0..times {
            application.request(&cookie, user).await;
        }
    });
}

fn read_anew(runtime: &tokio::runtime::Runtime, times: u32) {
    let application = Application::new();
    runtime.block_on(async {
        let mut cookies = Vec::with_capacity(MANY);
        for _ in 0..MANY {
            cookies.push(application.sign_in(None).await);
        }
        let another = Application::over(application.store.clone());
        for cookie in cookies.iter().take(times as usize) {
            another.request(cookie, user).await;
        }
    });
}

fn patch(runtime: &tokio::runtime::Runtime, times: u32) {
    let application = Application::new();
    runtime.block_on(async {
        let cookie = application.visitor().await;
        for n in 1_000_000..1_000_000 + times {
            let change = |session: &Session| session.insert("n", n).expect("it is not too large");
            application.request(&cookie, change).await;
        }
    });
}

fn update(runtime: &tokio::runtime::Runtime, times: u32) {
    let application = Application::new();
    runtime.block_on(async {
        let cookie = application.visitor().await;
        let session = application.open(Some(&cookie)).await;
        for _ in 0..times {
            let step = |n: Option<u64>| n.unwrap_or(1_000_000) + 1;
            session.update("n", step).await.expect("nobody else writes");
        }
    });
}

fn login(runtime: &tokio::runtime::Runtime, times: u32) {
    let application = Application::new();
    runtime.block_on(async {
        let mut cookie = application.sign_in(None).await;
        for _ in 0..times {
            cookie = application.sign_in(Some(&cookie)).await;
        }
    });
}
