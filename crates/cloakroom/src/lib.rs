//! Server-side sessions for Rust web services, sharing one session with Express.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use cloakroom::{
//!     KeyRing, Manager, MemoryStore, Policy, Secure, Session, SessionError, SessionLayer,
//! };
//!
//! async fn visit(session: Session) -> Result<String, SessionError> {
//!     let next = |n: Option<u32>| n.unwrap_or(0) + 1;
//!     let n = session.update("n", next).await?;
//!     Ok(format!("visit {n}\n"))
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // At least 32 bytes, as `openssl rand -base64 48` prints them.
//!     let keys = KeyRing::new(std::env::var("SESSION_SECRET")?)?;
//!     // `Auto` is for plain HTTP on your own machine: without it the cookie goes over TLS only.
//!     let policy = Policy::builder(keys).secure(Secure::Auto).build()?;
//!     let manager = Manager::new(policy, MemoryStore::new());
//!
//!     let app = Router::new()
//!         .route("/", get(visit))
//!         .layer(SessionLayer::new(manager));
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     axum::serve(listener, app).await?;
//!     Ok(())
//! }
//! ```
//!
//! Features: `axum` and `memory` (on), `actix`, `tower`, `ws`, `socketio`, `attempts`, `sqlite`,
//! `redis`, `postgres`, `mongodb`, `near`, `conformance`, `testing`. Without any, the core has no framework and no
//! database.
//!
//! To begin: [`manual::start`]; messages, jobs, polls: [`manual::recipes`]; users, roles, rejections:
//! `manual::guards`; the guarantees, each with its test: [`manual::guarantees`]; ids that change, late
//! requests, and cookie lifetimes: [`manual::lifecycle`]; the choice of a store: `manual::stores`; the
//! durability of a logout: `manual::durability`; logins, devices and guessing: `manual::logins`; coming from
//! Express: [`manual::from_express`]; the differences: [`manual::deviations`]; the defaults, and their
//! reasons: [`manual::defaults`]; attacks and the defences: `manual::attacks`; every error, with its remedy:
//! [`manual::errors`]; connections that outlive a request: `manual::live`; a cache in front of the store:
//! `manual::near`; behaviour under faults: [`manual::faults`]; the needs of ten million sessions, and of a
//! thousand million: [`manual::sizing`].

pub mod auth;
pub mod clock;
pub mod cookie;
mod coordinator;
pub mod id;
mod lifecycle;
pub mod manager;
pub mod manual;
pub mod policy;
pub mod record;
pub mod session;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod util;
#[cfg(test)]
#[cfg(feature = "memory")]
mod vectors;
pub mod watch;
#[cfg(any(feature = "tower", feature = "actix"))]
pub mod web;

pub use clock::{Clock, ManualClock, SkewedClock, Timestamp};
pub use cookie::KeyRing;
pub use id::SessionId;
pub use manager::Manager;
pub use policy::{Policy, SameSite, Secure};
pub use session::{Session, SessionError, Typed};
#[cfg(feature = "memory")]
pub use store::memory::MemoryStore;
#[cfg(feature = "tower")]
pub use web::SessionLayer;
