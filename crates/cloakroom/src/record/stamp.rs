//! What cloakroom notes in a record beside the application's data: when it began, when it must end.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::num::ParseIntError;

use serde::{Deserialize, Serialize};

use super::js;
use super::json::Member;
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    created: i64,
    /// The session ends here, however often it is touched.
    deadline: Option<i64>,
    /// When its id was last changed.
    renewed: Option<i64>,
    /// When its user signed in.
    login: Option<i64>,
    /// Of the last login, as it is written: few requests ask for it, and one that cannot be read must
    /// not take the deadline with it.
    device: Option<Box<str>>,
}

impl Stamp {
    pub(crate) fn new(created: Timestamp, deadline: Option<Timestamp>) -> Self {
        Self {
            created: created.as_millis(),
            deadline: deadline.map(Timestamp::as_millis),
            ..Self::default()
        }
    }

    #[cfg(test)]
    fn parse(json: &str) -> Option<Self> {
        let members = super::json::members(json, super::json::Bounds::default())?;
        Self::of(json, &members)
    }

    /// Reads a stamp whose members were found in `text`; whatever is none counts as missing, and the
    /// next save writes one.
    pub(super) fn of(text: &str, members: &[Member]) -> Option<Self> {
        let (mut stamp, mut created) = (Self::default(), None);
        for member in members {
            let value = &text[member.value.range()];
            match &text[member.key.range()] {
                "created" => created = millis(value).ok()?,
                "deadline" => stamp.deadline = millis(value).ok()?,
                "renewed" => stamp.renewed = millis(value).ok()?,
                "login" => stamp.login = millis(value).ok()?,
                "device" => stamp.device = Some(value.into()),
                _ => {}
            }
        }
        stamp.created = created?;
        Some(stamp)
    }

    pub(crate) fn to_json(&self) -> String {
        let device = self.device.as_deref().unwrap_or_default();
        let mut json = String::with_capacity(112 + device.len());
        for (key, value) in [
            ("{\"created\":", Some(self.created)),
            (",\"deadline\":", self.deadline),
            (",\"renewed\":", self.renewed),
            (",\"login\":", self.login),
        ] {
            if let Some(value) = value {
                json.push_str(key);
                // A String takes whatever is written to it.
                let _ = write!(json, "{value}");
            }
        }
        if !device.is_empty() {
            json.push_str(",\"device\":");
            json.push_str(device);
        }
        json.push('}');
        json
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

    pub(crate) fn device(&self) -> Option<DeviceNote> {
        let note: DeviceNote = serde_json::from_str(self.device.as_deref()?).ok()?;
        is_handle(&note.handle).then_some(note)
    }

    pub(crate) fn note_login(&mut self, now: Timestamp, device: Option<&DeviceNote>) {
        self.login = Some(now.as_millis());
        self.device = device
            .and_then(|device| js::stringify(device).ok())
            .map(String::into_boxed_str);
    }

    pub(crate) fn renew(&mut self, now: Timestamp) {
        self.renewed = Some(now.as_millis());
    }
}

/// Whether a handle is one that pages may put into an address as it is: another writer may have set it.
fn is_handle(handle: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&handle.len()) && handle.bytes().all(is_token)
}

/// A whole number, or `null`.
fn millis(value: &str) -> Result<Option<i64>, ParseIntError> {
    match value {
        "null" => Ok(None),
        value => value.parse().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::{DeviceNote, Stamp};
    use crate::clock::Timestamp;

    #[test]
    fn what_is_no_stamp_counts_as_missing() {
        #[rustfmt::skip]
        let table = [
            (r#"{"created":5}"#,                                            Some(r#"{"created":5}"#)),
            (r#" { "deadline" : 9 , "created" : 5, "other" : [1] } "#,      Some(r#"{"created":5,"deadline":9}"#)),
            (r#"{"created":-5,"login":null,"renewed":7}"#,                  Some(r#"{"created":-5,"renewed":7}"#)),
            (r#"{"created":5,"device":7}"#,                                 Some(r#"{"created":5,"device":7}"#)),
            (r#"{"created":5,"deadline":"9"}"#,                             None),
            (r#"{"created":5,"deadline":1e400}"#,                           None),
            (r#"{"created":99999999999999999999}"#,                         None),
            (r#"{"deadline":9}"#,                                           None),
            (r#"{"created":null}"#,                                         None),
            ("[]",                                                          None),
            ("null",                                                        None),
            ("",                                                            None),
            (r#"{"created":5"#,                                             None),
        ];
        for (json, read) in table {
            let stamp = Stamp::parse(json);
            assert_eq!(
                stamp.as_ref().map(Stamp::to_json).as_deref(),
                read,
                "{json}"
            );
        }
    }

    #[test]
    fn a_device_that_cannot_be_read_is_none_and_takes_nothing_with_it() {
        for device in [
            "7",
            "null",
            "{}",
            r#"{"handle":1}"#,
            r#"{"handle":"x","address":"nowhere"}"#,
            r#"{"handle":""}"#,
            r#"{"handle":"../logout-all"}"#,
        ] {
            let stamp = Stamp::parse(&format!(
                r#"{{"created":5,"deadline":9,"device":{device}}}"#
            ));
            let stamp = stamp.unwrap();
            assert_eq!(
                stamp.deadline(),
                Some(Timestamp::from_millis(9)),
                "{device}"
            );
            assert_eq!(stamp.device(), None, "{device}");
        }
    }

    #[test]
    fn a_device_comes_back_as_it_was_noted() {
        let note = DeviceNote {
            handle: "a-handle_0".to_owned(),
            agent: Some("\"quoted\" \\ \u{7f} é".to_owned()),
            address: "2001:db8::1".parse().ok(),
        };
        let mut stamp = Stamp::new(Timestamp::from_millis(5), None);
        stamp.note_login(Timestamp::from_millis(7), Some(&note));
        let stamp = Stamp::parse(&stamp.to_json()).unwrap();
        assert_eq!(stamp.device(), Some(note));
        assert_eq!(stamp.login(), Some(Timestamp::from_millis(7)));
    }
}
