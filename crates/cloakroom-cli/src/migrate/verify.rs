//! `--verify`: both stores, compared by digests.

use std::time::SystemTime;

use cloakroom::store::{Store as _, StoreError, StoredRecord};
use cloakroom::{SessionId, Timestamp};
use futures_util::{StreamExt as _, stream};

use super::decide::{Known, Seen};
use super::digest::IdDigest;
use super::ends::patiently;
use super::mover::{Mover, PAGE};
use super::settings::Ids;
use super::verified::{Found, Verified};
use crate::problem::Problem;
use crate::sessions::open::failed;

/// Compares a session; `copied` is the journal's.
fn compare(source: &Seen, copied: &Seen, target: Option<&Seen>) -> Found {
    match target {
        _ if !copied.is(source) => Found::Changed,
        None => Found::Missing,
        Some(target) if target.digest == source.digest && target.equals(source) => Found::Bytes,
        Some(target) if target.equals(source) => Found::Value,
        Some(_) => Found::Different,
    }
}

/// Returns `true` if a session is in a sample of this share: the same ones at any time.
fn is_in_sample(digest: &IdDigest, share: f64) -> bool {
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    f64::from(number) < share * (f64::from(u32::MAX) + 1.0)
}

impl Mover {
    /// Compares a share of the sessions that were moved and are still at the source.
    pub(super) async fn verify(&self, share: f64) -> Result<Verified, Problem> {
        let (mut cursor, mut verified) = (None::<String>, Verified::default());
        loop {
            let source = &self.ends.source;
            let page = patiently(|| source.scan_records(cursor.as_deref(), PAGE));
            let page = page.await.map_err(|error| failed(&error))?;
            let read = page.records.into_iter();
            let read = read.filter_map(|(id, stored)| Some((id, stored.ok()?)));
            self.verify_page(share, read.collect(), &mut verified)
                .await?;
            cursor = page.next;
            if cursor.is_none() {
                return Ok(verified);
            }
        }
    }

    async fn verify_page(
        &self,
        share: f64,
        read: Vec<(SessionId, StoredRecord)>,
        verified: &mut Verified,
    ) -> Result<(), Problem> {
        let digester = self.journal.digester();
        let sample = read.into_iter().filter_map(|(id, stored)| {
            let id = match self.settings.ids {
                Ids::Same => id,
                Ids::Hash => id.hashed_at_rest(),
            };
            let digest = digester.id(&id);
            is_in_sample(&digest, share).then_some((id, digest, stored))
        });
        let sample: Vec<_> = sample.collect();
        let digests: Vec<IdDigest> = sample.iter().map(|(_, digest, _)| *digest).collect();
        let entries = self.journal.entries(&digests)?;
        let moved = sample.into_iter().zip(entries).filter_map(|(one, entry)| {
            match entry.map(|entry| entry.known) {
                Some(Known::Copied { copied, .. }) => Some((one, copied)),
                _ => None,
            }
        });
        let moved: Vec<_> = moved.collect();
        let asking = stream::iter(moved).map(async |((id, _, stored), copied)| {
            let there = patiently(|| self.ends.target.get_uncached(&id)).await?;
            let there = there.map(|there| digester.seen(&there));
            Ok::<_, StoreError>((digester.seen(&stored), copied, there))
        });
        let asked: Vec<_> = asking
            .buffer_unordered(self.settings.in_flight)
            .collect()
            .await;
        let now = Timestamp::from(SystemTime::now());
        for asked in asked {
            let (mut source, copied, there) = asked.map_err(|error| failed(&error))?;
            // What has no end may have got one.
            if source.expires >= cloakroom::store::ENDLESS {
                source.expires = copied.expires;
            }
            if copied.expires > now {
                verified.count(compare(&source, &copied, there.as_ref()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cloakroom::Timestamp;

    use super::{Found, Seen, Verified, compare, is_in_sample};
    use crate::migrate::decide::Digest;

    #[test]
    fn both_stores_are_compared_by_what_was_copied() {
        let seen = |text, value, expires| Seen {
            digest: Digest {
                text: [text; 8],
                value: [value; 8],
            },
            expires: Timestamp::from_millis(expires),
        };
        let (a, b) = (seen(1, 1, 0), seen(2, 2, 0));
        #[rustfmt::skip]
        let table = [ // source, journal, target
            (a, a, Some(a),                  Found::Bytes),
            (a, a, Some(seen(9, 1, 0)),      Found::Value),
            (a, a, Some(b),                  Found::Different),
            (a, a, Some(seen(1, 1, 60_000)), Found::Different),
            (a, a, None,                     Found::Missing),
            (b, a, Some(a),                  Found::Changed),
            (b, a, None,                     Found::Changed),
        ];
        for (source, copied, target, expected) in table {
            assert_eq!(compare(&source, &copied, target.as_ref()), expected);
        }
        let mut verified = Verified::default();
        for (.., found) in table {
            verified.count(found);
        }
        assert_eq!((verified.compared, verified.differ()), (7, 3));
        assert!(
            verified
                .sentence()
                .contains("7: 1 equal to the byte, 1 equal by value")
        );
    }

    #[test]
    fn a_sample_is_a_share_of_all() {
        let ids = (0..=255_u8).map(|byte| [byte; 16]);
        let in_sample = |share| ids.clone().filter(|id| is_in_sample(id, share)).count();
        assert_eq!(in_sample(0.0), 0);
        assert_eq!(in_sample(0.5), 128);
        assert_eq!(in_sample(1.0), 256);
    }
}
