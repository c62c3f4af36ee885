//! The way back to JavaScript: results of the add-on's threads, delivered to the environment that asked.
//!
//! One bell for each environment, the main thread's or a worker's. It is rung once for all that was done
//! since; the callback takes everything. It keeps no process alive.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use napi::bindgen_prelude::{External, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Error, Result, Status};
use napi_derive::napi;
use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;

/// The result of an operation: a text, or its failure.
pub(crate) type Outcome = std::result::Result<String, Failure>;

type Ring = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Threads that wait for stores: they never compute for long, and one wakes no other.
const THREADS: usize = 1;

/// One environment's bell.
#[derive(Clone)]
pub struct Bell(Arc<Inner>);

struct Inner {
    ring: Ring,
    done: Mutex<Vec<String>>,
    /// The operations that begin when JavaScript says [`go`].
    asked: Mutex<Vec<Arc<Waiting>>>,
}

/// Makes the bell of an environment: `ring` is called, later, when something is [done](take).
#[napi(catch_unwind)]
pub fn bell(ring: Function<'_, (), ()>) -> Result<External<Bell>> {
    let ring = ring
        .build_threadsafe_function::<()>()
        .weak::<true>()
        .callee_handled::<false>()
        .build()?;
    Ok(External::new(Bell(Arc::new(Inner {
        ring,
        done: Mutex::default(),
        asked: Mutex::default(),
    }))))
}

/// Takes what was done since the last time: each the number that it was asked for by, a space, and the
/// outcome: `+` and the result, or `!` and the failure as JSON.
#[napi(catch_unwind)]
pub fn take(bell: &External<Bell>) -> Vec<String> {
    std::mem::take(&mut *held(&bell.0.done))
}

/// Begins what was asked for since the last time, all of it by one change of thread.
#[napi(catch_unwind)]
pub fn go(bell: &External<Bell>) -> Result<()> {
    let asked = std::mem::take(&mut *held(&bell.0.asked));
    runtime()?.spawn(async move {
        for waiting in asked {
            waiting.go_on();
        }
    });
    Ok(())
}

impl Bell {
    fn tell(&self, done: String, runtime: &Runtime) {
        let mut all = held(&self.0.done);
        all.push(done);
        // The call for the first result delivers the others as well: those that are ready by now come before it.
        if all.len() == 1 {
            let bell = self.clone();
            runtime.spawn(async move {
                tokio::task::yield_now().await;
                bell.0
                    .ring
                    .call((), ThreadsafeFunctionCallMode::NonBlocking);
            });
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says an outcome as one text: `+` and the result, or `!` and the failure as JSON.
pub(crate) fn spoken(outcome: Outcome) -> String {
    match outcome {
        Ok(text) => ["+", &text].concat(),
        Err(failure) => ["!", &failure.to_json()].concat(),
    }
}

/// Does `operation`: returns its outcome where that is known at once, as with a store in memory;
/// otherwise `None`, and `bell` tells it by `number`.
pub(crate) fn run(
    bell: &Bell,
    number: u32,
    operation: impl Future<Output = Outcome> + Send + 'static,
) -> Result<Option<String>> {
    let waiting = Waiting::of(bell, number, operation)?;
    let _entered = waiting.runtime.enter();
    Ok(waiting.outcome().map(spoken))
}

/// Does an `operation` that will have to wait: it begins when JavaScript says [`go`], with others of the same turn of
/// its loop, and not on JavaScript's thread.
pub(crate) fn run_later(
    bell: &Bell,
    number: u32,
    operation: impl Future<Output = Outcome> + Send + 'static,
) -> Result<Option<String>> {
    held(&bell.0.asked).push(Waiting::of(bell, number, operation)?);
    Ok(None)
}

/// An operation under way. Its waker polls it on the add-on's threads, so that it costs JavaScript's thread one
/// call and no second wake-up.
struct Waiting {
    /// `None` once it is done.
    operation: Mutex<Option<Operation>>,
    bell: Bell,
    number: u32,
    runtime: &'static Runtime,
}

type Operation = Pin<Box<dyn Future<Output = Outcome> + Send>>;

impl Waiting {
    fn of(
        bell: &Bell,
        number: u32,
        operation: impl Future<Output = Outcome> + Send + 'static,
    ) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            operation: Mutex::new(Some(Box::pin(operation))),
            bell: bell.clone(),
            number,
            runtime: runtime()?,
        }))
    }

    /// Returns the outcome, if it is known by now and was not before.
    fn outcome(self: &Arc<Self>) -> Option<Outcome> {
        // It is asked again wherever it was woken meanwhile: one after the other.
        let mut operation = held(&self.operation);
        let waker = Waker::from(Arc::clone(self));
        let polled = operation
            .as_mut()?
            .as_mut()
            .poll(&mut Context::from_waker(&waker));
        let Poll::Ready(outcome) = polled else {
            return None;
        };
        *operation = None;
        Some(outcome)
    }

    /// Goes on, and tells the outcome once it is known; that it panicked, if it did.
    fn go_on(self: &Arc<Self>) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.outcome()));
        let outcome = outcome.unwrap_or_else(|_| {
            let mut operation = held(&self.operation);
            operation.take().map(|_| Err(Failure::panicked()))
        });
        if let Some(outcome) = outcome {
            self.bell
                .tell(format!("{} {}", self.number, spoken(outcome)), self.runtime);
        }
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        // Not here: whoever wakes may hold what the operation is about to ask for.
        let runtime = self.runtime;
        runtime.spawn(async move { self.go_on() });
    }
}

/// The threads on which stores are waited for: one set for the process, whatever environments there are.
pub(crate) fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: Mutex<Option<&'static Runtime>> = Mutex::new(None);
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = *runtime {
        return Ok(runtime);
    }
    let built = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("cloakroom")
        .enable_all()
        .build()
        .map_err(|error| Error::new(Status::GenericFailure, error.to_string()))?;
    // For the life of the process: a runtime that is dropped waits for its threads.
    Ok(*runtime.insert(Box::leak(Box::new(built))))
}
