//! `export`: the sessions that match, to a file of their owner's alone.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::Path;

use super::line;
use crate::problem::Problem;
use crate::sessions::audit::Audit;
use crate::sessions::filter::Filter;
use crate::sessions::list::{sessions, words};
use crate::sessions::open::Opened;
use crate::sessions::progress::{Progress, Total};
use crate::sessions::scan::Scan;

/// Writes the sessions that match to a file of their owner's alone.
pub(in crate::sessions) async fn export(
    opened: &Opened,
    filter: &Filter,
    file: &Path,
    audit: &Audit<'_>,
) -> Result<(), Problem> {
    let mut out = BufWriter::new(target(file)?);
    let progress = Progress::of("exporting", Total::Unknown);
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
        progress.at(written);
    }
    progress.end();
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
