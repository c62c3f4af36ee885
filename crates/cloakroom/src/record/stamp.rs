//! What cloakroom notes in a record beside the application's data: when it began, when it must end.

use serde::{Deserialize, Serialize};

use super::js;
use crate::clock::Timestamp;

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
}

impl Stamp {
    pub(crate) fn new(created: Timestamp, deadline: Option<Timestamp>) -> Self {
        Self {
            created: created.as_millis(),
            deadline: deadline.map(Timestamp::as_millis),
            renewed: None,
            login: None,
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

    pub(crate) fn note_login(&mut self, now: Timestamp) {
        self.login = Some(now.as_millis());
    }

    pub(crate) fn renew(&mut self, now: Timestamp) {
        self.renewed = Some(now.as_millis());
    }
}
