//! Sessions at the edge: a gate before web applications in any language.
//!
//! The gate looks a request's session up once, decides by [`Rules`], and tells the application behind it who is
//! signed in. It has no login of its own: people sign in at the application.
//!
//! Decisions are functions of values ([`JudgedPath`], [`Rules`], [`Decision`]).

mod denial;
mod fields;
mod identity;
mod keys;
mod path;
mod rules;
mod socket;
mod target;
mod token;

pub use denial::Decision;
pub use keys::{Keys, KeysError, Rotation};
pub use path::{JudgedPath, PathFault};
pub use rules::{Matched, Rule, Rules, RulesError, Ruling};
