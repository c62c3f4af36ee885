//! The way back to JavaScript: results of the add-on's threads, delivered to the environment that asked.
//!
//! One bell for each environment, the main thread's or a worker's. It is rung once for all that was done
//! since; the callback takes everything. It keeps no process alive.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use napi::bindgen_prelude::{External, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Error, Result, Status};
use napi_derive::napi;
use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;

/// The result of an operation: a text, or its failure.
pub(crate) type Outcome = std::result::Result<String, Failure>;

type Ring = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Threads that wait for stores: few, since they never compute for long.
const THREADS: usize = 2;

/// One environment's bell.
#[derive(Clone)]
pub struct Bell(Arc<Inner>);

struct Inner {
    ring: Ring,
    done: Mutex<Vec<String>>,
}

/// Makes the bell of an environment: `ring` is called, later, when something is [done](take).
#[napi(catch_unwind)]
pub fn bell(ring: Function<'_, (), ()>) -> Result<External<Bell>> {
    let ring = ring
        .build_threadsafe_function::<()>()
        .weak::<true>()
        .callee_handled::<false>()
        .build()?;
    let done = Mutex::new(Vec::new());
    Ok(External::new(Bell(Arc::new(Inner { ring, done }))))
}

/// Takes what was done since the last time: each the number that it was asked for by, a space, and the
/// outcome: `+` and the result, or `!` and the failure as JSON.
#[napi(catch_unwind)]
pub fn take(bell: &External<Bell>) -> Vec<String> {
    let mut done = bell.0.done.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *done)
}

impl Bell {
    fn tell(&self, done: String) {
        let mut all = self.0.done.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(done);
        // The call for the first result delivers the others as well.
        if all.len() == 1 {
            self.0
                .ring
                .call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

/// Says an outcome as one text: `+` and the result, or `!` and the failure as JSON.
fn spoken(outcome: Outcome) -> String {
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
    let runtime = runtime()?;
    let _entered = runtime.enter();
    let mut operation = Box::pin(operation);
    if let Poll::Ready(outcome) = operation
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        return Ok(Some(spoken(outcome)));
    }
    let mut answer = Answer {
        bell: bell.clone(),
        number,
        outcome: Err(Failure::panicked()),
    };
    // It is asked again at once, by a thread that can be woken.
    runtime.spawn(async move { answer.is(operation.await) });
    Ok(None)
}

/// The reply to JavaScript, which is sent even if the operation panicked.
struct Answer {
    bell: Bell,
    number: u32,
    outcome: Outcome,
}

impl Answer {
    fn is(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Ok(String::new()));
        self.bell
            .tell(format!("{} {}", self.number, spoken(outcome)));
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
