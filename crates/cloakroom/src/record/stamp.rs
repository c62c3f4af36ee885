//! What cloakroom notes in a record beside the application's data: when it began, when it must end.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::js;
use crate::clock::Timestamp;

/// From where a user signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceNote {
    /// What a session is called in its user's list; it stays when the id changes.
    pub(crate) handle: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<IpAddr>,
}

/// The value of the key `_ck`; times in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    created: i64,
    /// The session ends here, however often it is touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<i64>,
    /// When its id was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    renewed: Option<i64>,
    /// When its user signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    login: Option<i64>,
    /// Of the last login.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "device_or_none"
    )]
    device: Option<DeviceNote>,
}

/// A note that cannot be read must not take the deadline with it.
fn device_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DeviceNote>, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(serde_json::from_value(value).ok())
}

impl Stamp {
    pub(crate) fn new(created: Timestamp, deadline: Option<Timestamp>) -> Self {
        Self {
            created: created.as_millis(),
            deadline: deadline.map(Timestamp::as_millis),
            renewed: None,
            login: None,
            device: None,
        }
    }

    /// Reads a stamp; whatever is none counts as missing, and the next save writes one.
    pub(crate) fn parse(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    pub(crate) fn to_json(&self) -> String {
        js::stringify(self).unwrap_or_else(|_| "{}".into())
    }

    pub(crate) fn created(&self) -> Timestamp {
        Timestamp::from_millis(self.created)
    }

    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.deadline.map(Timestamp::from_millis)
    }

    /// When the id that it has now was drawn.
    pub(crate) fn renewed(&self) -> Timestamp {
        Timestamp::from_millis(self.renewed.unwrap_or(self.created))
    }

    pub(crate) fn login(&self) -> Option<Timestamp> {
        self.login.map(Timestamp::from_millis)
    }

    pub(crate) fn device(&self) -> Option<&DeviceNote> {
        self.device.as_ref()
    }

    pub(crate) fn note_login(&mut self, now: Timestamp, device: Option<DeviceNote>) {
        self.login = Some(now.as_millis());
        self.device = device;
    }

    pub(crate) fn renew(&mut self, now: Timestamp) {
        self.renewed = Some(now.as_millis());
    }
}
