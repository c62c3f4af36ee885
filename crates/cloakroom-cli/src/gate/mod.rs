//! `cloakroom gate`: sessions at the edge, for applications in any language.

mod check;
mod options;
mod reload;
mod rules_file;
mod serve;
mod snippet;

use std::process::ExitCode;

pub(crate) use options::GateCommandLine;

use crate::problem::Problem;
use options::GateCommand;

/// Runs the gate until a signal ends it, or one of its subcommands.
pub(crate) fn run(line: &GateCommandLine) -> Result<ExitCode, Problem> {
    match &line.command {
        Some(GateCommand::Check(options)) => return check::run(options),
        Some(GateCommand::Config(options)) => snippet::run(options)?,
        None => serve::run(&line.options)?,
    }
    Ok(ExitCode::SUCCESS)
}
