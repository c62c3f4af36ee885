//! `import`: the sessions of a file, several at a time.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::path::Path;
use std::time::SystemTime;

use cloakroom::cookie::cookie_value;
use cloakroom::store::{PutIf, PutOutcome, Store as _, StoreError, StoreErrorKind, StoredRecord};
use cloakroom::{SessionId, Timestamp};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::parse;
use crate::problem::Problem;
use crate::sessions::audit::Audit;
use crate::sessions::list::{println, sessions};
use crate::sessions::open::{Opened, failed};
use crate::sessions::progress::{Progress, Total};
use crate::sessions::write::entry;

/// The most bytes of a line: four times the largest record that is read here, in base64.
const LONGEST_LINE: u64 = 8 << 20;
/// Sessions that are stored at the same time.
const AT_ONCE: usize = 64;
/// Bytes of a cookie's name and value that browsers keep (RFC 6265bis §5.7).
const LONGEST_COOKIE: usize = 4096;

/// The outcome of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stored,
    Expired,
    There,
    Ended,
    /// It is not stored, for this reason.
    Refused(&'static str),
}

/// The outcomes of an import, by number.
#[derive(Default)]
struct Counts {
    stored: u64,
    expired: u64,
    there: u64,
    ended: u64,
    refused: u64,
}

impl Counts {
    /// Counts a line, and says which one is refused.
    fn note(&mut self, at: u64, fate: Fate) {
        match fate {
            Fate::Stored => self.stored += 1,
            Fate::Expired => self.expired += 1,
            Fate::There => self.there += 1,
            Fate::Ended => self.ended += 1,
            Fate::Refused(why) => {
                self.refused += 1;
                // With standard error closed there is no reader.
                let _ = writeln!(io::stderr(), "line {at} refused: {why}");
            }
        }
    }
}

/// Stores the sessions of a file: those that are not there, and did not end here.
pub(in crate::sessions) async fn import(
    opened: &Opened,
    file: &Path,
    if_newer: bool,
    audit: &Audit<'_>,
) -> Result<(), Problem> {
    let mut lines = source(file)?;
    let mut counts = Counts::default();
    let done = store_all(opened, &mut lines, if_newer, &mut counts).await;
    audit.record("sessions_imported", "a file", &[], counts.stored);
    done?;
    let Counts {
        stored,
        expired,
        there,
        ended,
        refused,
    } = counts;
    println(&format!(
        "{stored} {} imported: whoever has their cookies is in again; left out: {expired} expired, {there} there already, {ended} ended here in the last minute, {refused} refused",
        sessions(stored)
    ))?;
    match refused {
        0 => Ok(()),
        _ => Err(Problem::failed(format!(
            "{refused} {} refused, at the lines above: see where the file comes from",
            if refused == 1 {
                "line was"
            } else {
                "lines were"
            }
        ))),
    }
}

/// Stores the lines, [`AT_ONCE`] at a time; after a failure those under way are waited for.
async fn store_all(
    opened: &Opened,
    lines: &mut impl BufRead,
    if_newer: bool,
    counts: &mut Counts,
) -> Result<(), Problem> {
    let progress = Progress::of("importing", Total::Unknown);
    let (mut under_way, mut failure, mut at) = (FuturesUnordered::new(), None, 0_u64);
    let mut is_over = false;
    loop {
        if !is_over && under_way.len() < AT_ONCE {
            let Some(text) = next_line(lines) else {
                is_over = true;
                continue;
            };
            at += 1;
            progress.at(at);
            if let Some((id, stored)) = text.ok().and_then(|text| parse(&text)) {
                under_way.push(one(opened, at, id, stored, if_newer));
            } else {
                failure = Some(Stop::Line(at));
                is_over = true;
            }
            continue;
        }
        match under_way.next().await {
            None => break,
            Some((at, Ok(fate))) => counts.note(at, fate),
            Some((_, Err(error))) => {
                failure.get_or_insert(Stop::Store(error));
                is_over = true;
            }
        }
    }
    progress.end();
    match failure {
        None => Ok(()),
        Some(Stop::Store(error)) => Err(failed(&error)),
        Some(Stop::Line(at)) => Err(Problem::failed(format!(
            "line {at} is no line that `cloakroom sessions export` writes, or one of a newer version: {} before it were imported",
            counts.stored
        ))),
    }
}

/// The reason why an import does not go on.
enum Stop {
    Line(u64),
    Store(StoreError),
}

async fn one(
    opened: &Opened,
    at: u64,
    id: SessionId,
    stored: StoredRecord,
    if_newer: bool,
) -> (u64, Result<Fate, StoreError>) {
    let put = match refusal(opened, &id) {
        Some(why) => Ok(Fate::Refused(why)),
        None => put(opened, &id, &stored, if_newer).await,
    };
    let fate = put.or_else(|error| match error.kind() {
        StoreErrorKind::Invalid => Ok(Fate::Refused("this store cannot hold its id or its record")),
        StoreErrorKind::Corrupt => Ok(Fate::Refused(
            "a record that cannot be read has its id here; end that one first",
        )),
        _ => Err(error),
    });
    (at, fate)
}

/// Returns the reason why no client could ever send an id.
fn refusal(opened: &Opened, id: &SessionId) -> Option<&'static str> {
    if id.expose().chars().any(char::is_control) {
        return Some("its id has control characters, which is no id of a session");
    }
    let length = cookie_value(id, &opened.secrets).len();
    (length > LONGEST_COOKIE)
        .then_some("its id is too long for a cookie: 4096 bytes with its signature")
}

async fn put(
    opened: &Opened,
    id: &SessionId,
    stored: &StoredRecord,
    if_newer: bool,
) -> Result<Fate, StoreError> {
    if stored.expires <= Timestamp::from(SystemTime::now()) {
        return Ok(Fate::Expired);
    }
    let entry = entry(&opened.user_keys, stored);
    let mut condition = PutIf::Absent;
    loop {
        match opened.store.put(id, &entry, &condition).await? {
            PutOutcome::Stored => return Ok(Fate::Stored),
            // One that is gone since it was read ended here.
            PutOutcome::Retired | PutOutcome::NotFound => return Ok(Fate::Ended),
            PutOutcome::Conflict(there)
                if if_newer && there.expires < entry.expires && there.text != entry.text =>
            {
                condition = PutIf::Unchanged(there);
            }
            PutOutcome::Conflict(_) => return Ok(Fate::There),
        }
    }
}

fn source(file: &Path) -> Result<Box<dyn BufRead>, Problem> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let opened = File::open(file).map_err(|error| {
        Problem::usage(format!(
            "{} cannot be read ({error}): name a file of `cloakroom sessions export`",
            file.display()
        ))
    })?;
    Ok(Box::new(BufReader::new(opened)))
}

/// Reads the next line, an error for one that is too long or no text; `None` after the last.
fn next_line(lines: &mut impl BufRead) -> Option<Result<String, ()>> {
    let mut line = Vec::new();
    match lines.take(LONGEST_LINE).read_until(b'\n', &mut line) {
        Ok(0) => return None,
        Ok(_) => {}
        Err(_) => return Some(Err(())),
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 == LONGEST_LINE {
        return Some(Err(()));
    }
    Some(String::from_utf8(line).map_err(drop))
}
