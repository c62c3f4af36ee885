//! Reads what a record says of its session, for tools that explain one and change none.

use super::{Record, RecordLimit, RecordText};
use crate::clock::Timestamp;

/// The times and the realm of a stored record.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFacts {
    /// Time at which the session began; `None` in a record of Express's.
    pub created: Option<Timestamp>,
    /// Time at which it ends, however often it is used.
    pub deadline: Option<Timestamp>,
    /// The expiry of its cookie, which Express's memory store goes by.
    pub expires: Option<Timestamp>,
    /// The realm that it belongs to.
    pub realm: Option<String>,
    /// The application's keys.
    pub keys: usize,
}

impl RecordFacts {
    /// Reads a record within the limits of the default policy.
    ///
    /// # Errors
    ///
    /// A text for people: the reason for which no session layer would read it.
    pub fn read(text: &RecordText) -> Result<Self, String> {
        let record = Record::parse(text.clone(), RecordLimit::default());
        let record = record.map_err(|error| error.to_string())?;
        let metadata = record.metadata();
        Ok(Self {
            created: metadata.map(|metadata| metadata.created()),
            deadline: metadata.and_then(|metadata| metadata.deadline()),
            expires: record.cookie().expires(),
            realm: metadata.and_then(|metadata| metadata.realm().map(str::to_owned)),
            keys: record.count(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::RecordFacts;
    use crate::clock::Timestamp;

    #[test]
    fn a_record_says_when_its_session_ends() {
        let own =
            r#"{"cookie":{"path":"/"},"n":1,"_ck":{"created":1000,"deadline":2000,"realm":"app"}}"#;
        let facts = RecordFacts::read(&own.into()).unwrap();
        assert_eq!(facts.created.map(Timestamp::as_millis), Some(1000));
        assert_eq!(facts.deadline.map(Timestamp::as_millis), Some(2000));
        assert_eq!((facts.realm.as_deref(), facts.keys), (Some("app"), 1));
        let express =
            RecordFacts::read(&r#"{"cookie":{"path":"/"},"userId":"ada"}"#.into()).unwrap();
        assert_eq!(
            (express.created, express.deadline, express.realm),
            (None, None, None)
        );
        for text in ["", "[]", "{}", "{\"cookie\":1}", "enc:abc"] {
            RecordFacts::read(&text.into()).unwrap_err();
        }
    }
}
