//! Server-side sessions for Rust web services, sharing one session with Express.
//!
//! ```
//! use axum::{Router, routing::get};
//! use cloakroom::{KeyRing, Manager, MemoryStore, Policy, Secure, Session, SessionError, SessionLayer};
//!
//! async fn visit(session: Session) -> Result<String, SessionError> {
//!     let n = session.update("n", |n: Option<u32>| n.unwrap_or(0) + 1).await?;
//!     Ok(format!("visit {n}"))
//! }
//!
//! fn app(secret: &str) -> Result<Router, Box<dyn std::error::Error>> {
//!     // At least 32 bytes, as `openssl rand -base64 48` prints them.
//!     let keys = KeyRing::new(secret)?;
//!     // `Auto` is for plain HTTP on your own machine: without it the cookie goes over TLS only.
//!     let policy = Policy::builder(keys).secure(Secure::Auto).build()?;
//!     let manager = Manager::new(policy, MemoryStore::new());
//!     Ok(Router::new().route("/", get(visit)).layer(SessionLayer::new(manager)))
//! }
//! # use axum::body::{Body, to_bytes};
//! # use axum::http::{Request, header};
//! # use tower::ServiceExt as _;
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     // The page's own example counts, over plain HTTP.
//! #     let app = app("the secret of this page, which is long enough")?;
//! #     let mut cookie = String::new();
//! #     for n in 1..=3 {
//! #         let request = Request::get("/").header(header::COOKIE, &cookie);
//! #         let response = app.clone().oneshot(request.body(Body::empty())?).await?;
//! #         if let Some(field) = response.headers().get(header::SET_COOKIE) {
//! #             cookie = field.to_str()?.split(';').next().unwrap_or_default().to_owned();
//! #         }
//! #         let body = to_bytes(response.into_body(), 100).await?;
//! #         assert_eq!(body, format!("visit {n}"));
//! #     }
//! #     Ok(())
//! # }
//! ```
//!
//! Features: `axum` and `memory` (on), `actix`, `tower`, `ws`, `socketio`, `attempts`, `sqlite`,
//! `redis`, `postgres`, `mongodb`, `near`, `conformance`. Without any, the core has no framework and no
//! database.
//!
//! To begin: [`manual::start`]; ids that change, late requests, and how long cookies live:
//! [`manual::lifecycle`]; which store when: `manual::stores`; logins, devices and guessing:
//! `manual::logins`; coming from Express: [`manual::from_express`]; where we differ:
//! [`manual::deviations`]; what holds by default, and why: [`manual::defaults`]; which attacks are
//! answered: `manual::attacks`; every error, and what to do then: [`manual::errors`]; connections that
//! outlive a request: `manual::live`; a cache in front of the store: `manual::near`; what is seen when
//! things break: [`manual::faults`]; what ten million sessions need, and a thousand million:
//! [`manual::sizing`].

pub mod auth;
pub mod clock;
pub mod cookie;
mod engine;
pub mod id;
pub mod live;
pub mod manager;
pub mod manual;
mod places;
pub mod policy;
pub mod record;
pub mod session;
pub mod store;
#[cfg(test)]
#[cfg(feature = "memory")]
mod vectors;
#[cfg(any(feature = "tower", feature = "actix"))]
pub mod web;

pub use clock::{Clock, ManualClock, Timestamp};
pub use cookie::KeyRing;
pub use id::SessionId;
pub use manager::Manager;
pub use policy::{Policy, SameSite, Secure};
pub use session::{Session, SessionError, Typed};
#[cfg(feature = "memory")]
pub use store::memory::MemoryStore;
#[cfg(feature = "tower")]
pub use web::SessionLayer;
