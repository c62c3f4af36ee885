//! Errors of operations on a session.

use std::error::Error;
use std::panic::resume_unwind;
use std::time::Duration;

use crate::lifecycle::EditError;
use crate::record::ValueError;
use crate::store::StoreError;

use super::SaveError;

/// The error of an operation on a session. Its text holds no id and no data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// This request has destroyed or unset the session; `reset` begins another.
    #[error("this request has ended its session")]
    Ended,
    /// The session was ended elsewhere, or expired, while this request ran; or the request came by an id that
    /// a login or a logout has closed: see [`manual::lifecycle`](crate::manual::lifecycle).
    #[error("the session ended while this request ran")]
    Gone,
    /// The head of the response has been sent, and this needs a cookie in it: do it before the handler
    /// returns.
    #[error(
        "the head of the response has been sent: a session begins, changes its id or changes hands before"
    )]
    HeadersSent,
    /// The store has no record of it: it is new.
    #[error("failed to load session")]
    NotStored,
    /// Other requests changed the record each time it was about to be written: try again.
    #[error("the session was changed by others too often to be saved")]
    Conflict,
    /// It would be larger than the policy's `record_limit`: keep the data elsewhere.
    #[error("the session is too large to be stored")]
    TooLarge,
    /// The policy's `id_generator` returns ids that its `id_grammar` refuses, or that make a cookie which
    /// browsers drop: the session is not stored.
    #[error("the application's id generator returns ids that no request could bring back")]
    UnusableId,
    /// Express's `Session` object has a member of this name, so that Node would drop the key when
    /// it loads the record; or it is `cookie` or `_ck`, which the record keeps for itself.
    #[error("`{0}` cannot be a session key: Express's Session object or the record itself has it")]
    ReservedKey(String),
    /// The policy's `max_sessions` refuses another login of this user: end one of the others.
    #[error("the user has as many sessions as the policy allows: end another one first")]
    TooManySessions,
    /// Too many attempts at an account, or from an address: 429.
    #[error("too many attempts: try again in {} seconds", .retry_after.as_secs().max(1))]
    TooManyAttempts {
        /// Time until another attempt is allowed.
        retry_after: Duration,
    },
    /// The policy has no "remember me": allow it by
    /// [`remember_at_most`](crate::policy::PolicyBuilder::remember_at_most).
    #[error("the policy has no \"remember me\": allow it by `remember_at_most`")]
    RemembersNobody,
    /// The request has no session: no session layer covers its route, or its path. See
    /// `web::SessionRejection`.
    #[error("no session layer covers this request: {0}")]
    NotCovered(&'static str),
    /// No user is signed in: 401.
    #[error("nobody is signed in: call `login` first")]
    NotSignedIn,
    /// The application's accounts could not be loaded: 503.
    #[error("the user's account could not be loaded")]
    Accounts(#[source] Box<dyn Error + Send + Sync>),
    /// The value of a key is of another type, or JSON cannot express it.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The store failed.
    #[error("the session store failed")]
    Store(#[from] StoreError),
}

impl From<SaveError> for SessionError {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::Gone | SaveError::Closed => Self::Gone,
            SaveError::Conflict | SaveError::Edit(EditError::Stale) => Self::Conflict,
            SaveError::Id => Self::UnusableId,
            SaveError::Store(error) => Self::Store(error),
            SaveError::Edit(EditError::TooLarge) => Self::TooLarge,
            SaveError::Edit(EditError::Value(error)) => Self::Value(error),
            // The panic continues in the request that brought the function.
            SaveError::Edit(EditError::Panicked(panic)) => resume_unwind(panic),
        }
    }
}
