//! A request's body, sent by a form or as JSON, and the type of response that its sender accepts.

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::{Form, Json};
use serde::de::DeserializeOwned;

use super::failure::Failure;
use super::negotiate::{Wants, is_form};

/// The body of a request; one that came by a form is answered with a page.
pub(super) struct Sent<T> {
    pub(super) value: T,
    pub(super) wants: Wants,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        if is_form(request.headers()) {
            let form = Form::from_request(request, state).await;
            let Form(value) = form.map_err(|error| body(error.status(), error.body_text()))?;
            return Ok(Self {
                value,
                wants: Wants::Page,
            });
        }
        let json = Json::from_request(request, state).await;
        let Json(value) = json.map_err(|error| body(error.status(), error.body_text()))?;
        Ok(Self {
            value,
            wants: Wants::Json,
        })
    }
}

fn body(status: StatusCode, text: String) -> Failure {
    Failure::Body(status, text)
}
