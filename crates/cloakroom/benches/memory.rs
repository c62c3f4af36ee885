//! The memory that sessions take in the memory store: `cargo bench -p cloakroom --bench memory`.

use std::io::Write as _;
use std::time::{Duration, Instant};

use cloakroom::policy::RequestInfo;
use cloakroom::store::memory::{MemoryLimit, MemoryStore};
use cloakroom::store::{NewRecord, Store as _};
use cloakroom::{Clock, KeyRing, Manager, ManualClock, Policy, SessionId};

const SESSIONS: usize = 1_000_000;
const RECORD: usize = 300;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a runtime starts").block_on(async {
        anonymous_visits().await;
        bytes_per_session().await;
    });
}

/// A million visitors without a cookie leave nothing behind.
async fn anonymous_visits() {
    let store = MemoryStore::new();
    let keys = KeyRing::with_insecure_short_secret([7; 32]).expect("any secret will do");
    let policy = Policy::builder(keys)
        .build()
        .expect("the defaults go together");
    let manager = Manager::new(policy, store.clone());
    let before = resident();
    let started = Instant::now();
    for _ in 0..SESSIONS {
        let session = manager
            .open([], RequestInfo::default())
            .await
            .expect("no store is asked");
        let closing = manager.close(&session).await.expect("nothing is saved");
        assert_eq!(closing.set_cookie, None);
    }
    let each = started.elapsed() / u32::try_from(SESSIONS).unwrap_or(1);
    let left = store.count().await.expect("the store can be read");
    say(&format!(
        "{SESSIONS} anonymous visits: {each:?} each, {left} sessions left, {} KiB more resident",
        (resident() - before) / 1024
    ));
    assert_eq!(left, 0);
}

/// Bytes of memory for each session, against the bytes of its id and record.
async fn bytes_per_session() {
    let limit = MemoryLimit {
        sessions: SESSIONS * 2,
        bytes: usize::MAX,
    };
    let clock = ManualClock::at(Clock::System.now());
    let store = MemoryStore::with(limit, clock.clone());
    let text = format!(r#"{{"cookie":{{}},"data":"{}"}}"#, "x".repeat(RECORD - 23));
    assert_eq!(text.len(), RECORD);
    let expires = clock.now().after(Duration::from_hours(1));
    let entry = NewRecord {
        text: text.as_str().into(),
        expires,
        users: Vec::new(),
    };
    let before = resident();
    for _ in 0..SESSIONS {
        store
            .create(&SessionId::random(), &entry)
            .await
            .expect("a new id can be stored");
    }
    let payload = RECORD + 32;
    let held = (resident() - before) / SESSIONS;
    say(&format!(
        "{SESSIONS} sessions of {RECORD} bytes: {held} bytes each, {}.{:02} x id and record ({payload} bytes)",
        held / payload,
        held * 100 / payload % 100
    ));
    let full = resident() - before;
    clock.advance(Duration::from_hours(2));
    store.prune().await.expect("the store can be pruned");
    let mib = |bytes: usize| bytes >> 20;
    let after = resident().saturating_sub(before);
    say(&format!(
        "{} MiB resident for them, {} MiB after they expired",
        mib(full),
        mib(after)
    ));
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    pages * 4096
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
