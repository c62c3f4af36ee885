//! `cloakroom policy`: what the settings of sessions come to, and whether they contradict each other.

mod check;
mod describe;
mod rules;
mod settings;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::problem::Problem;
use settings::Settings;

/// The subcommands of `cloakroom policy`.
#[derive(clap::Subcommand)]
pub(crate) enum PolicyCommand {
    /// Print what the settings come to, defaults included
    Describe(PolicyOptions),
    /// Look for settings that contradict each other, or that nobody means
    ///
    /// Exit codes: 0 nothing was found, 3 warnings, 4 contradictions, 1 something failed, 2 the command was
    /// typed wrongly.
    Check(PolicyOptions),
}

/// The settings, and the form of the output.
#[derive(clap::Args)]
pub(crate) struct PolicyOptions {
    /// TOML file of settings, named as the library's methods, `idle_timeout = "30m"`; `-` is standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// A setting, which goes before the file's; repeatable
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,

    /// Start from express-session's behaviour (`Policy::express`)
    #[arg(long)]
    express: bool,

    /// Print JSON: one line for the description, one for each finding
    #[arg(long)]
    json: bool,
}

impl PolicyOptions {
    fn settings(&self) -> Result<Settings, Problem> {
        let mut settings = Settings::read(self.file.as_deref(), &self.set)?;
        settings.express |= self.express;
        Ok(settings)
    }
}

/// Runs a subcommand; the exit code is what it found.
pub(crate) fn run(command: &PolicyCommand) -> Result<ExitCode, Problem> {
    match command {
        PolicyCommand::Describe(options) => describe::run(&options.settings()?, options.json),
        PolicyCommand::Check(options) => check::run(&options.settings()?, options.json),
    }
}
