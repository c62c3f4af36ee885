//! Pages to read: no code.

#[doc = include_str!("manual/start.md")]
pub mod start {}

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

#[doc = include_str!("manual/guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("manual/examples.md")]
pub mod examples {}

#[doc = include_str!("manual/from_express.md")]
pub mod from_express {}

#[doc = include_str!("manual/defaults.md")]
pub mod defaults {}

#[doc = include_str!("manual/errors.md")]
pub mod errors {}

#[cfg(feature = "attempts")]
#[doc = include_str!("manual/logins.md")]
pub mod logins {}

#[cfg(all(feature = "axum", feature = "attempts"))]
#[doc = include_str!("manual/attacks.md")]
pub mod attacks {}

#[doc = include_str!("manual/deviations.md")]
pub mod deviations {}

#[cfg(all(feature = "redis", feature = "postgres", feature = "mongodb"))]
#[doc = include_str!("manual/stores.md")]
pub mod stores {}

#[cfg(all(feature = "redis", feature = "postgres", feature = "mongodb"))]
#[doc = include_str!("manual/durability.md")]
pub mod durability {}

#[cfg(all(feature = "ws", feature = "socketio", feature = "postgres"))]
#[doc = include_str!("manual/live.md")]
pub mod live {}

#[cfg(all(
    feature = "near",
    feature = "redis",
    feature = "postgres",
    feature = "mongodb"
))]
#[doc = include_str!("manual/near.md")]
pub mod near {}

#[doc = include_str!("manual/operations.md")]
pub mod operations {}

#[doc = include_str!("manual/faults.md")]
pub mod faults {}

#[doc = include_str!("manual/sizing.md")]
pub mod sizing {}
