//! Pages and refusals as responses.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cloakroom::store::StoreError;
use maud::Markup;

/// A refusal or a failure; the guard writes the page around it.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) title: &'static str,
    pub(super) sentence: String,
}

pub(super) type Answer = Result<Markup, Failure>;

impl Failure {
    pub(super) fn new(
        status: StatusCode,
        title: &'static str,
        sentence: impl Into<String>,
    ) -> Self {
        Self {
            status,
            title,
            sentence: sentence.into(),
        }
    }

    pub(super) fn forbidden(sentence: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Not allowed", sentence)
    }

    /// Builds the failure of a session that is not there, or is not whose it was said to be.
    pub(super) fn gone() -> Self {
        let sentence = "It has ended, its user is another one now, or this is no handle of it. Nothing was changed.";
        Self::new(StatusCode::NOT_FOUND, "No such session", sentence)
    }

    /// Builds the failure of an ending after which sessions are there again.
    pub(super) fn back(left: u64) -> Self {
        let sentence = format!(
            "{left} of them are there again: another program writes them back. Set mixed_fleet, or stop it, and end them again."
        );
        Self::new(StatusCode::CONFLICT, "Ended, and written back", sentence)
    }

    pub(super) fn unrecorded(error: &std::io::Error, was_done: bool) -> Self {
        tracing::error!(%error, "an operator's act cannot be recorded");
        let sentence = if was_done {
            "The sessions were ended, but the act could not be written to the audit file. Nothing else should be done before it can."
        } else {
            "It cannot be written to the audit file, and so it was not done."
        };
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Not recorded", sentence)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the console cannot read the store");
        let sentence = "It did not answer, or refused. Sessions stay as they are; try again.";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The store cannot be used",
            sentence,
        )
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
