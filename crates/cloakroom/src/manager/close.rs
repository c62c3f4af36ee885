//! The end of a request: the session is stored before the response's first byte leaves.

use std::sync::atomic::{AtomicU8, Ordering};

use super::Manager;
use crate::clock::Timestamp;
use crate::cookie::{Life, SetCookieError, clear_cookie, format_cookie, reissue_cookie};
use crate::lifecycle::{self, CookieOp, Plan, Rotation, SessionState, StoreOp};
use crate::observe::EndCause;
use crate::policy::{CookieLife, Insecurity, OnStoreError, RequestInfo};
use crate::session::{SaveError, Session, SessionError};

/// The fields that the response must carry for the session.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ResponseEffects {
    /// The Set-Cookie field to add, if any.
    pub set_cookie: Option<String>,
    /// `true` for the response to a client without a session whose handler asked only whether there is one: it
    /// may be cached for other clients without, and need not be private.
    pub is_anonymous: bool,
    /// The value of `Clear-Site-Data`, if it is to be sent.
    pub clear_site_data: Option<String>,
}

impl std::fmt::Debug for ResponseEffects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseEffects")
            .field("sends_cookie", &self.set_cookie.is_some())
            .field("is_anonymous", &self.is_anonymous)
            .field("clear_site_data", &self.clear_site_data)
            .finish()
    }
}

/// The remaining step at the end of a request.
pub(crate) enum CloseStep {
    Done(ResponseEffects),
    ToStore(Plan),
}

/// The session could not be stored, so that the response must not be sent as if it was.
#[derive(Debug, thiserror::Error)]
#[error("the session could not be saved")]
pub struct CloseError(#[source] SessionError);

impl CloseError {
    /// Returns `true` if the request came too late: by an id that a login or a logout has closed since. 409.
    pub fn is_late(&self) -> bool {
        matches!(self.0, SessionError::Gone)
    }

    /// Returns `true` if a retry may help: 503, otherwise 500.
    pub fn is_temporary(&self) -> bool {
        matches!(self.0, SessionError::Store(_) | SessionError::Conflict)
    }

    /// Returns the text for the client, without the session's data.
    pub fn answer(&self) -> &'static str {
        match self.0 {
            SessionError::Store(_) => {
                "the session could not be saved: the session store is unavailable"
            }
            SessionError::Conflict => {
                "the session could not be saved: others changed it at the same time"
            }
            SessionError::TooLarge => "the session could not be saved: it is too large",
            SessionError::Gone => {
                "nothing was saved: the session that this request belongs to has ended meanwhile"
            }
            _ => "the session could not be saved",
        }
    }
}

impl Manager {
    /// Stores the changes of a request to its session, and returns the fields that its response must carry.
    ///
    /// # Errors
    ///
    /// [`CloseError`] where the store failed: the response must be an error, because its client would take
    /// the session for saved.
    pub async fn close(&self, session: &Session) -> Result<ResponseEffects, CloseError> {
        match self.plan(session) {
            CloseStep::Done(closing) => Ok(closing),
            CloseStep::ToStore(plan) => self.execute(plan, session).await,
        }
    }

    /// Returns what [`close`](Self::close) does where that needs no store, else what carries it out: for a binding
    /// that has another thread for that.
    ///
    /// # Errors
    ///
    /// The rest of it, which has begun nothing yet.
    #[doc(hidden)]
    #[expect(
        clippy::result_large_err,
        reason = "the rest is a future, which its caller moves to where it runs"
    )]
    pub fn close_or_wait(
        &self,
        session: Session,
    ) -> Result<
        ResponseEffects,
        impl Future<Output = Result<ResponseEffects, CloseError>> + Send + 'static,
    > {
        match self.plan(&session) {
            CloseStep::Done(closing) => Ok(closing),
            CloseStep::ToStore(plan) => {
                let manager = self.clone();
                Err(async move { manager.execute(plan, &session).await })
            }
        }
    }

    /// Decides the remaining step, and carries it out where that needs no store.
    pub(crate) fn plan(&self, session: &Session) -> CloseStep {
        session.head_is_sent();
        if session.is_untouched() && !self.policy().settings().save_uninitialized {
            return CloseStep::Done(ResponseEffects {
                is_anonymous: session.has_no_ticket(),
                ..ResponseEffects::default()
            });
        }
        let now = self.0.now();
        if session.lock(|held| lifecycle::needs_id_rotation(self.policy(), held, now)) {
            let id = self.policy().draw_id(session.request());
            session.lock(|held| held.change_id(id, Rotation::Renewal, now));
        }
        session.settle_predecessor(now);
        let plan = session.lock(|held| lifecycle::close(self.policy(), held, now));
        if self.would_be_lost(plan, session) {
            warn_of_withheld_cookie(session.request().insecurity);
            return CloseStep::Done(ResponseEffects::default());
        }
        match plan.store {
            StoreOp::Nothing => CloseStep::Done(self.cookie(plan, session)),
            _ => CloseStep::ToStore(plan),
        }
    }

    /// Returns `true` for a session that begins now and that no client can ever return to, because its cookie
    /// may not be sent. Express stores it on each request, and so does a policy with Express's rules.
    fn would_be_lost(&self, plan: Plan, session: &Session) -> bool {
        let is_withheld =
            |held: &SessionState| held.cookie.value.secure().is_truthy() && !held.progress.saved;
        plan.store == StoreOp::Create
            && plan.cookie == CookieOp::Send
            && self.policy().settings().cookie_life == CookieLife::Session
            && !session.request().is_secure
            && session.lock(|held| is_withheld(held))
    }

    /// Carries out the step that [`plan`](Self::plan) returned.
    pub(crate) async fn execute(
        &self,
        plan: Plan,
        session: &Session,
    ) -> Result<ResponseEffects, CloseError> {
        match self.carry_out(plan, session).await {
            Ok(()) => Ok(self.cookie(plan, session)),
            Err(SaveError::Gone | SaveError::Closed) if plan.store != StoreOp::Refuse => {
                // It ended elsewhere while this request ran. The cookie is left alone: by now the client may
                // have been given another.
                tracing::debug!("the session ended while a request ran; its changes are dropped");
                Ok(ResponseEffects::default())
            }
            Err(error) => self.on_save_error(error, plan),
        }
    }

    async fn carry_out(&self, plan: Plan, session: &Session) -> Result<(), SaveError> {
        match plan.store {
            StoreOp::Nothing => Ok(()),
            StoreOp::Refuse => {
                session.tell_refused_save();
                Err(SaveError::Closed)
            }
            StoreOp::Create | StoreOp::Update | StoreOp::Replace => session.write(plan.now).await,
            StoreOp::Touch => session.touch_now(plan.now).await,
            StoreOp::Destroy => {
                let before = session.subject_if_observed();
                let ids = session.lock(|held| held.to_end());
                if self.0.end_all(&ids, EndCause::Logout).await? {
                    session.tell_ended(before, EndCause::Logout);
                }
                Ok(())
            }
        }
    }

    fn on_save_error(&self, error: SaveError, plan: Plan) -> Result<ResponseEffects, CloseError> {
        let error = SessionError::from(error);
        let anonymous = self.policy().settings().on_store_error == OnStoreError::Anonymous;
        // A client that asked for the end of a session must not take it for ended.
        let may_pass = anonymous && plan.store != StoreOp::Destroy;
        if plan.store == StoreOp::Touch || (may_pass && matches!(error, SessionError::Store(_))) {
            // A touch that failed loses no data; the session just ends a little sooner.
            tracing::warn!(
                ?error,
                "a session could not be saved; the response goes out without it"
            );
            return Ok(ResponseEffects::default());
        }
        if matches!(&error, SessionError::Store(error) if error.is_outage()) {
            // The outage was told of when it began.
            tracing::debug!(
                ?error,
                "a session could not be saved; the response becomes an error"
            );
        } else if matches!(error, SessionError::Gone) {
            tracing::debug!("a request came by an id that was closed; what it changed is refused");
        } else if !matches!(error, SessionError::UnusableId) {
            tracing::error!(
                ?error,
                "a session could not be saved; the response becomes an error"
            );
        }
        Err(CloseError(error))
    }

    fn cookie(&self, plan: Plan, session: &Session) -> ResponseEffects {
        // While it was stored, another request may have changed the id, whose response brings the cookie.
        let is_late = || session.lock(|held| lifecycle::is_late(self.policy(), held));
        if plan.cookie == CookieOp::Keep || is_late() {
            return ResponseEffects::default();
        }
        let field = session.lock(|held| self.field(plan, held, session.request()));
        let is_cleared = plan.cookie == CookieOp::Clear && field.is_some();
        let site_data = &self.policy().settings().clear_site_data;
        ResponseEffects {
            clear_site_data: site_data.clone().filter(|_| is_cleared),
            set_cookie: field,
            is_anonymous: false,
        }
    }

    fn field(&self, plan: Plan, held: &mut SessionState, request: &RequestInfo) -> Option<String> {
        let policy = self.policy().settings();
        if held.cookie.value.secure().is_truthy() && !request.is_secure {
            warn_of_withheld_cookie(request.insecurity);
            return None;
        }
        let field = if plan.cookie == CookieOp::Clear {
            clear_cookie(&policy.name, &held.cookie.value)
        } else {
            let deadline = held.deadline();
            held.cookie.value.touch(plan.now);
            held.cookie.value.cap_expiry(deadline);
            self.life(held, plan.now)
                .and_then(|life| self.give(held, life))
        };
        field.inspect_err(|error| warn_of_unsayable(*error)).ok()
    }

    /// Formats the Set-Cookie field that gives a client the session's id.
    fn give(&self, held: &SessionState, life: Life) -> Result<String, SetCookieError> {
        let policy = self.policy().settings();
        // Another task may have set another id meanwhile, which is not stored any more.
        let id = held.identity.stored.as_ref().unwrap_or(&held.identity.id);
        match held
            .identity
            .ticket
            .as_ref()
            .filter(|ticket| ticket.id == *id)
        {
            Some(ticket) => {
                reissue_cookie(&policy.name, ticket, &policy.keys, life, &held.cookie.value)
            }
            None => format_cookie(&policy.name, id, &policy.keys, life, &held.cookie.value),
        }
    }

    /// Returns the lifetime of the cookie at the user agent.
    fn life(&self, held: &SessionState, now: Timestamp) -> Result<Life, SetCookieError> {
        let expires = lifecycle::cookie_expires(self.policy(), held);
        let expires = expires.map_err(|()| SetCookieError::Expires)?;
        let says_max_age = self.policy().settings().cookie_life == CookieLife::Session;
        let seconds = |expires: Timestamp| expires.since(now).as_millis().div_ceil(1000);
        let max_age = expires.filter(|_| says_max_age).map(seconds);
        Ok(Life {
            expires,
            max_age: max_age.and_then(|seconds| u64::try_from(seconds).ok()),
        })
    }
}

fn warn_of_unsayable(error: SetCookieError) {
    tracing::error!(%error, "a session's cookie cannot be sent");
}

/// Logs once for each cause the reason for most reports of "a new session on every request".
fn warn_of_withheld_cookie(cause: Option<Insecurity>) {
    static SAID: AtomicU8 = AtomicU8::new(0);
    let cause = cause.unwrap_or(Insecurity::NoTrustedProxy);
    let bit = 1 << cause as u8;
    if SAID.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
        tracing::warn!(
            "a Secure cookie was withheld because the request did not come over TLS: {}",
            cause.advice()
        );
    }
}
