//! Pages to read: no code.

#[doc = include_str!("manual/quick_start.md")]
pub mod quick_start {}

#[doc = include_str!("manual/recipes.md")]
pub mod recipes {}

#[cfg(feature = "axum")]
#[doc = include_str!("manual/guards.md")]
pub mod guards {}

#[cfg(feature = "testing")]
#[doc = include_str!("manual/testing.md")]
pub mod testing {}

#[doc = include_str!("manual/production.md")]
pub mod production {}

#[doc = include_str!("manual/coming_from.md")]
pub mod coming_from {}

#[doc = include_str!("manual/lifecycle.md")]
pub mod lifecycle {}

#[doc = include_str!("manual/concurrency_model.md")]
pub mod concurrency_model {}

#[cfg(feature = "conformance")]
#[doc = include_str!("manual/writing_a_store.md")]
///
/// ```
#[doc = include_str!("manual/map_store.rs")]
/// ```
///
#[doc = include_str!("manual/writing_a_store_rules.md")]
pub mod writing_a_store {}

#[doc = include_str!("manual/guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("manual/examples.md")]
pub mod examples {}

#[doc = include_str!("manual/from_express.md")]
///
/// # Both sides, whole
///
/// One Redis, one secret, and whoever signs in at either is signed in at the other; so it is with logouts. In Express:
///
/// ```js
#[doc = include_str!("../examples/beside_express/express.mjs")]
/// ```
///
/// In Rust:
///
/// ```text
#[doc = include_str!("../examples/beside_express/main.rs")]
/// ```
pub mod from_express {}

#[doc = include_str!("manual/defaults.md")]
pub mod defaults {}

#[doc = include_str!("manual/errors.md")]
pub mod errors {}

#[cfg(feature = "attempts")]
#[doc = include_str!("manual/logins.md")]
pub mod logins {}

#[cfg(all(feature = "axum", feature = "attempts"))]
#[doc = include_str!("manual/security.md")]
pub mod security {}

#[doc = include_str!("manual/deviations.md")]
pub mod deviations {}

#[cfg(all(feature = "redis", feature = "postgres", feature = "mongodb"))]
#[doc = include_str!("manual/choosing_a_store.md")]
pub mod choosing_a_store {}

#[cfg(all(feature = "redis", feature = "postgres", feature = "mongodb"))]
#[doc = include_str!("manual/durability.md")]
pub mod durability {}

#[cfg(all(feature = "ws", feature = "socketio", feature = "postgres"))]
#[doc = include_str!("manual/websockets.md")]
pub mod websockets {}

#[cfg(all(
    feature = "near",
    feature = "redis",
    feature = "postgres",
    feature = "mongodb"
))]
#[doc = include_str!("manual/caching.md")]
pub mod caching {}

#[doc = include_str!("manual/operations.md")]
pub mod operations {}

#[cfg(feature = "inspect")]
#[doc = include_str!("manual/doctor.md")]
pub mod doctor {}

#[cfg(feature = "inspect")]
#[doc = include_str!("manual/sessions_command.md")]
pub mod sessions_command {}

#[cfg(feature = "inspect")]
#[doc = include_str!("manual/console.md")]
pub mod console {}

#[doc = include_str!("manual/migrate.md")]
pub mod migrate {}

#[doc = include_str!("manual/command.md")]
pub mod command {}

#[doc = include_str!("manual/gate.md")]
pub mod gate {}

#[doc = include_str!("manual/sessions_or_jwt.md")]
pub mod sessions_or_jwt {}

#[doc = include_str!("manual/faults.md")]
pub mod faults {}

#[doc = include_str!("manual/sizing.md")]
pub mod sizing {}
