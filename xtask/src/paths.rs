//! The library's paths, counted in instructions under callgrind and compared with a table in the repository.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::context::Context;
use crate::counts::Counts;
use crate::steps::Done;

const TABLE: &str = "bench/PATHS.md";
/// Percentage by which a path may grow before its row has to be changed in the same commit.
const TOLERANCE: u64 = 5;
/// A path is gone so many times, and so many; what a start costs is in both, and falls out.
const TIMES: [u64; 2] = [200, 1200];

/// The use of the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub(crate) struct Options {
    /// Write the table instead of comparing the paths with it.
    #[arg(long)]
    write: bool,
}

/// A path, and what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    path: String,
    instructions: u64,
    about: String,
}

/// Counts every path, and compares it with the table or writes that.
pub(crate) fn run(options: Options) -> Result<bool, String> {
    let mut context = Context::read()?;
    context.begin("paths")?;
    let counted = count(&context)?;
    if options.write {
        fs::write(
            context.root.join(TABLE),
            page(&counted, &compiler(&context)?),
        )
        .map_err(|error| format!("{TABLE} cannot be written: {error}"))?;
    }
    let held = read(&context.root)?;
    print!("{}", rows(&counted));
    let grown = grown(&counted, &held);
    print!("{}", grown.concat());
    Ok(grown.is_empty())
}

/// The step of the tests.
pub(crate) fn step(context: &Context) -> Result<Done, String> {
    let (counted, held) = (count(context)?, read(&context.root)?);
    let grown = grown(&counted, &held);
    Ok(Done {
        counts: Counts {
            passed: (counted.len() - grown.len()),
            failed: grown.len(),
            ..Counts::default()
        },
        note: grown.concat(),
    })
}

fn count(context: &Context) -> Result<Vec<Row>, String> {
    let bench = context.root.join("bench");
    let mut build = context.cargo("build --release --locked --package paths --target-dir target");
    context.require(build.current_dir(&bench))?;
    let target = bench.join("target");
    let program = target.join("release/paths");
    let listed = context.require(&mut context.command(&program))?;
    let paths = listed.lines().filter_map(|line| line.split_once('\t'));
    paths
        .map(|(path, about)| {
            let [few, many] = TIMES.map(|times| total(context, &program, path, times));
            Ok(Row {
                path: path.to_owned(),
                instructions: many?.saturating_sub(few?) / (TIMES[1] - TIMES[0]),
                about: about.to_owned(),
            })
        })
        .collect()
}

/// The instructions of a whole run.
fn total(context: &Context, program: &Path, path: &str, times: u64) -> Result<u64, String> {
    let profile = context.logs().join("callgrind.out");
    let mut command = context.command("valgrind");
    command
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        .args([path, &times.to_string()]);
    context.require(&mut command)?;
    let text = fs::read_to_string(&profile)
        .map_err(|error| format!("callgrind wrote no profile: {error}"))?;
    sum_of(&text).ok_or_else(|| "callgrind's profile has no sum".to_owned())
}

fn sum_of(profile: &str) -> Option<u64> {
    let sum = |line: &str| line.strip_prefix("totals: ")?.trim().parse().ok();
    profile.lines().find_map(sum)
}

fn compiler(context: &Context) -> Result<String, String> {
    let said = context.require(context.command("rustc").arg("--version"))?;
    Ok(said.trim().to_owned())
}

fn read(root: &Path) -> Result<Vec<Row>, String> {
    let page = fs::read_to_string(root.join(TABLE))
        .map_err(|error| format!("{TABLE} cannot be read: {error}"))?;
    Ok(page.lines().filter_map(row).collect())
}

fn row(line: &str) -> Option<Row> {
    let mut cells = line
        .strip_prefix("| `")?
        .trim_end_matches(" |")
        .split(" | ");
    Some(Row {
        path: cells.next()?.strip_suffix('`')?.to_owned(),
        instructions: cells.next()?.replace(',', "").parse().ok()?,
        about: cells.next()?.to_owned(),
    })
}

/// Returns one line for each path that the table does not allow.
fn grown(counted: &[Row], held: &[Row]) -> Vec<String> {
    let judge = |row: &Row| {
        let Some(line) = held.iter().find(|held| held.path == row.path) else {
            return Some(format!(
                "{}: not in {TABLE}: cargo xtask paths --write\n",
                row.path
            ));
        };
        let limit = line.instructions * (100 + TOLERANCE) / 100;
        (row.instructions > limit).then(|| {
            format!(
                "{}: {} instructions, {} in {TABLE}: reduce it, or write the table again and say why in the commit\n",
                row.path, row.instructions, line.instructions
            )
        })
    };
    counted.iter().filter_map(judge).collect()
}

fn page(rows_counted: &[Row], compiler: &str) -> String {
    format!(
        "# Instructions of the library's paths\n\n\
         In one process, without a server or a network: `cargo xtask paths` counts them under callgrind, and CI fails when\n\
         one grows by more than {TOLERANCE} % and this table is not changed in the same commit (`cargo xtask paths --write`).\n\
         Counted with {compiler}. SHA-256 runs in software under callgrind: the two blocks of a signature are 6,800\n\
         instructions here, and some 300 on a processor that has them built in.\n\n\
         | path | instructions | what it is |\n|---|---|---|\n{}",
        rows(rows_counted)
    )
}

fn rows(rows: &[Row]) -> String {
    let mut text = String::new();
    for Row {
        path,
        instructions,
        about,
    } in rows
    {
        // A String takes whatever is written to it.
        let _ = writeln!(
            text,
            "| `{path}` | {} | {about} |",
            thousands(*instructions)
        );
    }
    text
}

fn thousands(number: u64) -> String {
    match number {
        0..=999 => number.to_string(),
        _ => format!("{},{:03}", thousands(number / 1000), number % 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str, instructions: u64) -> Row {
        Row {
            path: path.to_owned(),
            instructions,
            about: "what it is".to_owned(),
        }
    }

    #[test]
    fn a_page_is_read_as_it_was_written() {
        let rows = [
            line("ticket", 9_559),
            line("read", 1_234_567),
            line("none", 12),
        ];
        let page = page(&rows, "rustc 1.95.0");
        let read: Vec<Row> = page.lines().filter_map(row).collect();
        assert_eq!(read, rows);
        assert!(page.contains("| `read` | 1,234,567 |"));
    }

    #[test]
    fn a_path_may_grow_by_five_percent_and_no_more() {
        let held = [line("ticket", 1000)];
        for (instructions, is_grown) in [(900, false), (1050, false), (1051, true)] {
            let grown = grown(&[line("ticket", instructions)], &held);
            assert_eq!(!grown.is_empty(), is_grown, "{instructions}");
        }
        assert!(!grown(&[line("another", 1)], &held).is_empty());
    }

    #[test]
    fn callgrinds_total_is_parsed() {
        assert_eq!(sum_of("events: Ir\nfn=x\n1 2\ntotals: 4711\n"), Some(4711));
        assert_eq!(sum_of("events: Ir\n"), None);
    }
}
