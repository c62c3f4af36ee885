//! The figures as they change, by server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::Event;
use futures_util::stream::{Stream, unfold};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::Shared;
use crate::pages::words::number;

/// Time between two looks at the figures.
const LOOK: Duration = Duration::from_secs(1);
/// Time after which the connection ends, and the browser opens another: its operator is asked for again.
const LIFE: Duration = Duration::from_secs(30);

/// A connection.
struct Watch {
    console: Shared,
    acts: watch::Receiver<u64>,
    until: Instant,
    said: Option<Value>,
}

/// `GET /live`: `state` with the figures and the revision of the pages, at first and after each change.
pub(super) async fn events(
    State(console): State<Shared>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let watch = Watch {
        acts: console.acts.written(),
        until: Instant::now() + LIFE,
        said: None,
        console,
    };
    Sse::new(unfold(watch, next))
}

async fn next(mut watch: Watch) -> Option<(Result<Event, Infallible>, Watch)> {
    loop {
        watch.console.looked_at();
        let state = state(&watch);
        if watch.said.as_ref() != Some(&state) {
            let event = Event::default()
                .event("state")
                .retry(LOOK)
                .data(state.to_string());
            watch.said = Some(state);
            return Some((Ok(event), watch));
        }
        tokio::select! {
            _ = timeout(LOOK, watch.acts.changed()) => {}
            () = sleep_until(watch.until) => return None,
        }
    }
}

fn state(watch: &Watch) -> Value {
    let inventory = &watch.console.inventory;
    let live = inventory.live().map(|live| number(live.value));
    json!({ "figures": { "live": live, "seen": number(inventory.seen()) }, "revision": watch.console.revision() })
}
