//! Routes whose requests are no use of a session.

/// Leaves the expiry of sessions where it is, for the routes that it stands around: a poll, a countdown, a
/// stream of events. See [`Session::keep_expiry`](crate::Session::keep_expiry).
///
/// It stands inside the session layer, and is about the session of the innermost one.
///
/// ```
/// use axum::{Router, routing::get};
/// use cloakroom::web::KeepExpiry;
///
/// let polls: Router = Router::new()
///     .route("/unread", get(async || "0"))
///     .route_layer(KeepExpiry::new());
/// ```
///
/// With actix-web it is a middleware: `web::resource("/unread").wrap(KeepExpiry::new())`.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct KeepExpiry(());

impl KeepExpiry {
    /// Makes the layer, or middleware.
    pub fn new() -> Self {
        Self(())
    }
}
