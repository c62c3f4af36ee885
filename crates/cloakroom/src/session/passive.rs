//! Requests that are no use of the session: they read it, and may change it, and it ends when it would have.

use super::Session;

impl Session {
    /// Leaves the session's expiry where it is: this request is no use of it, as a poll, a countdown or a
    /// stream of events is none, which would otherwise keep a visitor signed in who has left the desk.
    ///
    /// What is changed is stored, and the session ends when it would have ended without. Neither is its
    /// cookie sent again, nor its id renewed. A session that begins or gets another id in this request has
    /// its time-outs in full; [`touch`](Self::touch), and attributes set by
    /// [`cookie_mut`](Self::cookie_mut), count all the same. A change costs one read more, so that the
    /// expiry is the one that is stored by then.
    ///
    /// For a route: `web::KeepExpiry`.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// async fn seconds_left(session: Session) -> String {
    ///     session.keep_expiry();
    ///     let left = session.expires().duration_since(std::time::SystemTime::now());
    ///     left.unwrap_or_default().as_secs().to_string()
    /// }
    /// ```
    #[doc(alias = "without touch")]
    pub fn keep_expiry(&self) {
        if !self.is_untouched() {
            self.lock(|held| held.is_passive = true);
        }
    }
}
