//! Runs a write to completion even if its caller is dropped.
//!
//! A server drops a handler's future when its client disconnects, at any await. A write may be
//! between two of its steps then: the connection made and nothing sent, a script that the server does
//! not know, a new id stored and the old one not yet deleted.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

/// Time that a write may go on after its caller dropped it: longer than a store's own time-outs for
/// connecting and for a reply, so that only a server that hangs reaches it.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns a future that does what `write` does; dropped in the middle, it continues as a task.
///
/// If it was never polled it has not begun, and does nothing. Outside a runtime, and in one that is shutting
/// down, a write ends with its caller.
pub(super) fn to_completion<T: Send + 'static>(
    write: impl Future<Output = T> + Send + 'static,
) -> Pin<Box<dyn Future<Output = T> + Send>> {
    Box::pin(Completion {
        write: Some(Box::pin(write)),
        has_begun: false,
    })
}

struct Completion<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    write: Option<Pin<Box<F>>>,
    has_begun: bool,
}

impl<F> Future for Completion<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.has_begun = true;
        // Taken out for the poll: a future that panics is not polled again.
        let Some(mut write) = self.write.take() else {
            return Poll::Pending;
        };
        let polled = write.as_mut().poll(context);
        if polled.is_pending() {
            self.write = Some(write);
        }
        polled
    }
}

impl<F> Drop for Completion<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn drop(&mut self) {
        let Some(write) = self.write.take().filter(|_| self.has_begun) else {
            return;
        };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(COMPLETION_TIMEOUT, write));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    /// Returns a write of two steps, and its progress.
    fn two_steps() -> (Arc<AtomicUsize>, Arc<Notify>, impl Future<Output = ()>) {
        let (done, between) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let write = to_completion({
            let (done, between) = (Arc::clone(&done), Arc::clone(&between));
            async move {
                done.fetch_add(1, Ordering::Relaxed);
                between.notified().await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
        (done, between, write)
    }

    async fn poll_once(write: &mut (impl Future<Output = ()> + Unpin)) -> Poll<()> {
        poll_fn(|context| Poll::Ready(Pin::new(&mut *write).poll(context))).await
    }

    /// V8: the client disconnects between two steps.
    #[tokio::test]
    async fn v8_begun_write_is_completed_when_its_caller_is_dropped() {
        let (done, between, write) = two_steps();
        let mut write = Box::pin(write);
        assert!(poll_once(&mut write).await.is_pending());
        drop(write);
        between.notify_one();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(done.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn write_that_was_never_polled_does_nothing() {
        let (done, between, write) = two_steps();
        between.notify_one();
        drop(write);
        tokio::task::yield_now().await;
        assert_eq!(done.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_write_is_given_up_after_a_timeout() {
        let (done, _between, write) = two_steps();
        let mut write = Box::pin(write);
        assert!(poll_once(&mut write).await.is_pending());
        drop(write);
        tokio::time::sleep(COMPLETION_TIMEOUT * 2).await;
        assert_eq!(
            (done.load(Ordering::Relaxed), Arc::strong_count(&done)),
            (1, 1)
        );
    }

    #[test]
    fn outside_a_runtime_a_write_ends_with_its_caller() {
        let (done, _between, write) = two_steps();
        let mut write = Box::pin(write);
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime
            .unwrap()
            .block_on(async { assert!(poll_once(&mut write).await.is_pending()) });
        drop(write);
        assert_eq!(
            (done.load(Ordering::Relaxed), Arc::strong_count(&done)),
            (1, 1)
        );
    }
}
