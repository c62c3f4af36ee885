//! The routes that list a user's devices and sign them out.

use std::time::SystemTime;

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use cloakroom::auth::Device;
use cloakroom::web::LoggedIn;
use cloakroom::{Session, Timestamp};
use serde_json::{Value, json};

use crate::demo::failure::Failure;
use crate::demo::negotiate::Wants;
use crate::demo::pages;
use crate::demo::visitor::Visitor;

/// `GET /devices`.
pub(super) async fn list(session: Session, wants: Wants) -> Result<Response, Failure> {
    let visitor = Visitor::with_token(&session);
    if visitor.user.is_none() {
        return match wants {
            Wants::Page => Ok(Redirect::to("/login?next=/devices").into_response()),
            Wants::Json => Err(Failure::NotSignedIn),
        };
    }
    let devices = session.devices().await?;
    Ok(match wants {
        Wants::Page => pages::devices(&visitor, &devices).into_response(),
        Wants::Json => {
            let devices: Vec<Value> = devices.iter().map(described).collect();
            Json(devices).into_response()
        }
    })
}

fn described(device: &Device) -> Value {
    let millis = |time: SystemTime| Timestamp::from(time).as_millis();
    json!({
        "handle": device.handle,
        "current": device.is_current,
        "name": device.name(),
        "address": device.address,
        "created": device.created.map(millis),
        "signedIn": device.signed_in.map(millis),
        "lastSeen": millis(device.last_seen),
    })
}

/// `DELETE /devices/{handle}`, from a form `POST`: ends one session, on every server.
pub(super) async fn end(
    session: Session,
    _: LoggedIn,
    Path(handle): Path<String>,
    wants: Wants,
) -> Result<Response, Failure> {
    if !session.end_device(&handle).await? {
        return Err(Failure::NoSuchDevice);
    }
    Ok(match wants {
        Wants::Page => Redirect::to("/devices").into_response(),
        Wants::Json => StatusCode::NO_CONTENT.into_response(),
    })
}

/// `POST /logout-others`: ends every other session of the user, on every server.
pub(super) async fn end_others(
    session: Session,
    _: LoggedIn,
    wants: Wants,
) -> Result<Response, Failure> {
    let ended = session.end_others().await?;
    Ok(answer(wants, ended, "/devices"))
}

/// `POST /logout-all`: this one as well.
pub(super) async fn end_all(
    session: Session,
    _: LoggedIn,
    wants: Wants,
) -> Result<Response, Failure> {
    let ended = session.end_all().await?;
    Ok(answer(wants, ended, "/"))
}

fn answer(wants: Wants, ended: u64, page: &str) -> Response {
    match wants {
        Wants::Page => Redirect::to(page).into_response(),
        Wants::Json => Json(json!({"ended": ended})).into_response(),
    }
}
