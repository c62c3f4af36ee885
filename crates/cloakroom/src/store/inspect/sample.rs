//! What some records of a store say together.

use super::facts::Facts;
use crate::clock::Timestamp;
use crate::record::{Record, RecordError, RecordLimit, RecordText, UserKeys};

/// Number of records that are looked at.
pub(in crate::store) const SAMPLE: usize = 1000;

/// A record as a server holds it.
pub(in crate::store) struct Seen {
    /// The text; `None` where the server holds something that is none.
    pub(in crate::store) text: Option<String>,
    /// The store's expiry by this machine's clock; `None` where there is none.
    pub(in crate::store) expires: Option<Timestamp>,
}

/// Counts over records.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Sample {
    read: usize,
    /// Texts that are no JSON object, encrypted ones among them.
    not_json: usize,
    no_cookie: usize,
    too_large: usize,
    endless: usize,
    /// Records of other writers whose cookie says when it ends, so that the two can be compared.
    comparable: usize,
    /// The store ends them long before their cookie.
    early: usize,
    /// The store keeps them for longer than their cookie can last.
    late: usize,
    /// They name no user.
    anonymous: usize,
    /// This library's metadata is in them.
    marked: usize,
}

impl Sample {
    /// Counts over these records.
    pub(in crate::store) fn of(seen: &[Seen], now: Timestamp, keys: &UserKeys) -> Self {
        let mut sample = Self::default();
        for one in seen {
            sample.add(one, now, keys);
        }
        sample
    }

    fn add(&mut self, seen: &Seen, now: Timestamp, keys: &UserKeys) {
        self.read += 1;
        self.endless += usize::from(seen.expires.is_none());
        let Some(text) = &seen.text else {
            self.not_json += 1;
            return;
        };
        let limit = RecordLimit::default();
        self.too_large += usize::from(text.len() > limit.bytes);
        match Record::parse(RecordText::from(text.as_str()), limit) {
            Ok(record) => self.judge(&record, seen.expires, now, keys),
            Err(RecordError::NoCookie) => self.no_cookie += 1,
            Err(RecordError::NotAnObject) => self.not_json += 1,
            Err(RecordError::TooLarge { .. } | RecordError::TooManyKeys { .. }) => {}
        }
    }

    fn judge(
        &mut self,
        record: &Record,
        expires: Option<Timestamp>,
        now: Timestamp,
        keys: &UserKeys,
    ) {
        self.anonymous += usize::from(keys.users_of(record.text()).is_empty());
        if record.metadata().is_some() {
            // Its cookie is no clock: it lives until the absolute time-out.
            self.marked += 1;
            return;
        }
        let cookie = record.cookie();
        if let (Some(store), Some(own), Some(life)) = (expires, cookie.expires(), cookie.max_age())
        {
            let tenth = life / 10;
            self.comparable += 1;
            // A touch moves the store's expiry alone, and by no more than a life.
            if own.since(store) > tenth {
                self.early += 1;
            } else if store.since(now) > life + tenth {
                self.late += 1;
            }
        }
    }

    /// Notes the counts.
    pub(in crate::store) fn note(&self, facts: &mut Facts) {
        for (name, count) in [
            ("sample.read", self.read),
            ("sample.not_json", self.not_json),
            ("sample.no_cookie", self.no_cookie),
            ("sample.too_large", self.too_large),
            ("sample.endless", self.endless),
            ("sample.comparable", self.comparable),
            ("sample.early", self.early),
            ("sample.late", self.late),
            ("sample.anonymous", self.anonymous),
            ("sample.marked", self.marked),
        ] {
            facts.set(name, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Sample, Seen};
    use crate::clock::Timestamp;
    use crate::record::UserKeys;

    #[test]
    fn records_are_counted_by_what_is_odd_about_them() {
        let hour = r#"{"cookie":{"originalMaxAge":3600000,"expires":"1970-01-01T01:00:00.000Z"},"userId":"7"}"#;
        let own = r#"{"cookie":{"originalMaxAge":3600000,"expires":"1970-01-01T01:00:00.000Z"},"_ck":{"created":0}}"#;
        let (text, at) = (
            |text: &str| Some(text.to_owned()),
            |s: i64| Some(Timestamp::from_millis(s * 1000)),
        );
        #[rustfmt::skip]
        let table = [
            (text(hour),            at(3600),  Sample { comparable: 1, ..Sample::default() }),
            (text(hour),            at(3000),  Sample { comparable: 1, early: 1, ..Sample::default() }),
            (text(hour),            at(7200),  Sample { comparable: 1, late: 1, ..Sample::default() }),
            (text(hour),            None,      Sample { endless: 1, ..Sample::default() }),
            (text("{\"cookie\":{}}"), at(9),   Sample { anonymous: 1, ..Sample::default() }),
            (text("{}"),            at(9),     Sample { no_cookie: 1, ..Sample::default() }),
            (text("ciphertext"),    at(9),     Sample { not_json: 1, ..Sample::default() }),
            (None,                  at(9),     Sample { not_json: 1, ..Sample::default() }),
        ];
        for (text, expires, expected) in table {
            let seen = [Seen { text, expires }];
            let sample = Sample::of(&seen, Timestamp::from_millis(0), &UserKeys::default());
            assert_eq!(
                sample,
                Sample {
                    read: 1,
                    ..expected
                }
            );
        }
        let large = format!("{{\"cookie\":{{}},\"x\":\"{}\"}}", "y".repeat(70_000));
        let seen = [
            Seen {
                text: Some(large),
                expires: at(9),
            },
            Seen {
                text: Some(own.to_owned()),
                expires: at(60),
            },
        ];
        let sample = Sample::of(&seen, Timestamp::from_millis(0), &UserKeys::default());
        assert_eq!((sample.too_large, sample.early, sample.read), (1, 0, 2));
    }
}
