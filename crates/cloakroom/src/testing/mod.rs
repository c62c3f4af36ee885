//! Tests of applications with sessions: a manager on a store in memory, a clock that a test advances, a
//! visitor who is signed in already, a store that fails on demand.
//!
//! With the feature `testing`, among the `dev-dependencies`:
//! `cloakroom = { version = "…", features = ["testing"] }`.
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use std::time::Duration;
//! use axum::{Router, routing::get};
//! use cloakroom::testing::TestSessions;
//! use cloakroom::web::LoggedIn;
//! use cloakroom::{Manager, SessionLayer};
//!
//! // As the application makes it.
//! fn app(manager: Manager) -> Router {
//!     let account = get(async |LoggedIn(user): LoggedIn| format!("hello {user}"));
//!     Router::new().route("/account", account).layer(SessionLayer::new(manager))
//! }
//!
//! let sessions = TestSessions::new();
//! let mut ada = sessions.client(app(sessions.manager())).signed_in("ada").await;
//! assert_eq!(ada.get("/account").await.body, "hello ada");
//! sessions.advance(Duration::from_mins(31));
//! assert_eq!(ada.get("/account").await.status, 401);
//! # }
//! # #[cfg(not(feature = "axum"))]
//! # fn main() {}
//! ```
//!
//! With actix-web, or any other client, a visitor is a [`Visitor`], and its cookies are a field:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # use cloakroom::testing::TestSessions;
//! let sessions = TestSessions::new();
//! let ada = sessions.signed_in("ada").await;
//! let cookie = ada.field().unwrap();
//! // actix_web::test::TestRequest::get().insert_header(("cookie", cookie))
//! # assert!(cookie.starts_with("connect.sid="));
//! # }
//! ```

pub mod browser;
mod sessions;
mod visitor;

pub use browser::Jar;
pub use sessions::TestSessions;
pub use visitor::Visitor;

pub use crate::clock::ManualClock;
pub use crate::store::conformance::FaultInjectingStore;
#[cfg(feature = "axum")]
pub use crate::web::{Client, ClientAnswer};
