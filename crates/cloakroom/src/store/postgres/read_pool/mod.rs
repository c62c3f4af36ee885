//! A few of the pool's connections, each of which many reads share.
//!
//! One is enough for a modest load; another is opened when all are full. They are never more than half of the
//! pool: statements that wait for a row which others hold, or read many, have connections of their own. If no
//! shared one is available, a read has one of its own as well.

mod batcher;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use deadpool_postgres::{Object, Pool, Timeouts};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use self::batcher::{MAX_QUEUED, PoolLoad, Query, ReadBatcher, ReadResult, Statements};
use crate::id::SessionId;
use crate::store::postgres::connection::pooler::Pooler;
use crate::store::postgres::session::sql::Sql;

/// Most shared connections: one alone reads more sessions in a second than most sites need.
const MAX_CONNECTIONS: usize = 3;
/// Time without another attempt after opening a connection failed.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Time for a connection to prepare the statements.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(3);

pub(super) struct ReadPool {
    pool: Pool,
    pooler: Arc<Pooler>,
    one: String,
    many: String,
    most: AtomicUsize,
    each: ArcSwap<Vec<Arc<ReadBatcher>>>,
    opening: AtomicBool,
}

#[derive(Debug, PartialEq, Eq)]
struct Choice {
    line: Option<usize>,
    /// `true` if another connection should be opened.
    open: bool,
}

/// Chooses the first connection that is not full, or else the one with the fewest readers.
fn choose(loads: impl Iterator<Item = PoolLoad>, most: usize) -> Choice {
    let mut fewest: Option<(usize, usize)> = None;
    let mut lines = 0;
    for (at, load) in loads.enumerate() {
        lines += 1;
        if load.is_stalled {
            continue;
        }
        if load.waiting < MAX_QUEUED {
            return Choice {
                line: Some(at),
                open: false,
            };
        }
        if fewest.is_none_or(|(waiting, _)| load.waiting < waiting) {
            fewest = Some((load.waiting, at));
        }
    }
    Choice {
        line: fewest.map(|(_, at)| at),
        open: lines < most,
    }
}

impl ReadPool {
    pub(super) fn new(pool: &Pool, pooler: &Arc<Pooler>, sql: &Sql, pool_size: usize) -> Arc<Self> {
        Arc::new(Self {
            pool: pool.clone(),
            pooler: Arc::clone(pooler),
            one: sql.get.clone(),
            many: sql.get_many.clone(),
            most: AtomicUsize::new((pool_size / 2).min(MAX_CONNECTIONS)),
            each: ArcSwap::default(),
            opening: AtomicBool::new(false),
        })
    }

    /// Reads a session; `None` if no shared connection could.
    pub(super) async fn get(self: &Arc<Self>, id: &SessionId, now: i64) -> Option<ReadResult> {
        self.line()?.get(id, now).await
    }

    /// Closes all: their server is no longer the one to use.
    pub(super) fn close(&self) {
        for line in self.each.load().iter() {
            line.close();
        }
    }

    /// Drops all but a few, for good: the server grants fewer connections than the pool has room for.
    pub(super) fn keep(&self, few: usize) {
        self.most.fetch_min(few, Ordering::Relaxed);
        for line in self.each.load().iter().skip(few) {
            line.close();
        }
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    fn forget(&self, gone: &ReadBatcher) {
        self.each.rcu(|each| {
            let rest = each
                .iter()
                .filter(|line| !std::ptr::eq(Arc::as_ptr(line), gone));
            rest.cloned().collect::<Vec<_>>()
        });
    }

    #[cfg(test)]
    pub(super) fn each(&self) -> Arc<Vec<Arc<ReadBatcher>>> {
        self.each.load_full()
    }

    fn line(self: &Arc<Self>) -> Option<Arc<ReadBatcher>> {
        let each = self.each.load();
        let choice = choose(each.iter().map(|line| line.load()), self.most());
        if choice.open {
            self.open();
        }
        for line in each.iter().filter(|line| line.load().is_stalled) {
            line.check();
        }
        choice.line.map(|at| Arc::clone(&each[at]))
    }

    /// Opens one more, one at a time, while its readers are served elsewhere.
    fn open(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if !self.opening.swap(true, Ordering::AcqRel) {
            runtime.spawn(Opening(Arc::downgrade(self)).open());
        }
    }

    /// Opens one more; `false` if there is no room, or no connection available.
    pub(super) async fn add(self: &Arc<Self>) -> bool {
        if self.each.load().len() >= self.most() {
            return false;
        }
        let at_once = Timeouts {
            wait: Some(Duration::ZERO),
            ..self.pool.timeouts()
        };
        let Ok(object) = self.pool.timeout_get(&at_once).await else {
            return false;
        };
        let Ok(Some(statements)) = timeout(PREPARE_TIMEOUT, self.prepare(&object)).await else {
            drop(Object::take(object));
            return false;
        };
        let line = Arc::new(ReadBatcher::new(object, statements, Arc::downgrade(self)));
        self.each.rcu(|each| {
            let mut each = Vec::clone(each);
            each.push(Arc::clone(&line));
            each
        });
        true
    }

    async fn prepare(&self, object: &Object) -> Option<Statements> {
        if self.pooler.is_there() {
            return Some(Statements {
                one: Query::Text(self.one.clone()),
                many: Query::Text(self.many.clone()),
            });
        }
        let (one, many) = (
            object.prepare_cached(&self.one).await.ok()?,
            object.prepare_cached(&self.many).await.ok()?,
        );
        Some(Statements {
            one: Query::Prepared(one),
            many: Query::Prepared(many),
        })
    }
}

/// A guard that one connection is being opened; the next may be once it is dropped.
struct Opening(Weak<ReadPool>);

impl Opening {
    async fn open(self) {
        let Some(lines) = self.0.upgrade() else {
            return;
        };
        let added = lines.add().await;
        drop(lines);
        if !added {
            sleep(RETRY_AFTER).await;
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(lines) = self.0.upgrade() {
            lines.opening.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_connection_with_room_is_chosen_and_another_opened_if_all_are_full() {
        let well = |waiting| PoolLoad {
            waiting,
            is_stalled: false,
        };
        let hung = PoolLoad {
            waiting: 0,
            is_stalled: true,
        };
        let (idle, some, full, over) = (
            well(0),
            well(MAX_QUEUED - 1),
            well(MAX_QUEUED),
            well(MAX_QUEUED + 9),
        );
        #[rustfmt::skip]
        let table: [(&[PoolLoad], usize, Option<usize>, bool); 14] = [
            (&[],                 3, None,    true),
            (&[],                 0, None,    false), // a pool of one
            (&[idle],             3, Some(0), false),
            (&[some, idle],       3, Some(0), false), // few connections under a modest load
            (&[full],             3, Some(0), true),  // served while another is opened
            (&[full],             1, Some(0), false),
            (&[full, some],       3, Some(1), false),
            (&[over, full],       3, Some(1), true),
            (&[over, full, over], 3, Some(1), false),
            (&[hung],              3, None,    true),
            (&[hung],              1, None,    false), // it still holds its connection
            (&[hung, idle],        3, Some(1), false),
            (&[hung, full],        3, Some(1), true),
            (&[hung, hung, hung],    3, None,    false),
        ];
        for (loads, most, line, open) in table {
            let choice = choose(loads.iter().copied(), most);
            assert_eq!(choice, Choice { line, open }, "{loads:?} of {most}");
        }
    }
}
