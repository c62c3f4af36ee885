//! The command line; a usage error is reported in one line.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

#[cfg(feature = "console")]
use crate::console::ConsoleOptions;
use crate::cookie::CookieCommand;
use crate::demo::Options;
use crate::doctor::DoctorOptions;
#[cfg(feature = "gate")]
use crate::gate::GateCommandLine;
use crate::generate::{CompletionsOptions, ManOptions};
use crate::migrate::MigrateOptions;
use crate::policy::PolicyCommand;
use crate::problem::Problem;
use crate::sessions::SessionsOptions;

/// Server-side sessions: a shop to see them work, and tools for their cookies, policies and stores.
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
    /// Serve pages on which an operator sees who is signed in, and ends it; on this machine alone
    #[cfg(feature = "console")]
    Console(Box<ConsoleOptions>),
    /// Move all sessions to another store, while both serve
    Migrate(Box<MigrateOptions>),
    /// Stand before an application, or beside another proxy, and let pass whoever may
    #[cfg(feature = "gate")]
    Gate(Box<GateCommandLine>),
    /// Explain, verify and sign session cookies
    #[command(subcommand)]
    Cookie(CookieCommand),
    /// Describe the settings of sessions, and check them against each other
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print a shell's completions of this command
    Completions(CompletionsOptions),
    /// Print this command's man page, or write one for each subcommand
    Man(ManOptions),
}

/// Returns the definitions of the command line.
pub(crate) fn definition() -> clap::Command {
    Cli::command()
}

/// Reads the command line; `Err` is the exit code of one that asks for help or is not understood.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, ExitCode> {
    let args: Vec<OsString> = args.into_iter().collect();
    match Cli::try_parse_from(&args) {
        Ok(cli) => Ok(cli.command),
        Err(error) if is_help(&error) => {
            // With the output closed there is no reader.
            let _ = error.print();
            Err(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)))
        }
        Err(error) => {
            let line = one_line(&error.to_string(), &subcommand(&args));
            Err(Problem::usage(line).report())
        }
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

/// Returns the name of the subcommand that was typed, as far as it is one.
fn subcommand(args: &[OsString]) -> String {
    let mut command = definition();
    let mut name = command.get_name().to_owned();
    for arg in args.iter().skip(1) {
        let Some(next) = command.find_subcommand(arg) else {
            break;
        };
        name = format!("{name} {}", next.get_name());
        command = next.clone();
    }
    name
}

/// Returns clap's error message without the usage that follows, and where help is to be had.
fn one_line(text: &str, subcommand: &str) -> String {
    let said = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty());
    let said: Vec<&str> = said.collect();
    let said = said.join("; ");
    let said = said.strip_prefix("error: ").unwrap_or(&said);
    format!("{said}; see `{subcommand} --help`")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::{Cli, definition, one_line, subcommand};
    use clap::Parser as _;

    /// Returns the line for a command line that is not understood.
    fn line(args: &[&str]) -> String {
        let args = std::iter::once("cloakroom").chain(args.iter().copied());
        let args: Vec<OsString> = args.map(OsString::from).collect();
        let error = Cli::try_parse_from(&args).err().unwrap();
        one_line(&error.to_string(), &subcommand(&args))
    }

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        definition().debug_assert();
    }

    #[test]
    fn a_wrong_flag_is_reported_in_one_line_that_names_its_subcommand() {
        #[rustfmt::skip]
        let table: [(&[&str], &str); 9] = [
            (&["demo", "--adr", "x"],                        "cloakroom demo"),
            (&["demo", "--addr", "nowhere"],                 "cloakroom demo"),
            (&["demo", "--trusted-proxy", "10.0.0.0/99"],    "cloakroom demo"),
            (&["demo", "--store"],                           "cloakroom demo"),
            (&["dmo"],                                       "cloakroom"),
            (&["--verbose", "demo"],                         "cloakroom"),
            (&["cookie", "explain", "--mode", "teleport"],   "cloakroom cookie explain"),
            (&["cookie", "expain"],                          "cloakroom cookie"),
            (&["completions", "tcsh"],                       "cloakroom completions"),
        ];
        for (args, command) in table {
            let line = line(args);
            assert!(!line.contains('\n') && !line.contains("Usage"), "{line}");
            assert!(line.ends_with(&format!("see `{command} --help`")), "{line}");
        }
    }

    /// Options that all subcommands share stand under a heading, behind the subcommand's own.
    #[test]
    fn shared_options_have_a_heading() {
        let command = definition();
        let sessions = command.find_subcommand("sessions").unwrap();
        for subcommand in sessions.get_subcommands() {
            let headed = |name: &str| {
                let mut args = subcommand.get_arguments();
                args.find(|arg| arg.get_long() == Some(name))
                    .and_then(clap::Arg::get_help_heading)
            };
            let name = subcommand.get_name();
            assert_eq!(headed("store"), Some("Store"), "{name}");
            assert_eq!(headed("schema"), Some("Store"), "{name}");
            assert_eq!(headed("reason"), Some("Handles and audit"), "{name}");
            let own = subcommand.get_arguments();
            let own = own.filter(|arg| arg.get_help_heading().is_none());
            assert!(own.count() <= 5, "{name}");
        }
    }

    #[test]
    fn a_secret_is_not_repeated_by_an_error() {
        let line = line(&["demo", "--secret", "--hunter2", "--addr", "x"]);
        assert!(!line.contains("hunter2"), "{line}");
    }
}
