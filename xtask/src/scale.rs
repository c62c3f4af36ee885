//! Stores as they grow, and the manual's tables of their figures.
//!
//! The package `bench/scale` measures, in a workspace of its own, and writes `bench/SCALE.md`. From the
//! figures at its end follow the tables of the manual's page "Sizing a fleet".

mod command;
mod moves;
mod page;
mod section;
mod sizing;

use std::fs;

use crate::context::Context;

/// The measurements to take, or the update of the manual.
#[derive(Debug, Clone, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags of the command line, which exclude each other"
)]
pub(crate) struct Options {
    /// Up to 100,000 sessions, in less than two minutes.
    #[arg(long)]
    quick: bool,
    /// One store alone.
    #[arg(long, value_name = "STORE", value_parser = ["memory", "sqlite", "redis", "postgres"])]
    only: Option<String>,
    /// Measure nothing: write the figures of bench/SCALE.md into the manual and compute its tables.
    #[arg(long, conflicts_with_all = ["quick", "only"])]
    page: bool,
    /// Measure moves to another store alone, which takes a quarter of an hour, and write them into
    /// bench/SCALE.md.
    #[arg(long, conflicts_with_all = ["quick", "only", "page"])]
    migrate: bool,
    /// Measure the command at many sessions alone, which takes a quarter of an hour, and write it into
    /// bench/SCALE.md.
    #[arg(long, conflicts_with_all = ["quick", "only", "page", "migrate"])]
    command: bool,
    /// Sessions of a move, or of a store that the command works on.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    sessions: u64,
}

/// The page that a whole run writes.
const FIGURES: &str = "bench/SCALE.md";
/// The manual's page that is computed from it.
const MANUAL: &str = "crates/cloakroom/src/manual/sizing.md";

/// Measures and writes `bench/SCALE.md`, or what is below `bench/target` where the run is not a whole
/// one; whether every line holds.
///
/// # Errors
///
/// If a file cannot be read or written, or Cargo does not start.
pub(crate) fn run(options: &Options) -> Result<bool, String> {
    let context = Context::read()?;
    if options.page {
        return bring_up_to_date(&context).map(|()| true);
    }
    let page = context.root.join(FIGURES);
    if options.migrate {
        return moves::measure(&context, &page, options.sessions);
    }
    if options.command {
        return command::measure(&context, &page, options.sessions);
    }
    // The moves and the command are measured by themselves.
    let before = fs::read_to_string(&page).unwrap_or_default();
    let work = context.root.join("bench/target/scale");
    fs::create_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let whole = !options.quick && options.only.is_none();
    let out = if whole {
        page.clone()
    } else {
        work.join("SCALE.md")
    };
    let mut command = context.cargo("run --quiet --release --package scale --target-dir target --");
    command.current_dir(context.root.join("bench"));
    command.arg("--out").arg(out).arg("--work").arg(&work);
    command.args(options.quick.then_some("--quick"));
    if let Some(only) = &options.only {
        command.args(["--only", only]);
    }
    let ran = command.status().map_err(|error| error.to_string())?;
    if whole {
        for heading in [moves::HEADING, command::HEADING] {
            if let Some(kept) = section::of(&before, heading) {
                section::write(&page, heading, kept)?;
            }
        }
    }
    Ok(ran.success())
}

fn bring_up_to_date(context: &Context) -> Result<(), String> {
    let (figures, manual) = (context.root.join(FIGURES), context.root.join(MANUAL));
    let read = |path| fs::read_to_string(path).map_err(|error| error.to_string());
    let page = page::update(&read(&manual)?, &read(&figures)?)?;
    fs::write(&manual, page).map_err(|error| error.to_string())?;
    println!("{MANUAL} is up to date with {FIGURES}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{FIGURES, MANUAL, page};

    /// A slip of the pen in the page, or a formula that was changed without it, shows here.
    #[test]
    fn the_manual_s_tables_follow_from_their_inputs() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let manual = fs::read_to_string(root.join(MANUAL)).unwrap();
        let figures = fs::read_to_string(root.join(FIGURES)).unwrap();
        let current = page::update(&manual, &figures).unwrap();
        for (is, should) in manual.lines().zip(current.lines()) {
            assert_eq!(is, should, "run `cargo xtask scale --page`");
        }
        assert_eq!(manual.len(), current.len());
    }
}
