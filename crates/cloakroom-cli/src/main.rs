//! The command `cloakroom`: what was typed goes to the subcommand that it names.

mod cli;
mod demo;
mod problem;

use std::process::ExitCode;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use cli::Command;
use problem::Problem;

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(code) => return code,
    };
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => problem.report(),
    }
}

fn run(command: Command) -> Result<(), Problem> {
    log_to_stderr()?;
    // A provider that is there already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match command {
        Command::Demo(options) => demo::run(&options),
    }
}

/// Writes warnings to standard error, and what `RUST_LOG` asks for besides.
fn log_to_stderr() -> Result<(), Problem> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .from_env()
        .map_err(|error| {
            Problem::usage(format!(
                "RUST_LOG cannot be read ({error}): write for example RUST_LOG=cloakroom=debug"
            ))
        })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}
