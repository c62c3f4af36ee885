//! An entry of the journal as a row.

use cloakroom::Timestamp;
use rusqlite::{Connection, Row, params};

use super::Entry;
use crate::migrate::decide::{Digest, Known, Seen};
use crate::migrate::digest::IdDigest;

/// The columns of an entry, in their order.
pub(super) const COLUMNS: &str = "kind, pass, digest, expires, next_digest, next_expires, since";

/// Enters a session, in the place of what was known of it.
pub(super) fn put(
    file: &Connection,
    id: &IdDigest,
    known: &Known,
    pass: u32,
) -> rusqlite::Result<()> {
    let (kind, seen, next, since) = match known {
        Known::Copied { copied, pending } => (0, Some(*copied), *pending, None),
        Known::Intended { pending, since } => (1, None, Some(*pending), Some(since.as_millis())),
        Known::EndedAtSource => (2, None, None, None),
        Known::EndedAtTarget => (3, None, None, None),
        Known::Rejected(seen) => (4, Some(*seen), None, None),
    };
    let mut insert = file.prepare_cached(
        "INSERT OR REPLACE INTO entries (id, kind, pass, digest, expires, next_digest, next_expires, since)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let bytes =
        |seen: Option<Seen>| seen.map(|seen| [seen.digest.text, seen.digest.value].concat());
    let expires = |seen: Option<Seen>| seen.map(|seen| seen.expires.as_millis());
    insert.execute(params![
        id.as_slice(),
        kind,
        pass,
        bytes(seen),
        expires(seen),
        bytes(next),
        expires(next),
        since
    ])?;
    Ok(())
}

/// Reads an entry from the columns of [`COLUMNS`].
pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (kind, pass): (u8, u32) = (row.get(0)?, row.get(1)?);
    let (seen, next) = (seen(row, 2)?, seen(row, 4)?);
    let since: Option<i64> = row.get(6)?;
    let known = match (kind, seen, next) {
        (0, Some(copied), pending) => Known::Copied { copied, pending },
        (1, _, Some(pending)) => Known::Intended {
            pending,
            since: Timestamp::from_millis(since.unwrap_or(0)),
        },
        (2, ..) => Known::EndedAtSource,
        (4, Some(seen), _) => Known::Rejected(seen),
        _ => Known::EndedAtTarget,
    };
    Ok(Entry { known, pass })
}

/// Reads a record's digest and expiry from two columns; `None` where there are none.
fn seen(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Seen>> {
    let digest: Option<Vec<u8>> = row.get(at)?;
    let expires: Option<i64> = row.get(at + 1)?;
    let halves = digest
        .as_deref()
        .and_then(|bytes| bytes.split_at_checked(8));
    let seen = halves.zip(expires).and_then(|((text, value), expires)| {
        Some(Seen {
            digest: Digest {
                text: text.try_into().ok()?,
                value: value.try_into().ok()?,
            },
            expires: Timestamp::from_millis(expires),
        })
    });
    Ok(seen)
}
