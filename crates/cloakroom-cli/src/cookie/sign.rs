//! `cloakroom cookie sign`: the value of a cookie, for an id that is given or generated.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use cloakroom::cookie::cookie_value;
use cloakroom::id::{IdGrammar, SessionId};

use crate::output;
use crate::problem::Problem;
use crate::secret_args::SecretArgs;

/// The flags of `cloakroom cookie sign`.
#[derive(clap::Args)]
pub(crate) struct SignOptions {
    /// Generate an id instead of reading one from standard input
    #[arg(long)]
    generate: bool,

    /// Take any id, as Express does
    #[arg(long)]
    any_id: bool,

    #[command(flatten)]
    secrets: SecretArgs,
}

pub(super) fn run(options: &SignOptions) -> Result<ExitCode, Problem> {
    if options.secrets.takes_stdin() && !options.generate {
        return Err(Problem::usage(
            "standard input holds the id: give the secret in a file or in SESSION_SECRET",
        ));
    }
    let secrets = options.secrets.require()?;
    let ring = secrets.rings().next();
    let ring = ring.ok_or_else(|| Problem::usage("the secret is empty: give another"))?;
    let id = id(options)?;
    output::print(&(cookie_value(&id, &ring) + "\n"))?;
    // With standard error closed there is no reader.
    let _ = writeln!(
        std::io::stderr(),
        "warning: this is a live ticket: whoever has it has the session of this id, so keep it out of logs and chats"
    );
    Ok(ExitCode::SUCCESS)
}

fn id(options: &SignOptions) -> Result<SessionId, Problem> {
    if options.generate {
        return Ok(SessionId::random());
    }
    if std::io::stdin().is_terminal() {
        return Err(Problem::usage(
            "no id: pipe one in, or add --generate for a new one",
        ));
    }
    let grammar = if options.any_id {
        IdGrammar::any()
    } else {
        IdGrammar::default()
    };
    SessionId::parse(super::line_of_stdin("the id")?.trim(), &grammar).ok_or_else(|| {
        Problem::usage(
            "the id is not made of 20 to 128 letters, digits, - and _: add --any-id where the server takes others",
        )
    })
}
