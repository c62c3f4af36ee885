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
//!     let keys = KeyRing::from_env("SESSION_SECRET")?;
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
//! # Features
//!
//! Without any, the core has no framework and no database.
//!
//! | feature | adds |
//! |---|---|
//! | `axum`, `memory` | on by default: the layer with its extractors, the store for one process |
//! | `actix`, `tower` | actix-web's middleware; the layer for any tower service |
//! | `sqlite`, `redis`, `postgres`, `mongodb` | a store each |
//! | `near` | a cache in front of a store, which is notified of logouts |
//! | `ws`, `socketio` | connections that end with their session |
//! | `attempts` | logins bounded by account and by address |
//! | `metrics` | counters of what happens to sessions |
//! | `testing`, `conformance` | tools for tests of applications, and of stores |
//!
//! # The manual
//!
//! | for | page |
//! |---|---|
//! | a first login | [`manual::quick_start`], [`manual::recipes`], [`manual::examples`] |
//! | users, roles, rejections | `manual::logins`, `manual::guards`, [`manual::errors`] |
//! | tests of an application | `manual::testing` |
//! | a store | `manual::choosing_a_store`, `manual::caching`, `manual::durability`, `manual::writing_a_store` |
//! | open connections | `manual::websockets` |
//! | Express | [`manual::from_express`], [`manual::deviations`] |
//! | tower-sessions, axum-login, actix-session | [`manual::coming_from`] |
//! | deployment | [`manual::production`], [`manual::operations`], [`observe`], [`manual::command`], [`manual::faults`], [`manual::sizing`] |
//! | applications in other languages | [`manual::gate`], [`manual::sessions_or_jwt`] |
//! | what holds | [`manual::guarantees`], [`manual::concurrency_model`], [`manual::lifecycle`], [`manual::defaults`], `manual::security` |

pub mod auth;
pub mod clock;
pub mod cookie;
mod coordinator;
pub mod id;
mod lifecycle;
pub mod manager;
pub mod manual;
pub mod observe;
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

#[cfg(feature = "attempts")]
pub use auth::Attempts;
pub use auth::{Accounts, Require};
pub use clock::{Clock, ManualClock, SkewedClock, Timestamp};
pub use cookie::KeyRing;
pub use id::SessionId;
pub use manager::Manager;
pub use policy::{Policy, SameSite, Secure};
pub use session::{Session, SessionError, Typed};
pub use store::AnyStore;
#[cfg(feature = "memory")]
pub use store::memory::MemoryStore;
#[cfg(feature = "mongodb")]
pub use store::mongodb::MongoStore;
#[cfg(feature = "postgres")]
pub use store::postgres::PostgresStore;
#[cfg(feature = "redis")]
pub use store::redis::RedisStore;
#[cfg(feature = "sqlite")]
pub use store::sqlite::SqliteStore;
#[cfg(any(feature = "tower", feature = "actix"))]
pub use web::Guard;
#[cfg(feature = "tower")]
pub use web::SessionLayer;
#[cfg(any(feature = "axum", feature = "actix"))]
pub use web::{Csrf, CurrentUser, LoggedIn};

/// The names that an application with a login needs: `use cloakroom::prelude::*;`.
pub mod prelude {
    #[cfg(feature = "attempts")]
    pub use crate::auth::Attempts;
    pub use crate::auth::{Accounts, Require, safe_redirect_path};
    #[cfg(feature = "tower")]
    pub use crate::web::SessionLayer;
    #[cfg(feature = "actix")]
    pub use crate::web::actix::SessionMiddleware;
    #[cfg(any(feature = "axum", feature = "actix"))]
    pub use crate::web::{Csrf, CurrentUser, LoggedIn};
    #[cfg(any(feature = "tower", feature = "actix"))]
    pub use crate::web::{Guard, KeepExpiry};
    pub use crate::{AnyStore, KeyRing, Manager, Policy, SameSite, Secure};
    pub use crate::{Session, SessionError, Typed};
}
