//! An operators' console: pages on which an operator sees who is signed in, and ends it.
//!
//! Mounted in an axum application, its operators are whom the application's own sessions say:
//!
//! ```
//! use axum::Router;
//! use cloakroom::{Manager, Require, SessionLayer};
//! use cloakroom_console::{Console, SessionEvents, SessionRoles};
//!
//! fn app(manager: Manager, events: SessionEvents) -> Router {
//!     let operators = SessionRoles::new(Require::role("operator")).end(Require::role("admin"));
//!     let console = Console::of(&manager, operators).at("/console").events(events).build();
//!     Router::new()
//!         .nest("/console", cloakroom_console::router(console))
//!         .layer(SessionLayer::new(manager))
//! }
//! ```
//!
//! `cloakroom console` runs it beside any store. The pages need no script but for "live"; no id is ever shown, sessions
//! have handles.

mod access;
mod acts;
mod assets;
mod chart;
mod console;
mod counting;
mod entry;
mod events;
mod histogram;
mod inventory;
mod mask;
mod minutes;
mod operator;
mod pages;
mod query;
mod routes;
mod tally;

pub use acts::ActLog;
pub use console::{Console, ConsoleBuilder};
pub use entry::Entry;
pub use events::SessionEvents;
pub use operator::{Operator, OperatorFuture, Operators, Right, Rights, SessionRoles};
pub use routes::router;
