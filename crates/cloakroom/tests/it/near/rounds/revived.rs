//! Sessions that a promoted replica has although they were ended: their ends had not reached it. The store
//! repeats them (rows R3 of the faults); until then they are stored, and no cache is to blame for a
//! reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cloakroom::SessionId;
use tokio::task::{JoinHandle, spawn_blocking};

use super::super::peer::micros;
use super::super::servers::redis_cli;

/// Answers with the server's role, and a 1 for each session that it has.
const HELD: &str = "local held = {} \
    for at, key in ipairs(KEYS) do held[at] = tostring(redis.call('EXISTS', key)) end \
    return redis.call('ROLE')[1] .. ' ' .. table.concat(held)";

/// Watches the server that is promoted.
pub(super) struct Revived {
    stop: Arc<AtomicBool>,
    watcher: JoinHandle<Vec<u64>>,
}

impl Revived {
    /// Begins to look at the server at `port`, which is asked again and again.
    pub(super) fn watch(port: u16, ids: &[SessionId]) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let keys: Vec<String> = ids
            .iter()
            .map(|id| format!("sess:{}", id.expose()))
            .collect();
        let stopped = Arc::clone(&stop);
        let watcher = spawn_blocking(move || {
            let mut seen = vec![0; keys.len()];
            while !stopped.load(Ordering::SeqCst) {
                look(port, &keys, &mut seen);
            }
            seen
        });
        Self { stop, watcher }
    }

    /// Ends the watch, and moves the end of each session behind the last time that it was there.
    pub(super) async fn correct(self, ended: &mut [u64]) {
        self.stop.store(true, Ordering::SeqCst);
        let seen = self.watcher.await.expect("it looks until it is stopped");
        for (ended, seen) in ended.iter_mut().zip(seen) {
            *ended = seen.max(*ended);
        }
    }
}

/// Notes when the sessions were asked for that a primary has.
fn look(port: u16, keys: &[String], seen: &mut [u64]) {
    let number = keys.len().to_string();
    let mut words = vec!["EVAL", HELD, number.as_str()];
    words.extend(keys.iter().map(String::as_str));
    let asked = micros();
    let said = redis_cli(port, &words);
    for at in held(&said) {
        seen[at] = asked;
    }
}

/// Returns the numbers of the sessions that a primary has.
fn held(said: &str) -> impl Iterator<Item = usize> {
    let held = said.trim().strip_prefix("master ").unwrap_or_default();
    held.bytes()
        .enumerate()
        .filter_map(|(at, has)| (has == b'1').then_some(at))
}

#[test]
fn only_what_a_primary_has_is_revived() {
    let held = |said| held(said).collect::<Vec<usize>>();
    assert_eq!(held("master 0110\n"), [1, 2]);
    assert_eq!(held("slave 1111\n"), [0; 0]);
    assert_eq!(held("Could not connect to Redis: refused\n"), [0; 0]);
}
