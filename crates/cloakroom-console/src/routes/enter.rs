//! The way in, and out, of a console that runs by itself.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::response::{IntoResponse as _, Response};

use cloakroom::manager::OperatorAct;

use super::Shared;
use super::answer::Failure;
use super::form::{AnyForm, OwnForm};
use crate::operator::Operator;
use crate::pages;

/// `POST /enter`: the token for a cookie.
pub(super) async fn enter(
    State(console): State<Shared>,
    AnyForm(form): AnyForm,
) -> Result<Response, Failure> {
    let Some(entry) = &console.entry else {
        return Err(super::guard::missing().await);
    };
    let field = entry.exchange(form.get("token").unwrap_or_default());
    let Some(field) = field else {
        console
            .acts
            .write_refusal(OperatorAct::turned_away(entry.name()));
        let page = pages::entry(&console.base, true);
        return Ok((StatusCode::FORBIDDEN, page).into_response());
    };
    // A console whose acts cannot be recorded lets nobody in.
    let written = console.acts.write(OperatorAct::entered(entry.name()));
    written.map_err(|error| Failure::unrecorded(&error, false))?;
    Ok(to_the_overview(&console, field))
}

/// `POST /leave`.
pub(super) async fn leave(
    State(console): State<Shared>,
    Extension(operator): Extension<Operator>,
    OwnForm(_): OwnForm,
) -> Result<Response, Failure> {
    match &console.entry {
        Some(entry) => Ok(to_the_overview(&console, entry.leave(&operator.login))),
        None => Err(super::guard::missing().await),
    }
}

fn to_the_overview(console: &Shared, cookie: String) -> Response {
    let place = console.address("/");
    (
        StatusCode::SEE_OTHER,
        [(LOCATION, place), (SET_COOKIE, cookie)],
    )
        .into_response()
}
