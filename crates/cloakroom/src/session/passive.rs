//! Passive requests: they read the session, and may change it, and do not prolong it.

use super::Session;

impl Session {
    /// Leaves the session's expiry unchanged: this request does not count as use of it. For a poll, a
    /// countdown or an event stream, which would otherwise keep a user signed in who has left the desk.
    ///
    /// Changes are stored, and the session expires when it would have expired without. Neither is its cookie
    /// sent again, nor its id renewed. A session that begins or gets another id in this request has its
    /// time-outs in full; [`touch`](Self::touch), and attributes set by [`cookie_mut`](Self::cookie_mut),
    /// count all the same. A change costs one more read, so that the expiry is the stored one.
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
            self.lock(|held| held.progress.is_passive = true);
        }
    }
}
