//! What the command does not do, and what it says.

use cloakroom::SessionId;
use cloakroom::store::Store as _;

use crate::Move;
use crate::side::{Side, in_millis};

const HOUR: i64 = 3_600_000;
const RECORD: &str = r#"{"cookie":{},"userId":"ada"}"#;

async fn filled(count: usize) -> Side {
    let side = Side::sqlite().await;
    for at in 0..count {
        side.put(&format!("session-{at}"), RECORD, in_millis(HOUR))
            .await;
    }
    side
}

/// An error is one line that says what to do.
fn refused(moving: &Move, more: &[&str], code: i32, words: &str) {
    let said = moving.run(more);
    assert_eq!(said.code, code, "{more:?}: {said:?}");
    let errors: Vec<&str> = said
        .error
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert!(
        errors.len() == 1 && errors[0].contains(words),
        "{more:?}: {said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_cannot_be_meant_is_refused() {
    let (from, to) = (filled(3).await, Side::redis().await);
    let moving = Move::new(&from, &to);
    refused(&moving, &["--cutover"], 2, "without --cutover");
    refused(&Move::new(&from, &from), &[], 2, "the same store");
    moving.ok(&[]);
    let elsewhere = Side::redis().await;
    let mut other = Move::new(&from, &elsewhere);
    other.journal.clone_from(&moving.journal);
    refused(&other, &[], 2, "of another move");
    let again = Move::new(&from, &to);
    refused(&again, &[], 1, "add --merge");
    again.ok(&["--merge"]);
    let mut missing = Move::new(&from, &to);
    missing.urls[0] = "sqlite:/nowhere/sessions.db".to_owned();
    refused(&missing, &[], 1, "FROM: ");
    missing.urls[0] = "redis://someone:hunter2@127.0.0.1:1/0".to_owned();
    let said = missing.run(&[]);
    assert!(
        said.code == 1 && !said.error.contains("hunter2"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_was_emptied_does_not_empty_the_target() {
    let (from, to) = (filled(300).await, Side::redis().await);
    let moving = Move::new(&from, &to);
    let mut running = moving.start(&["--follow"]);
    running.until("ready");
    running.kill();
    for at in 0..300 {
        let id = SessionId::from_store(&format!("session-{at}"));
        from.store.destroy(&id).await.unwrap();
    }
    refused(&moving, &["--cutover"], 1, "--allow-ends 300");
    assert_eq!(to.store.count().await.unwrap(), 300);
    let said = moving.ok(&["--cutover", "--allow-ends", "300"]);
    assert_eq!(said.count("ended"), 300, "{said:?}");
    assert_eq!(to.store.count().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_at_the_target_stays_ended_when_the_command_comes_back() {
    let (from, to) = (filled(5).await, Side::redis().await);
    let moving = Move::new(&from, &to);
    let mut running = moving.start(&["--follow"]);
    running.until("ready");
    running.kill();
    // As a store forgets it after a minute, and Express at once: no mark is left.
    to.store
        .destroy(&SessionId::from_store("session-1"))
        .await
        .unwrap();
    from.put("late", RECORD, in_millis(HOUR)).await;
    let said = moving.ok(&["--cutover"]);
    assert_eq!(
        (said.count("copied"), said.count("ended_there")),
        (6, 1),
        "{said:?}"
    );
    assert!(to.get("session-1").await.is_none());
    assert!(to.get("late").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_and_changes_nothing() {
    let (from, to) = (filled(7).await, Side::redis().await);
    let moving = Move::new(&from, &to);
    let said = moving.ok(&["--dry-run"]);
    let counted = said.summary();
    assert_eq!(
        (&counted["sessions"], &counted["of_users"]),
        (&7.into(), &7.into())
    );
    assert_eq!(to.store.count().await.unwrap(), 0);
    assert!(!moving.journal.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_pipe_there_is_no_bar_and_no_colour() {
    let (from, to) = (filled(7).await, Side::redis().await);
    let said = Move::new(&from, &to).ok(&["--verify=100%"]);
    let text = said.out.clone() + &said.error;
    assert!(!text.contains('\u{1b}') && !text.contains('\r'), "{text:?}");
    for line in said.out.lines() {
        let _: serde_json::Value = serde_json::from_str(line).unwrap();
    }
    assert_eq!(said.summary()["verified"], 7);
    assert!(said.error.contains(r#"sessions_migrated""#), "{said:?}");
    for at in 0..7 {
        assert!(!text.contains(&format!("session-{at}")));
    }
}
