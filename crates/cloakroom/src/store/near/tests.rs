use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::Semaphore;

use super::*;
use crate::store::Page;

/// A store with a link that the test has in its hand.
#[derive(Clone, Default)]
struct Fake(Arc<State>);

struct State {
    stored: Mutex<Option<Stored>>,
    reads: AtomicUsize,
    hints: Mutex<Option<Hints>>,
    proven: Mutex<Option<Instant>>,
    catches_up: AtomicBool,
    /// Reads wait here once they have their answer, writes once they are done.
    gate: Semaphore,
    /// Writes wait here before they are done.
    queue: Semaphore,
}

impl Default for State {
    fn default() -> Self {
        Self {
            stored: Mutex::default(),
            reads: AtomicUsize::default(),
            hints: Mutex::default(),
            proven: Mutex::default(),
            catches_up: AtomicBool::new(true),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            queue: Semaphore::new(Semaphore::MAX_PERMITS),
        }
    }
}

fn record(n: u32) -> Stored {
    Stored {
        text: format!(r#"{{"cookie":{{}},"n":{n}}}"#).into(),
        expires: Timestamp::from(std::time::SystemTime::now()).after(Duration::from_hours(1)),
    }
}

fn entry(n: u32) -> Entry {
    let Stored { text, expires } = record(n);
    Entry {
        text,
        expires,
        user: None,
    }
}

impl Fake {
    fn set(&self, n: u32) {
        *self.0.stored.lock().unwrap() = Some(record(n));
    }

    fn tell(&self, hint: Hint<'_>) {
        let hints = self.0.hints.lock().unwrap().clone();
        hints.expect("the link was made").give(hint);
    }

    fn prove(&self) {
        *self.0.proven.lock().unwrap() = Some(memory::now());
    }

    fn lose(&self) {
        *self.0.proven.lock().unwrap() = None;
        self.tell(Hint::All);
    }

    fn take_reads(&self) -> usize {
        self.0.reads.swap(0, Ordering::SeqCst)
    }

    async fn read(&self) -> Result<Option<Stored>, StoreError> {
        let read = self.0.stored.lock().unwrap().clone();
        self.0.reads.fetch_add(1, Ordering::SeqCst);
        let _ = self.0.gate.acquire().await;
        Ok(read)
    }

    async fn write<T>(&self, stored: Option<Stored>, outcome: T) -> Result<T, StoreError> {
        let _ = self.0.queue.acquire().await;
        *self.0.stored.lock().unwrap() = stored;
        let _ = self.0.gate.acquire().await;
        Ok(outcome)
    }
}

struct Link(Fake);

impl Changes for Link {
    fn get<'a>(&'a self, _: &'a SessionId) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(self.0.read())
    }

    fn proven(&self) -> Option<Instant> {
        *self.0.0.proven.lock().unwrap()
    }

    fn catch_up(&self) -> StoreFuture<'_, ()> {
        let catches_up = self.0.0.catches_up.load(Ordering::SeqCst);
        let outcome = catches_up.then_some(());
        Box::pin(async move { outcome.ok_or(StoreErrorKind::Unavailable.into()) })
    }
}

impl Store for Fake {
    fn get<'a>(&'a self, _: &'a SessionId) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(self.read())
    }

    fn changes(&self, hints: Hints) -> Option<Box<dyn Changes>> {
        *self.0.hints.lock().unwrap() = Some(hints);
        Some(Box::new(Link(self.clone())))
    }

    fn create<'a>(&'a self, _: &'a SessionId, entry: &'a Entry) -> StoreFuture<'a, ()> {
        let Entry { text, expires, .. } = entry.clone();
        Box::pin(self.write(Some(Stored { text, expires }), ()))
    }

    fn update<'a>(
        &'a self,
        _: &'a SessionId,
        _: &'a RecordText,
        entry: &'a Entry,
    ) -> StoreFuture<'a, Written> {
        let Entry { text, expires, .. } = entry.clone();
        Box::pin(self.write(Some(Stored { text, expires }), Written::Saved))
    }

    fn touch<'a>(
        &'a self,
        _: &'a SessionId,
        _: &'a RecordText,
        entry: &'a Entry,
    ) -> StoreFuture<'a, bool> {
        let Entry { text, expires, .. } = entry.clone();
        Box::pin(self.write(Some(Stored { text, expires }), true))
    }

    fn destroy<'a>(&'a self, _: &'a SessionId) -> StoreFuture<'a, bool> {
        Box::pin(self.write(None, true))
    }

    fn replace<'a>(
        &'a self,
        _: &'a SessionId,
        _: Option<&'a RecordText>,
        _: &'a SessionId,
        _: &'a Entry,
    ) -> StoreFuture<'a, Written> {
        Box::pin(self.write(None, Written::Saved))
    }

    fn prune(&self) -> StoreFuture<'_, u64> {
        Box::pin(async { Ok(0) })
    }

    fn scan<'a>(&'a self, _: Option<&'a str>, _: usize) -> StoreFuture<'a, Page> {
        Box::pin(async { Ok(Page::default()) })
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        Box::pin(async { Ok(0) })
    }

    fn of_user<'a>(&'a self, _: &'a str) -> StoreFuture<'a, Vec<SessionId>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn destroy_of_user<'a>(&'a self, _: &'a str, _: Option<&'a SessionId>) -> StoreFuture<'a, u64> {
        Box::pin(self.write(None, 1))
    }
}

/// A cache that holds the first value of a session, and whose link is alive.
async fn warm() -> (Fake, NearStore, SessionId) {
    let fake = Fake::default();
    fake.set(1);
    let (near, id) = (NearStore::new(fake.clone()), SessionId::random());
    // The first read makes the link.
    near.get(&id).await.unwrap();
    fake.tell(Hint::All);
    fake.prove();
    assert_eq!(n(&near, &id).await, Some(1));
    fake.take_reads();
    (fake, near, id)
}

async fn n(near: &NearStore, id: &SessionId) -> Option<u32> {
    let stored = near.get(id).await.unwrap()?;
    let digits = stored.text.trim_end_matches('}').rsplit(':').next()?;
    digits.parse().ok()
}

#[tokio::test(start_paused = true)]
async fn a_second_read_asks_nobody_while_the_link_lives() {
    let (fake, near, id) = warm().await;
    for _ in 0..20 {
        tokio::time::advance(Duration::from_secs(1)).await;
        fake.prove();
        assert_eq!(n(&near, &id).await, Some(1));
    }
    assert_eq!(fake.take_reads(), 0);
    let stats = near.stats();
    assert_eq!((stats.hits, stats.misses, stats.sessions), (20, 2, 1));
    assert_eq!(stats.staleness, Some(Duration::ZERO));
    // However well the link is, half a minute is all.
    tokio::time::advance(Duration::from_secs(10)).await;
    fake.prove();
    n(&near, &id).await;
    assert_eq!(fake.take_reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_told_is_seen() {
    let (fake, near, id) = warm().await;
    fake.set(2);
    fake.tell(Hint::Of(&SessionId::random()));
    fake.tell(Hint::Of(&id));
    assert_eq!(n(&near, &id).await, Some(2));
    fake.set(3);
    fake.tell(Hint::All);
    assert_eq!(n(&near, &id).await, Some(3));
    assert_eq!(near.stats().invalidations, 2);
}

/// The link is frozen: nothing is told, and nothing proven.
#[tokio::test(start_paused = true)]
async fn what_is_not_told_is_seen_once_the_bound_is_over() {
    let (fake, near, id) = warm().await;
    fake.set(2);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(n(&near, &id).await, Some(1), "within the bound");
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(n(&near, &id).await, Some(2));
    assert_eq!(near.stats().unproven, 1);
    // What is read now is good for the bound, and no proof prolongs it: the link may be to another.
    fake.set(3);
    tokio::time::advance(Duration::from_secs(1)).await;
    fake.prove();
    assert_eq!(n(&near, &id).await, Some(2));
    tokio::time::advance(Duration::from_millis(1)).await;
    fake.prove();
    assert_eq!(n(&near, &id).await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_lost_link_leaves_nothing_behind() {
    let (fake, near, id) = warm().await;
    fake.lose();
    fake.set(2);
    assert_eq!(n(&near, &id).await, Some(2));
    assert_eq!(near.stats().staleness, None);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_overtaken_is_not_kept() {
    let (fake, near, id) = warm().await;
    fake.tell(Hint::Of(&id));
    fake.0.gate.forget_permits(Semaphore::MAX_PERMITS);
    let reading = tokio::spawn({
        let (near, id) = (near.clone(), id.clone());
        async move { n(&near, &id).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(fake.take_reads(), 1);
    fake.set(2);
    fake.tell(Hint::Of(&id));
    fake.0.gate.add_permits(Semaphore::MAX_PERMITS);
    assert_eq!(
        reading.await.unwrap(),
        Some(1),
        "it was so when it was asked"
    );
    assert_eq!(n(&near, &id).await, Some(2));
}

/// Each write of this process, and what is read of the session after it.
#[tokio::test(start_paused = true)]
async fn what_this_process_writes_it_sees_at_once() {
    for write in [
        "create", "update", "touch", "destroy", "replace", "as new", "of user",
    ] {
        let (fake, near, id) = warm().await;
        let (text, other) = (record(1).text, SessionId::random());
        let next = entry(2);
        match write {
            "create" => near.create(&id, &next).await.unwrap(),
            "update" => drop(near.update(&id, &text, &next).await.unwrap()),
            "touch" => drop(near.touch(&id, &text, &next).await.unwrap()),
            "destroy" => drop(near.destroy(&id).await.unwrap()),
            "replace" => drop(near.replace(&id, None, &other, &next).await.unwrap()),
            "as new" => drop(near.replace(&other, None, &id, &next).await.unwrap()),
            _ => {
                fake.0.catches_up.store(false, Ordering::SeqCst);
                assert_eq!(near.destroy_of_user("ada", None).await.unwrap(), 1);
            }
        }
        let found = n(&near, &id).await;
        assert_eq!(
            found,
            fake.0.stored.lock().unwrap().as_ref().map(|_| 2),
            "{write}"
        );
        assert_eq!(fake.take_reads(), 1, "{write}");
    }
}

fn log_out(near: &NearStore, id: &SessionId) -> tokio::task::JoinHandle<bool> {
    let (near, id) = (near.clone(), id.clone());
    tokio::spawn(async move { near.destroy(&id).await.unwrap() })
}

/// The store has done it, and its answer is late.
#[tokio::test(start_paused = true)]
async fn nothing_is_given_out_from_when_a_logout_is_sent() {
    let (fake, near, id) = warm().await;
    fake.0.gate.forget_permits(Semaphore::MAX_PERMITS);
    let logout = log_out(&near, &id);
    tokio::task::yield_now().await;
    let reading = tokio::spawn({
        let (near, id) = (near.clone(), id.clone());
        async move { n(&near, &id).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(fake.take_reads(), 1, "the store is asked");
    assert!(!logout.is_finished());
    fake.0.gate.add_permits(2);
    assert_eq!(reading.await.unwrap(), None);
    assert!(logout.await.unwrap());
}

/// What was read while the store had not come to it is of no use once it has, whether or not anybody
/// waits for its answer still.
#[tokio::test(start_paused = true)]
async fn what_is_read_while_a_logout_is_under_way_is_not_given_out_after_it() {
    for is_given_up in [false, true] {
        let (fake, near, id) = warm().await;
        fake.0.queue.forget_permits(Semaphore::MAX_PERMITS);
        let logout = log_out(&near, &id);
        tokio::task::yield_now().await;
        assert_eq!(n(&near, &id).await, Some(1), "it has not ended yet");
        assert_eq!(n(&near, &id).await, Some(1));
        assert_eq!(fake.take_reads(), 1);
        if is_given_up {
            fake.0.gate.forget_permits(Semaphore::MAX_PERMITS);
        }
        fake.0.queue.add_permits(1);
        if is_given_up {
            tokio::task::yield_now().await;
            logout.abort();
            assert!(logout.await.unwrap_err().is_cancelled());
            fake.0.gate.add_permits(2);
        } else {
            assert!(logout.await.unwrap());
        }
        assert_eq!(n(&near, &id).await, None, "given up: {is_given_up}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_logout_everywhere_that_the_link_does_not_confirm_forgets_all() {
    for (catches_up, flushes) in [(true, 1), (false, 2)] {
        let (fake, near, _) = warm().await;
        fake.0.catches_up.store(catches_up, Ordering::SeqCst);
        near.destroy_of_user("ada", None).await.unwrap();
        assert_eq!(near.stats().flushes, flushes);
    }
}

#[tokio::test(start_paused = true)]
async fn what_expired_is_not_given_out() {
    let clock = crate::clock::ManualClock::at(record(1).expires);
    clock.set(Timestamp::from_millis(
        record(1).expires.as_millis() - 60_000,
    ));
    let fake = Fake::default();
    fake.set(1);
    let options = NearOptions::default().clock(clock.clone());
    let (near, id) = (
        NearStore::with(Arc::new(fake.clone()), &options),
        SessionId::random(),
    );
    near.get(&id).await.unwrap();
    assert_eq!(n(&near, &id).await, Some(1));
    assert_eq!(fake.take_reads(), 1);
    clock.advance(Duration::from_secs(61));
    n(&near, &id).await;
    assert_eq!(fake.take_reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_and_what_is_too_large_is_not_kept() {
    let fake = Fake::default();
    fake.set(1);
    let options = NearOptions::default().memory(64 << 10);
    let near = NearStore::with(Arc::new(fake.clone()), &options);
    for _ in 0..2_000 {
        near.get(&SessionId::random()).await.unwrap();
    }
    let NearStats {
        bytes, sessions, ..
    } = near.stats();
    assert!(bytes <= 64 << 10, "{bytes}");
    assert!(sessions >= 64, "{sessions}");
    let large = format!(r#"{{"cookie":{{}},"a":"{}"}}"#, "a".repeat(100_000));
    fake.0.stored.lock().unwrap().as_mut().unwrap().text = large.into();
    let id = SessionId::random();
    fake.take_reads();
    for _ in 0..2 {
        near.get(&id).await.unwrap();
    }
    assert_eq!(fake.take_reads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_bound_of_zero_caches_nothing() {
    let fake = Fake::default();
    fake.set(1);
    let options = NearOptions::default().staleness(Duration::ZERO);
    let (near, id) = (
        NearStore::with(Arc::new(fake.clone()), &options),
        SessionId::random(),
    );
    for _ in 0..3 {
        near.get(&id).await.unwrap();
    }
    assert_eq!(fake.take_reads(), 3);
}

#[test]
fn nothing_of_a_session_is_in_debug() {
    let near = NearStore::new(Fake::default());
    assert_eq!(format!("{near:?}"), "NearStore { staleness: 1s, .. }");
}

#[cfg(all(feature = "redis", feature = "postgres", feature = "conformance"))]
mod postgres;
#[cfg(all(feature = "redis", feature = "postgres", feature = "conformance"))]
mod suites;
#[cfg(feature = "redis")]
mod untold;
