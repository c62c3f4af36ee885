//! The command line; a usage error is reported in one line.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::demo::Options;
use crate::doctor::DoctorOptions;
use crate::problem::Problem;
use crate::sessions::SessionsOptions;

/// Server-side sessions: a shop to see them work.
#[derive(Parser)]
#[command(name = "cloakroom", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The subcommands.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Serve a small shop that shows what sessions are for
    Demo(Options),
    /// Check a deployment: the store, its server, the cookie, the site; changes nothing
    Doctor(Box<DoctorOptions>),
    /// List, end, count, export and import sessions: by handles, never by ids
    Sessions(Box<SessionsOptions>),
}

/// Reads the command line; `Err` is the exit code of one that asks for help or is not understood.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, ExitCode> {
    match Cli::try_parse_from(args) {
        Ok(cli) => Ok(cli.command),
        Err(error) if is_help(&error) => {
            // With the output closed there is no reader.
            let _ = error.print();
            Err(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)))
        }
        Err(error) => Err(Problem::usage(one_line(&error.to_string())).report()),
    }
}

fn is_help(error: &clap::Error) -> bool {
    use clap::error::ErrorKind::{
        DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion,
    };
    matches!(
        error.kind(),
        DisplayHelp | DisplayVersion | DisplayHelpOnMissingArgumentOrSubcommand
    )
}

/// Returns clap's error message without the usage that follows.
fn one_line(text: &str) -> String {
    let said = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty());
    let said: Vec<&str> = said.collect();
    let said = said.join("; ");
    let said = said.strip_prefix("error: ").unwrap_or(&said);
    format!("{said}; see `cloakroom demo --help`")
}

#[cfg(test)]
mod tests {
    use super::{Cli, one_line};
    use clap::{CommandFactory as _, Parser as _};

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_wrong_flag_is_reported_in_one_line() {
        for args in [
            &["demo", "--adr", "x"][..],
            &["demo", "--addr", "nowhere"],
            &["demo", "--trusted-proxy", "10.0.0.0/99"],
            &["demo", "--store"],
            &["dmo"],
        ] {
            let args = std::iter::once("cloakroom").chain(args.iter().copied());
            let error = Cli::try_parse_from(args).err().unwrap();
            let line = one_line(&error.to_string());
            assert!(!line.contains('\n') && !line.contains("Usage"), "{line}");
            assert!(line.ends_with("see `cloakroom demo --help`"), "{line}");
        }
    }

    #[test]
    fn a_secret_is_not_repeated_by_an_error() {
        let typed = ["cloakroom", "demo", "--secret", "--hunter2", "--addr", "x"];
        let error = Cli::try_parse_from(typed).err().unwrap();
        assert!(!one_line(&error.to_string()).contains("hunter2"));
    }
}
