//! Moves under fire: nothing is lost, and nothing that ended comes back.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::record::UserKeys;
use cloakroom::store::{NewRecord, PutIf, Store as _};
use futures_util::{StreamExt as _, stream};

use crate::ledger::{Ledger, Verdict};
use crate::side::Side;
use crate::{HANGS, Move};

/// Waits until a store holds so many sessions.
pub(crate) async fn until_it_holds(side: &Side, count: u64) {
    let limit = std::time::Instant::now() + HANGS;
    while side.store.count().await.unwrap() < count {
        assert!(
            std::time::Instant::now() < limit,
            "it holds fewer than {count}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until visitors were told of so many writes more.
pub(crate) async fn writes(ledger: &Ledger, more: u64) {
    let goal = ledger.writes() + more;
    while ledger.writes() < goal {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Moves sessions while visitors write to the source, kills the command in the copy and in a pass, and cuts over
/// while visitors write to the target.
async fn move_under_fire(from: &Side, to: &Side, count: u64, ledger: Ledger) {
    let ledger = Arc::new(ledger);
    ledger.fill(from, count).await;
    let moving = Move::new(from, to);
    let visitors = ledger.visitors(&from.store);
    // Slow enough to be killed on the way.
    let rate = (count / 2).to_string();
    // A slow store's few sessions change quickly.
    let ends = count.to_string();
    let follow = ["--follow", "--rate", &rate, "--allow-ends", &ends];
    let mut running = moving.start(&follow);
    until_it_holds(to, count / 4).await;
    running.kill();
    writes(&ledger, 20).await;
    let mut running = moving.start(&follow);
    // The copy is over.
    tokio::task::block_in_place(|| running.until("pass"));
    writes(&ledger, 20).await;
    running.kill();
    writes(&ledger, 20).await;
    let mut running = moving.start(&["--follow", "--allow-ends", &ends]);
    tokio::task::block_in_place(|| running.until("ready"));
    writes(&ledger, 50).await;
    visitors.stop().await;
    let visitors = ledger.visitors(&to.store);
    writes(&ledger, 30).await;
    running.signal("USR1");
    let done = tokio::task::block_in_place(|| running.until("done"));
    tokio::task::block_in_place(|| running.end());
    writes(&ledger, 20).await;
    visitors.stop().await;
    let verdict = ledger.verdict(&to.store).await;
    assert_eq!((verdict.lost, verdict.revived), (0, 0), "{verdict:?}");
    assert!(
        verdict.right > count / 2 && verdict.ended > 5,
        "{verdict:?}"
    );
    assert_eq!(done["rejected"], 0, "{done}");
    let after = moving.ok(&[]);
    assert!(after.error.contains("is complete"), "{after:?}");
    assert_eq!(ledger.verdict(&to.store).await, verdict);
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_to_redis() {
    move_under_fire(
        &Side::sqlite().await,
        &Side::redis().await,
        3_000,
        Ledger::default(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_to_postgres() {
    let to = Side::postgres("moved_from_redis").await;
    move_under_fire(&Side::redis().await, &to, 3_000, Ledger::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_to_mongodb() {
    let from = Side::postgres("to_be_moved").await;
    // This server takes forty writes a second.
    let ledger = Ledger::slower(Duration::from_millis(50));
    move_under_fire(&from, &Side::mongodb("moved").await, 300, ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_to_sqlite() {
    move_under_fire(
        &Side::redis().await,
        &Side::sqlite().await,
        3_000,
        Ledger::default(),
    )
    .await;
}

/// The control: what a copy comes to that is made once.
pub(crate) async fn plain_copy(from: &Side, to: &Side) {
    let mut cursor = None::<String>;
    loop {
        let page = from
            .store
            .scan_records(cursor.as_deref(), 500)
            .await
            .unwrap();
        let putting = stream::iter(page.records).map(async |(id, stored)| {
            let stored = stored.unwrap();
            let entry = NewRecord {
                users: UserKeys::default().users_of(&stored.text),
                text: stored.text,
                expires: stored.expires,
            };
            to.store.put(&id, &entry, &PutIf::Absent).await.unwrap();
        });
        putting.buffer_unordered(64).collect::<Vec<()>>().await;
        cursor = page.next;
        if cursor.is_none() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_without_passes_loses_and_revives() {
    let (from, to) = (Side::redis().await, Side::redis().await);
    let ledger = Arc::new(Ledger::default());
    ledger.fill(&from, 2_000).await;
    let visitors = ledger.visitors(&from.store);
    plain_copy(&from, &to).await;
    writes(&ledger, 200).await;
    visitors.stop().await;
    let Verdict { lost, revived, .. } = ledger.verdict(&to.store).await;
    assert!(lost > 0 && revived > 0, "lost {lost}, revived {revived}");
}
