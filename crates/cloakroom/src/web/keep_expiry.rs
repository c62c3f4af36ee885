//! Routes whose requests do not count as use of a session.

/// Leaves the expiry of sessions unchanged for the routes inside it: a poll, a countdown, an event stream.
/// See [`Session::keep_expiry`](crate::Session::keep_expiry).
///
/// Add it inside the session layer; it applies to the session of the innermost one.
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
    /// Creates the layer, or middleware.
    pub fn new() -> Self {
        Self(())
    }
}
