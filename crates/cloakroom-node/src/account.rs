//! The operations of a session's user: sign in and out, list and end sessions.

use cloakroom::Session;
use cloakroom::auth::Device;
use serde_json::{Value, json};

use crate::bell::Outcome;
use crate::failure::Failure;
use crate::place::millis;

/// Does one of the operations of an account; `argument` is JSON, or a device's handle.
pub(crate) async fn acted(session: &Session, name: &str, argument: String) -> Outcome {
    Ok(match name {
        "login" => {
            session.login(user_in(&argument)?).await?;
            String::new()
        }
        "logout" => {
            session.logout().await?;
            String::new()
        }
        "devices" => {
            let devices = session.devices().await?;
            let devices: Value = devices.iter().map(described).collect();
            devices.to_string()
        }
        "endDevice" => session.end_device(&argument).await?.to_string(),
        "endOthers" => session.end_others().await?.to_string(),
        "endAll" => session.end_all().await?.to_string(),
        "ended" => session.ended().await.reason().to_owned(),
        _ => return Err(Failure::new("EINTERNAL", 500, "no such operation")),
    })
}

pub(crate) fn user_in(json: &str) -> Result<Value, Failure> {
    let not_json = |_| Failure::new("ESESSION", 500, "a user is what JSON can say");
    serde_json::from_str(json).map_err(not_json)
}

fn described(device: &Device) -> Value {
    json!({
        "handle": device.handle,
        "isCurrent": device.is_current,
        "name": device.name(),
        "created": device.created.map(millis),
        "signedIn": device.signed_in.map(millis),
        "lastSeen": millis(device.last_seen),
        "address": device.address,
        "userAgent": device.user_agent,
    })
}
