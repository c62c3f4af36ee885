//! `cloakroom cookie explain`: facts in, sentences out.

use std::process::ExitCode;
use std::time::SystemTime;

use cloakroom::Timestamp;
use cloakroom::id::IdGrammar;

use super::args::ExplainOptions;
use super::chain::{Chain, explain};
use super::report::{self, Report};
use super::session;
use super::situation::Stage;
use crate::output::{self, Output};
use crate::problem::Problem;

/// Exit code of a cookie that is lost.
const LOST: u8 = 4;

pub(super) fn run(options: &ExplainOptions) -> Result<ExitCode, Problem> {
    let now = SystemTime::now();
    let facts = options.facts(now)?;
    let secrets = options.secrets.read()?;
    let grammar = if options.any_id {
        IdGrammar::any()
    } else {
        IdGrammar::default()
    };
    let mut chain = explain(&facts, &secrets, &grammar);
    look_into_store(options, &facts.name, !secrets.is_empty(), &mut chain)?;
    if options.json {
        output::print_json(&Report::of(&facts.name, &chain))?;
    } else {
        output::print(&report::text(Output::of_stdout(), &chain))?;
    }
    Ok(ExitCode::from(if chain.fails() { LOST } else { 0 }))
}

/// Looks at the last stage, where there is a store and an id that was verified.
fn look_into_store(
    options: &ExplainOptions,
    name: &str,
    is_verified: bool,
    chain: &mut Chain,
) -> Result<(), Problem> {
    let (Some(url), Some(id)) = (&options.store, chain.id.clone()) else {
        return Ok(());
    };
    // An id that nobody signed never reaches a store.
    if !is_verified {
        return Ok(());
    }
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Problem::failed(format!("no threads to ask the store with: {error}")))?;
    let found = runtime.block_on(session::look_up(url, options.prefix.as_deref(), &id))?;
    // The default of the library: a name of one's own is a realm of its own.
    let realm = Some(name).filter(|name| *name != "connect.sid");
    let prefix = options.prefix.as_deref().unwrap_or("sess:");
    let now = Timestamp::from(SystemTime::now());
    chain.add(Stage::Session, session::judge(&found, realm, prefix, now));
    Ok(())
}
