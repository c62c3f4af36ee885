//! `cloakroom console` beside a store of many sessions: what each page does there, and what it keeps in memory.
//!
//! `CLOAKROOM_CONSOLE_SESSIONS=1000000 cargo test --release -p cloakroom-cli --features console,redis --test console
//! -- --nocapture --test-threads 1` gives the figures of the manual; without the variable there are 20,000 sessions.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

mod desk;

use std::time::{Duration, Instant};

use testbed::{Redis, directory};

use desk::{Desk, fill};

/// Sessions in the store.
fn size() -> u32 {
    let typed = std::env::var("CLOAKROOM_CONSOLE_SESSIONS").ok();
    typed.map_or(20_000, |typed| typed.parse().expect("a number of sessions"))
}

/// Bytes that the console may keep for a session, two inventories and what the allocator holds among them.
const EACH: u64 = 500;
/// Bytes that it may keep besides: its code, its threads, a page of the store.
const BESIDES: u64 = 96 << 20;

/// Asks as an operator does, and says how long each answer took.
fn looked_at(store: &str, url: &str) {
    let size = size();
    let begun = Instant::now();
    fill(url, size);
    let filled = begun.elapsed();
    let desk = Desk::open(url);
    let told = |what: &str, took: Duration| println!("{store:8} {what:44} {took:>10.1?}");
    told(&format!("{size} sessions are created"), filled);

    let (page, took) = desk.get("/");
    told("the first page, before anything is counted", took);
    assert!(page.contains("data-kind=\"unknown\"") || page.contains("data-kind=\"exact\""));
    let (page, took) = desk.get("/sessions");
    told("the first hundred sessions", took);
    assert_eq!(page.matches("<tr><td class=\"user\"").count(), 100);
    let (page, took) = desk.get("/search?q=user-17");
    told("a user, by the store's index", took);
    assert_eq!(page, "/user?name=user-17");
    let (page, took) = desk.get("/user?name=user-17");
    told("the user's sessions", took);
    assert!(page.contains("2 sessions"), "{page}");
    let begun = Instant::now();
    desk.counted(size);
    told("the inventory", begun.elapsed());
    let once = desk.resident();
    let (page, took) = desk.get("/");
    told("the first page, by the inventory", took);
    assert!(page.contains("> inventory, "), "{page}");
    let (page, took) = desk.get("/search?q=SER-17");
    told("users whose name contains a text", took);
    assert!(page.contains("/user?name=user-17\""), "{page}");

    // One in a thousand.
    let (page, took) = desk.get("/sessions?where=plan%3Drare");
    told("the first page of a rare condition", took);
    assert!(
        page.contains("rare") && page.contains("/session?handle="),
        "{page}"
    );
    let (page, took) = desk.get("/end?where=plan%3Drare");
    told("the number of those that match", took);
    let rare = size / 1000;
    assert!(
        page.contains(&format!("End {} sessions?", grouped(rare))),
        "{page}"
    );

    let (page, _) = desk.get("/user?name=user-18");
    let handle = page.split("handle=").nth(1).unwrap();
    let handle = handle.split(['&', '"']).next().unwrap().to_owned();
    let (status, took) = desk.post("/session/end", &format!("handle={handle}&user=user-18"));
    told("one session ends", took);
    assert_eq!(status, 303);
    assert!(desk.get("/user?name=user-18").0.contains("1 session"));

    // Taken again it keeps no more; with few sessions the pause before would be longer than all else.
    if size >= 100_000 {
        desk.counted_again();
    }
    let again = desk.resident();
    let each = again / u64::from(size);
    println!(
        "{store:8} memory: {} MiB after one inventory, {} MiB after another: {each} bytes for each",
        once >> 20,
        again >> 20
    );
    let most = BESIDES + u64::from(size) * EACH;
    assert!(
        once.max(again) < most,
        "{once} and {again} bytes, of {most}"
    );
}

fn grouped(number: u32) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", number / 1000, number % 1000),
    }
}

#[test]
fn a_store_of_many_sessions_on_redis() {
    let redis = Redis::start();
    looked_at("Redis", &redis.url());
}

#[test]
fn a_store_of_many_sessions_in_sqlite() {
    let folder = directory();
    looked_at(
        "SQLite",
        &format!("sqlite:{}", folder.join("sessions.db").display()),
    );
}
