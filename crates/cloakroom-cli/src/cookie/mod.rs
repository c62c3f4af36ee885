//! `cloakroom cookie`: explains, verifies and signs the cookies of sessions.

mod accepted;
mod args;
mod back;
mod chain;
mod curl;
mod explain;
mod field;
mod har;
mod recording;
mod report;
mod request;
mod sent;
mod session;
mod sign;
mod site;
mod situation;
mod situations;
mod stored;
mod verify;

use std::process::ExitCode;

use crate::problem::Problem;

/// The subcommands of `cloakroom cookie`.
#[derive(clap::Subcommand)]
pub(crate) enum CookieCommand {
    /// Explain why a cookie was not set, not sent back, or opens no session
    ///
    /// The first sentence is the cause. The stages follow: sent by the server, stored by the browser, sent
    /// back, accepted by the server, session in the store; as many as the flags have facts for.
    ///
    /// Exit codes: 0 the cookie is lost nowhere, 4 it is, 1 something failed, 2 the command was typed wrongly.
    Explain(Box<args::ExplainOptions>),
    /// Check the signature of a cookie's value, and say which secret made it
    ///
    /// The value is read from standard input: a signed cookie is a ticket to its session, and other users of
    /// the machine can see flags.
    ///
    /// Exit codes: 0 signed by the newest secret, 3 by an older one, 4 by none of them, 1 something failed, 2
    /// the command was typed wrongly.
    Verify(verify::VerifyOptions),
    /// Sign a session's id, and print the value of its cookie
    ///
    /// The printed value is a ticket: whoever has it has the session, if there is one of that id.
    Sign(sign::SignOptions),
}

/// Runs a subcommand; the exit code is what it found.
pub(crate) fn run(command: &CookieCommand) -> Result<ExitCode, Problem> {
    match command {
        CookieCommand::Explain(options) => explain::run(options),
        CookieCommand::Verify(options) => verify::run(options),
        CookieCommand::Sign(options) => sign::run(options),
    }
}

/// Reads a line from standard input, without its break.
fn line_of_stdin(what: &str) -> Result<String, Problem> {
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|error| Problem::failed(format!("{what} cannot be read ({error}): pipe it in")))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
