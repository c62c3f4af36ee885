//! Ends under way while the server restarts: acknowledged before, between and after.

use std::sync::Arc;

use cloakroom::SessionId;
use cloakroom::store::{CasOutcome, RetiredId, Store};
use testbed::RedisProgram;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep};

use super::rig::{by_default, entry, has, restart, snapshot};
use super::{LIMIT, LOOK, ask, connect, rounds, saw};

const SESSIONS: usize = 240;
const AT_ONCE: usize = 8;

/// Ends a session in one of three ways; whether that was acknowledged.
async fn end(store: &dyn Store, id: &SessionId, way: usize) -> bool {
    match way % 3 {
        0 => store.destroy(id).await.is_ok(),
        1 => store.retire(id).await.is_ok(),
        _ => {
            let (read, next, new) = (entry().text, entry(), SessionId::random());
            let replaced = store.replace(id, Some(&read), &new, &next, &RetiredId::Closed);
            matches!(replaced.await, Ok(CasOutcome::Stored))
        }
    }
}

/// Ends all of them, some at a time, and returns those that were acknowledged.
fn end_all(store: &Arc<dyn Store>, ids: &[SessionId]) -> JoinSet<Vec<SessionId>> {
    let mut tasks = JoinSet::new();
    for part in ids.chunks(ids.len().div_ceil(AT_ONCE)) {
        let (store, part) = (Arc::clone(store), part.to_vec());
        tasks.spawn(async move {
            let mut acknowledged = Vec::new();
            for (way, id) in part.into_iter().enumerate() {
                if end(&*store, &id, way).await {
                    acknowledged.push(id);
                }
                sleep(Duration::from_millis(1)).await;
            }
            acknowledged
        });
    }
    tasks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_an_end_under_way_during_a_restart_is_not_undone() {
    let mut server = by_default(RedisProgram::Redis);
    let store: Arc<dyn Store> = Arc::new(connect(&server.url(), true).await);
    let (mut before, mut all) = (0, 0);
    let rounds = rounds(6).min(200);
    for round in 0..rounds {
        let ids: Vec<SessionId> = (0..SESSIONS).map(|_| SessionId::random()).collect();
        for id in &ids {
            store.create(id, &entry()).await.unwrap();
        }
        snapshot(&server).await;
        let ending = end_all(&store, &ids);
        sleep(Duration::from_millis(5 * (1 + round as u64 % 8))).await;
        before += ids.iter().filter(|id| !has(&server, id)).count();
        restart(&mut server);
        // Once more: the ends replayed the first time are replayed again.
        if round % 3 == 0 {
            restart(&mut server);
        }
        let acknowledged: Vec<SessionId> = ending.join_all().await.concat();
        all += acknowledged.len();
        for id in &acknowledged {
            assert!(
                ask(&*store, id).await.is_none(),
                "round {round}: it is back"
            );
        }
        let begin = Instant::now();
        while acknowledged.iter().any(|id| has(&server, id)) {
            assert!(
                begin.elapsed() < LIMIT,
                "round {round}: it is back at the server"
            );
            sleep(LOOK).await;
        }
    }
    let load = format!("Redis, from its last snapshot, while sessions end: {rounds} rounds");
    saw(
        "R1",
        &load,
        &format!("{all} ends acknowledged, {before} of them before the server went, 0 undone"),
    );
    assert!(
        before > 0 && all > before,
        "{before} of {all}: nothing was tested"
    );
}
