//! Invalidation by this process's own writes.

use crate::store::RetiredId;
use std::sync::atomic::Ordering;

use tokio::sync::Semaphore;

use super::super::*;
use super::fake::{entry, n, record, warm};

/// Makes each write of this process, and reads the session after it.
#[tokio::test(start_paused = true)]
async fn own_writes_are_visible_at_once() {
    for write in [
        "create", "update", "touch", "destroy", "retire", "replace", "as new", "of user",
    ] {
        let (fake, near, id) = warm().await;
        let (text, other) = (record(1).text, SessionId::random());
        let next = entry(2);
        match write {
            "create" => near.create(&id, &next).await.unwrap(),
            "update" => drop(near.update(&id, &text, &next).await.unwrap()),
            "touch" => drop(near.touch(&id, &text, &next).await.unwrap()),
            "destroy" => drop(near.destroy(&id).await.unwrap()),
            "retire" => drop(near.retire(&id).await.unwrap()),
            "replace" => drop(
                near.replace(&id, None, &other, &next, &RetiredId::Closed)
                    .await
                    .unwrap(),
            ),
            "as new" => drop(
                near.replace(&other, None, &id, &next, &RetiredId::Closed)
                    .await
                    .unwrap(),
            ),
            _ => {
                fake.0.catches_up.store(false, Ordering::SeqCst);
                assert_eq!(near.destroy_by_user("ada", None).await.unwrap(), 1);
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

/// The store has executed it, and its reply is late.
#[tokio::test(start_paused = true)]
async fn no_copy_is_served_once_a_logout_is_sent() {
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

/// Reads while a logout is under way: their copies are of no use once it is done, even if its caller is gone.
#[tokio::test(start_paused = true)]
async fn copy_read_during_a_logout_is_not_served_after_it() {
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

/// Its copies would be dropped before they are served: it is read as without a cache, until it is read twice.
#[tokio::test(start_paused = true)]
async fn a_session_that_is_written_at_each_request_is_not_kept() {
    let (fake, near, id) = warm().await;
    let kept = |near: &NearStore| near.stats().sessions;
    for request in 0..5 {
        assert_eq!(n(&near, &id).await, Some(1));
        assert_eq!(kept(&near), u64::from(request < 2), "{request}");
        near.touch(&id, &entry(1).text, &entry(1)).await.unwrap();
    }
    fake.take_reads();
    for _ in 0..5 {
        assert_eq!(n(&near, &id).await, Some(1));
    }
    assert_eq!(fake.take_reads(), 2);
    assert_eq!(kept(&near), 1);
}

#[tokio::test(start_paused = true)]
async fn logout_everywhere_without_confirmation_clears_the_cache() {
    for (catches_up, flushes) in [(true, 1), (false, 2)] {
        let (fake, near, _) = warm().await;
        fake.0.catches_up.store(catches_up, Ordering::SeqCst);
        near.destroy_by_user("ada", None).await.unwrap();
        assert_eq!(near.stats().flushes, flushes);
    }
}

/// V2: an id that another process retires is not served from a copy, nor is its successor.
#[cfg(feature = "memory")]
#[tokio::test]
async fn v2_retired_ids_are_not_cached() {
    use crate::store::memory::MemoryStore;

    let store = Arc::new(MemoryStore::new());
    let near = NearStore::with(Arc::<MemoryStore>::clone(&store), &NearOptions::default());
    let (old, new, entry) = (SessionId::random(), SessionId::random(), entry(1));
    near.create(&old, &entry).await.unwrap();
    for _ in 0..2 {
        assert_eq!(near.retired(&old).await.unwrap(), None);
        assert_eq!(near.get(&new).await.unwrap(), None);
    }
    let renewed = RetiredId::Renewed("successor".to_owned());
    let replacing = store.replace(&old, Some(&entry.text), &new, &entry, &renewed);
    assert_eq!(replacing.await.unwrap(), CasOutcome::Stored);
    assert_eq!(near.get(&old).await.unwrap(), None);
    assert_eq!(near.retired(&old).await.unwrap(), Some(renewed));
    assert!(near.get(&new).await.unwrap().is_some());
}
