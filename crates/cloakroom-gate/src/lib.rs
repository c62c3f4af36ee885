//! Sessions at the edge: a gate before web applications in any language.
//!
//! The gate looks a request's session up once, decides by [`Rules`], and tells the application behind it who is
//! signed in: by `X-Session-User`, `X-Session-Roles`, and a token of a minute in `X-Session-Jwt`. It has no
//! login of its own: people sign in at the application. It runs before the application ([`Gate::proxy`]), or
//! is asked by another proxy ([`Gate::verify`]).
//!
//! Decisions are functions of values ([`JudgedPath`], [`Rules`], [`Decision`]), tested by tables.

mod client;
mod cut;
mod denial;
mod fields;
mod gate;
mod identity;
mod jwks;
mod keys;
mod path;
mod proxy;
mod refusal;
mod rules;
mod socket;
mod target;
mod token;
mod verify;

pub use denial::Decision;
pub use fields::{RESERVED_FIELDS, RESERVED_PREFIXES};
pub use gate::{Gate, GateOptions};
pub use keys::{Keys, KeysError, Rotation};
pub use path::{JudgedPath, PathFault};
pub use proxy::Upstream;
pub use rules::{Matched, Rule, Rules, RulesError, Ruling};
