//! `export` and `import`: a line of JSON for each session, with its id. Such a file opens every session in it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal as _, Read as _, Write};
use std::path::Path;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloakroom::store::{PutIf, PutOutcome, Store as _, StoredRecord};
use cloakroom::{SessionId, Timestamp};
use serde::{Deserialize, Serialize};

use super::audit::Audit;
use super::filter::Filter;
use super::list::{println, sessions, words};
use super::open::{Opened, failed};
use super::scan::Scan;
use super::write::entry;
use crate::problem::Problem;

/// The most bytes of a line: four times the largest record that is read here, in base64.
const LONGEST_LINE: u64 = 8 << 20;

/// The version of the lines.
const VERSION: u32 = 1;

/// A session in a file; without `Debug`, because it holds an id and a record.
#[derive(Serialize, Deserialize)]
struct Line {
    v: u32,
    id: String,
    /// Milliseconds since 1970.
    expires: i64,
    /// The record's bytes in base64.
    bytes: String,
    /// The record's form: `json`.
    form: String,
}

/// Writes the sessions that match to a file of their owner's alone.
pub(super) async fn export(
    opened: &Opened,
    filter: &Filter,
    file: &Path,
    audit: &Audit<'_>,
) -> Result<(), Problem> {
    let mut out = BufWriter::new(target(file)?);
    let (mut scan, mut written, mut unreadable) = (Scan::new(opened, filter), 0_u64, 0_u64);
    while let Some(rows) = scan.page().await? {
        for row in rows {
            let Some(stored) = row.stored else {
                unreadable += 1;
                continue;
            };
            let line = serde_json::to_string(&line(&row.id, &stored)).unwrap_or_default();
            writeln!(out, "{line}").map_err(|error| unwritten(file, &error))?;
            written += 1;
        }
    }
    out.flush().map_err(|error| unwritten(file, &error))?;
    audit.record("sessions_exported", &words(filter), &[], written);
    let _ = writeln!(
        io::stderr(),
        "{written} {} exported: whoever reads this file has them; delete it once it is imported",
        sessions(written)
    );
    if unreadable > 0 {
        let _ = writeln!(
            io::stderr(),
            "{unreadable} left out: their records cannot be read"
        );
    }
    Ok(())
}

fn unwritten(file: &Path, error: &io::Error) -> Problem {
    Problem::failed(if file == Path::new("-") {
        format!("the pipe took only a part ({error}): what reads it has to read to the end")
    } else {
        format!("the file cannot be written ({error}): delete it, and choose another")
    })
}

fn target(file: &Path) -> Result<Box<dyn Write>, Problem> {
    if file == Path::new("-") {
        if io::stdout().is_terminal() {
            let mend = "name a file, or write to a pipe";
            return Err(Problem::usage(format!(
                "session ids are not printed on a terminal: {mend}"
            )));
        }
        return Ok(Box::new(io::stdout()));
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let created = options.open(file).map_err(|error| {
        Problem::usage(format!(
            "{} cannot be created ({error}): name a file that does not exist yet",
            file.display()
        ))
    })?;
    Ok(Box::new(created))
}

fn line(id: &SessionId, stored: &StoredRecord) -> Line {
    Line {
        v: VERSION,
        id: id.expose().to_owned(),
        expires: stored.expires.as_millis(),
        bytes: STANDARD.encode(stored.text.as_bytes()),
        form: "json".to_owned(),
    }
}

/// The outcomes of an import, by number.
#[derive(Default)]
struct Counts {
    stored: u64,
    expired: u64,
    there: u64,
    ended: u64,
}

/// Stores the sessions of a file: those that are not there, and did not end here.
pub(super) async fn import(
    opened: &Opened,
    file: &Path,
    if_newer: bool,
    audit: &Audit<'_>,
) -> Result<(), Problem> {
    let mut counts = Counts::default();
    let (mut lines, mut at) = (source(file)?, 0_u64);
    while let Some(text) = next_line(&mut lines) {
        at += 1;
        let Some((id, stored)) = text.ok().and_then(|text| parse(&text)) else {
            audit.record("sessions_imported", "a file", &[], counts.stored);
            return Err(Problem::failed(format!(
                "line {at} is no line that `cloakroom sessions export` writes, or one of a newer version: {} before it were imported",
                counts.stored
            )));
        };
        put(opened, &id, &stored, if_newer, &mut counts).await?;
    }
    audit.record("sessions_imported", "a file", &[], counts.stored);
    let Counts {
        stored,
        expired,
        there,
        ended,
    } = counts;
    println(&format!(
        "{stored} {} imported: whoever has their cookies is in again; left out: {expired} expired, {there} there already, {ended} ended here in the last minute",
        sessions(stored)
    ))
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

/// Reads a line; `None` for one of another form.
fn parse(text: &str) -> Option<(SessionId, StoredRecord)> {
    let line: Line = serde_json::from_str(text).ok()?;
    if line.v != VERSION || line.form != "json" || line.id.is_empty() {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(line.bytes).ok()?).ok()?;
    let stored = StoredRecord {
        text: text.into(),
        expires: Timestamp::from_millis(line.expires),
    };
    Some((SessionId::from_store(&line.id), stored))
}

async fn put(
    opened: &Opened,
    id: &SessionId,
    stored: &StoredRecord,
    if_newer: bool,
    counts: &mut Counts,
) -> Result<(), Problem> {
    if stored.expires <= Timestamp::from(SystemTime::now()) {
        counts.expired += 1;
        return Ok(());
    }
    let entry = entry(&opened.user_keys, stored);
    let mut condition = PutIf::Absent;
    loop {
        let put = opened.store.put(id, &entry, &condition).await;
        match put.map_err(|error| failed(&error))? {
            PutOutcome::Stored => counts.stored += 1,
            // One that is gone since it was read ended here.
            PutOutcome::Retired | PutOutcome::NotFound => counts.ended += 1,
            PutOutcome::Conflict(there)
                if if_newer && there.expires < entry.expires && there.text != entry.text =>
            {
                condition = PutIf::Unchanged(there);
                continue;
            }
            PutOutcome::Conflict(_) => counts.there += 1,
        }
        return Ok(());
    }
}

#[cfg(test)]
mod tests {
    use super::{line, parse};
    use cloakroom::store::StoredRecord;
    use cloakroom::{SessionId, Timestamp};

    #[test]
    fn a_line_is_read_as_it_was_written_and_no_other() {
        let stored = StoredRecord {
            text: r#"{"cookie":{},"x":"ä\ud800"}"#.into(),
            expires: Timestamp::from_millis(7),
        };
        let id = SessionId::from_store("an id");
        let text = serde_json::to_string(&line(&id, &stored)).unwrap();
        assert_eq!(parse(&text), Some((id, stored)));
        for other in [
            "",
            "{}",
            "7",
            &text.replace("\"v\":1", "\"v\":2"),
            &text.replace("json", "bson"),
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
