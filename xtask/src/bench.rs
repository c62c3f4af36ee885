//! Builds and starts the runner of `bench/`, a workspace of its own, with the options of the command line.

use std::ffi::OsString;
use std::process::Command;

use crate::context::Context;

/// The options of the runner.
#[derive(Debug, Clone, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// `--quick`, `--rounds N`, `--only SUBSTRING`, `--no-write`, `--instructions`; `--help` tells more.
    #[arg(
        value_name = "OPTION",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    arguments: Vec<OsString>,
}

/// Runs it to its end, in this terminal; false where it failed.
pub(crate) fn run(options: &Options) -> Result<bool, String> {
    let context = Context::read()?;
    let bench = context.root.join("bench");
    let mut build =
        context.cargo("build --quiet --release --locked --package runner --target-dir target");
    Ok(finish(build.current_dir(&bench))? && {
        let mut runner = context.command(bench.join("target/release/runner"));
        finish(runner.args(&options.arguments))?
    })
}

fn finish(command: &mut Command) -> Result<bool, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status();
    let status = status.map_err(|error| format!("{program} does not run: {error}"))?;
    Ok(status.success())
}
