//! The command `cloakroom`: parses the command line and runs the subcommand.

mod address;
mod cli;
mod connections;
#[cfg(feature = "console")]
mod console;
mod cookie;
mod demo;
mod doctor;
#[cfg(feature = "gate")]
mod gate;
mod generate;
#[cfg(feature = "prometheus")]
mod metrics;
mod migrate;
mod output;
mod policy;
mod problem;
mod secret_args;
mod serve;
mod sessions;
mod store_args;

use std::process::ExitCode;

use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use cli::Command;
use output::Style;
use problem::Problem;

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(code) => return code,
    };
    match run(command) {
        Ok(code) => code,
        Err(problem) => problem.report(),
    }
}

fn run(command: Command) -> Result<ExitCode, Problem> {
    log_to_stderr()?;
    // A provider that is there already is as good.
    #[cfg(any(feature = "redis", feature = "postgres", feature = "mongodb"))]
    let _ = rustls::crypto::ring::default_provider().install_default();
    match command {
        Command::Demo(options) => demo::run(&options)?,
        Command::Doctor(options) => return doctor::run(&options),
        Command::Sessions(options) => return sessions::run(&options),
        #[cfg(feature = "console")]
        Command::Console(options) => console::run(&options)?,
        Command::Migrate(options) => return migrate::run(&options),
        #[cfg(feature = "gate")]
        Command::Gate(options) => return gate::run(&options),
        Command::Cookie(command) => return cookie::run(&command),
        Command::Policy(command) => return policy::run(&command),
        Command::Completions(options) => generate::completions(&options, cli::definition())?,
        Command::Man(options) => generate::man(&options, cli::definition())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes warnings to standard error, and what `RUST_LOG` asks for besides.
fn log_to_stderr() -> Result<(), Problem> {
    let asked = std::env::var("RUST_LOG").unwrap_or_default();
    let filter = filter(&asked).map_err(|error| {
        Problem::usage(format!(
            "RUST_LOG cannot be read ({error}): write for example RUST_LOG=cloakroom=debug"
        ))
    })?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(Style::of_stderr() == Style::Terminal);
    let subscriber = tracing_subscriber::registry().with(lines).with(filter);
    subscriber.init();
    Ok(())
}

/// Reads what `RUST_LOG` asks for: levels by target; warnings of those that it does not name.
fn filter(asked: &str) -> Result<Targets, ParseError> {
    let targets = match asked.trim() {
        "" => Targets::new(),
        asked => asked.parse()?,
    };
    Ok(match targets.default_level() {
        Some(_) => targets,
        None => targets.with_default(LevelFilter::WARN),
    })
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::LevelFilter;

    #[test]
    fn warnings_are_shown_unless_something_else_is_asked_for() {
        for (asked, level) in [
            ("", LevelFilter::WARN),
            (" ", LevelFilter::WARN),
            ("cloakroom=debug", LevelFilter::WARN),
            ("info,cloakroom=trace", LevelFilter::INFO),
            ("off", LevelFilter::OFF),
        ] {
            let filter = super::filter(asked).unwrap();
            assert_eq!(filter.default_level(), Some(level), "{asked}");
        }
        super::filter("cloakroom=loud").unwrap_err();
    }
}
