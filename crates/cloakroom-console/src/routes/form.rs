//! Forms, which carry the token of their operator.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use cloakroom::manager::OperatorAct;

use super::Shared;
use super::answer::Failure;
use crate::operator::Operator;
use crate::query::Params;

/// The fields of a form that the console made for this operator.
pub(super) struct OwnForm(pub(super) Params);

/// The fields of a form of anybody.
pub(super) struct AnyForm(pub(super) Params);

impl FromRequest<Shared> for AnyForm {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &Shared) -> Result<Self, Failure> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|_| unreadable())?;
        let text = std::str::from_utf8(&body).map_err(|_| unreadable())?;
        Ok(Self(Params::parse(text)))
    }
}

fn unreadable() -> Failure {
    Failure::new(
        StatusCode::BAD_REQUEST,
        "Not understood",
        "The form could not be read.",
    )
}

impl FromRequest<Shared> for OwnForm {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &Shared) -> Result<Self, Failure> {
        let operator = request.extensions().get::<Operator>().cloned();
        let AnyForm(params) = AnyForm::from_request(request, state).await?;
        let token = params.get("_csrf").unwrap_or_default();
        let is_own = |operator: &Operator| state.accepts(operator, token);
        if operator.as_ref().is_some_and(is_own) {
            return Ok(Self(params));
        }
        if let Some(operator) = operator {
            let refusal = OperatorAct::refused(&operator.name, "form");
            state.acts.write_refusal(refusal);
        }
        Err(Failure::forbidden(
            "This form was made for another login. Load the page again, and send the form from there.",
        ))
    }
}
