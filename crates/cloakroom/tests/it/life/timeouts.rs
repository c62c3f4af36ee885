//! The time-outs that end a session, and the requests that prolong it.

use std::time::Duration;

use cloakroom::store::{NewRecord, Store as _};
use cloakroom::{Policy, Session, Timestamp};

use super::{MINUTE, Visit};
use crate::support::keys;

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn an_idle_session_ends_and_one_in_use_lives_on() {
    let mut visit = Visit::begun().await;
    for _ in 0..10 {
        visit.clock.advance(29 * MINUTE);
        assert!(visit.read().await);
    }
    visit.clock.advance(31 * MINUTE);
    assert!(!visit.read().await);
}

#[tokio::test]
async fn nothing_moves_the_absolute_time_out() {
    let mut visit = Visit::begun().await;
    for minute in 1..72 {
        visit.clock.advance(20 * MINUTE);
        assert!(visit.read().await, "after {} minutes", minute * 20);
        if minute % 9 == 0 {
            visit.set("b").await;
            visit.request(|session| session.regenerate().unwrap()).await;
        }
    }
    visit.clock.advance(20 * MINUTE);
    assert!(!visit.read().await, "24 hours are over");
}

#[tokio::test]
async fn a_session_kept_alive_from_outside_ends_at_its_absolute_time_out() {
    let mut visit = Visit::begun().await;
    let id = visit.open().await.id();
    let stored = visit.stored(&id).await.unwrap();
    let entry = NewRecord {
        text: stored.text.clone(),
        expires: stored.expires.after(48 * HOUR),
        users: Vec::new(),
    };
    visit.store.touch(&id, &stored.text, &entry).await.unwrap();
    let kept = visit.cookie["connect.sid"].clone();
    visit.clock.advance(25 * HOUR);
    // A cookie kept beyond its end opens nothing.
    visit.cookie.insert("connect.sid".into(), kept);
    assert!(!visit.read().await);
    assert_eq!(
        visit.stored(&id).await,
        None,
        "it is taken out of the store as well"
    );
}

#[tokio::test]
async fn a_clock_that_jumps_back_extends_no_absolute_time_out() {
    let mut visit = Visit::begun().await;
    let began = visit.clock.now();
    let deadline = visit.open().await.deadline();
    visit
        .clock
        .set(Timestamp::from_millis(began.as_millis() - 3_600_000));
    visit.set("b").await;
    assert_eq!(visit.open().await.deadline(), deadline);
}

#[tokio::test]
async fn sessions_of_another_writer_get_an_absolute_time_out_when_they_are_first_used() {
    let mut visit = Visit::begun().await;
    let id = visit.open().await.id();
    let stored = visit.stored(&id).await.unwrap();
    let foreign = stored.text.split(",\"_ck\"").next().unwrap().to_owned() + "}";
    let entry = NewRecord {
        text: foreign.as_str().into(),
        expires: stored.expires,
        users: Vec::new(),
    };
    visit.store.update(&id, &stored.text, &entry).await.unwrap();
    assert!(visit.read().await);
    let stored = visit.stored(&id).await.unwrap();
    assert!(
        stored.text.contains("\"_ck\":{\"created\":"),
        "{}",
        &*stored.text
    );
}

#[tokio::test]
async fn a_read_writes_only_when_enough_time_is_used_up() {
    let mut visit = Visit::begun().await;
    visit.faulty.take_calls();
    visit.clock.advance(MINUTE);
    visit.read().await;
    assert_eq!(
        visit.faulty.take_calls(),
        ["get"],
        "a twentieth of 30 minutes is not used up"
    );
    visit.clock.advance(MINUTE);
    visit.read().await;
    assert_eq!(visit.faulty.take_calls(), ["get", "touch"]);
    visit.request(Session::touch).await;
    assert_eq!(
        visit.faulty.take_calls(),
        ["get", "touch"],
        "asked for by name"
    );
}

#[tokio::test]
async fn a_visitor_who_leaves_nothing_costs_nothing() {
    let mut visit = Visit::new(Policy::builder(keys()));
    for _ in 0..1000 {
        visit.read().await;
        visit.request(|session| session.remove("a").unwrap()).await;
        assert_eq!(visit.sent, None);
    }
    assert_eq!(visit.faulty.take_calls(), Vec::<&str>::new());
    assert_eq!(visit.count().await, 0);
}

#[tokio::test]
async fn one_round_trip_reads_and_one_writes() {
    let mut visit = Visit::begun().await;
    assert_eq!(visit.faulty.take_calls(), ["create"]);
    visit.set("b").await;
    assert_eq!(visit.faulty.take_calls(), ["get", "update"]);
    visit.request(|session| session.regenerate().unwrap()).await;
    assert_eq!(visit.faulty.take_calls(), ["get", "replace"]);
}
