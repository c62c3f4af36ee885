//! The sessions of one middleware on a store by URL: the library's manager.

use cloakroom::Manager;
use napi::bindgen_prelude::External;
use napi::{Error, Result, Status};
use napi_derive::napi;

use crate::bell::{Bell, run};
use crate::layer::Layer;
use crate::place::Place;
use crate::policy::policy;

/// One middleware's sessions.
pub struct Keep {
    pub(crate) manager: Manager,
    /// Tells whether an operation of the store has to be waited for.
    pub(crate) is_remote: bool,
}

/// Joins a middleware's wire and options with a store that is connected.
#[napi(catch_unwind)]
pub fn keep(
    place: &External<Place>,
    layer: &External<Layer>,
    options: String,
) -> Result<External<Keep>> {
    let store = place
        .store()
        .map_err(|failure| Error::new(Status::GenericFailure, failure.to_json()))?;
    let policy = policy(layer.name.as_str(), &layer.keys, &options)?;
    let manager = Manager::with_clock(policy, store.clone().into(), cloakroom::Clock::System);
    let is_remote = place.is_remote();
    Ok(External::new(Keep { manager, is_remote }))
}

/// Ends all sessions of a user, on every server; answers how many.
#[napi(catch_unwind)]
pub fn end_sessions_of(
    keep: &External<Keep>,
    bell: &External<Bell>,
    number: u32,
    user: String,
) -> Result<Option<String>> {
    let manager = keep.manager.clone();
    run(bell, number, async move {
        let ended = manager.end_sessions_of(&user, None).await?;
        Ok(ended.to_string())
    })
}
