//! `cloakroom doctor`: checks a deployment, and says what mends it. It changes nothing.

mod attributes;
mod check;
mod checks;
mod file;
mod policy;
mod report;
mod site;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use cloakroom::store::inspect::{Facts, ReachError, inspect};

use self::check::{Check, Finding, Level, Verdict};
use self::report::Form;
use crate::output::Style;
use crate::problem::Problem;
use crate::store_args::StoreArgs;

/// The flags of `cloakroom doctor`.
#[derive(clap::Args)]
#[command(
    after_help = "Exit codes: 0 nothing found (notes aside), 1 a warning or an error was found, 2 the \
command was typed wrongly.\nFindings go to standard output; what could not be checked to standard error."
)]
pub(crate) struct DoctorOptions {
    #[command(flatten)]
    store: StoreArgs,

    #[command(flatten)]
    policy: policy::PolicyArgs,

    #[command(flatten)]
    site: site::SiteArgs,

    /// Processes that serve with this store, for the count of connections
    #[arg(long, value_name = "N", default_value_t = 1)]
    processes: u32,

    /// Run these checks alone, by comma: ids, or the beginnings of some (`R`, `S0`)
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    only: Vec<String>,

    /// Leave these checks out
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    skip: Vec<String>,

    /// Print JSON, one finding a line
    #[arg(long)]
    json: bool,

    /// Print the checks, and run none
    #[arg(long)]
    list: bool,
}

/// The outcome of a check that has something to say.
enum Outcome {
    Found(&'static Check, Finding),
    /// Not checked, with the reason.
    Unchecked(&'static Check, &'static str),
}

/// Runs the checks; the exit code says if a fault was found.
pub(crate) fn run(options: &DoctorOptions) -> Result<ExitCode, Problem> {
    options.known_ids()?;
    if options.list {
        list(options);
        return Ok(ExitCode::SUCCESS);
    }
    if options.store.store.is_none() && !options.looks_at_cookies() {
        options.store.url()?;
    }
    let outcomes = options.outcomes()?;
    let _ = report::write(
        &outcomes,
        options.form(),
        &mut io::stdout().lock(),
        &mut io::stderr().lock(),
    );
    let worst = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Found(check, finding) => Some(finding.level.unwrap_or(check.level)),
        Outcome::Unchecked(..) => None,
    });
    let is_ill = worst.max() > Some(Level::Note);
    Ok(if is_ill {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}

fn list(options: &DoctorOptions) {
    use std::io::Write as _;
    let mut out = io::stdout().lock();
    for check in checks::all().filter(|check| options.is_asked_for(check)) {
        // With the output closed there is no reader.
        let _ = writeln!(out, "{} {}  {}", check.id, check.level.mark(), check.title);
    }
}

impl DoctorOptions {
    fn looks_at_cookies(&self) -> bool {
        self.site.is_given() || self.policy.is_given()
    }

    fn form(&self) -> Form {
        if self.json {
            return Form::Json;
        }
        let out = io::stdout();
        let is_terminal = out.is_terminal();
        let width = std::env::var("COLUMNS")
            .ok()
            .and_then(|columns| columns.parse().ok());
        Form::Text {
            width: width.unwrap_or_else(|| {
                if is_terminal {
                    terminal_width().unwrap_or(80)
                } else {
                    usize::MAX
                }
            }),
            colour: matches!(Style::of_stdout(), Style::Terminal),
        }
    }

    fn is_asked_for(&self, check: &Check) -> bool {
        let is_named = |ids: &[String]| {
            ids.iter()
                .any(|id| check.id.starts_with(&*id.to_uppercase()))
        };
        (self.only.is_empty() || is_named(&self.only)) && !is_named(&self.skip)
    }

    /// Refuses ids that are no check's: one misspelt would leave out nothing, or everything.
    fn known_ids(&self) -> Result<(), Problem> {
        let is_known =
            |id: &&String| checks::all().any(|check| check.id.starts_with(&*id.to_uppercase()));
        let mut ids = self.only.iter().chain(&self.skip);
        let unknown = ids.find(|id| id.is_empty() || !is_known(id));
        match unknown {
            None => Ok(()),
            Some(id) => Err(Problem::usage(format!(
                "there is no check {id}: `cloakroom doctor --list` names them"
            ))),
        }
    }

    fn outcomes(&self) -> Result<Vec<Outcome>, Problem> {
        let (mut facts, unreached) = self.store_facts()?;
        let name = self.policy.note(&mut facts)?;
        self.site.note(&name, &mut facts)?;
        facts.set("processes", i64::from(self.processes));
        let kind = self.store.store.as_ref().map(|_| facts.kind());
        let asked = checks::all().filter(|check| self.is_asked_for(check));
        let asked = asked.filter(|check| checks::concerns(check.id, kind));
        Ok(asked
            .filter_map(|check| outcome(check, &facts, unreached.as_ref()))
            .collect())
    }

    /// Returns the facts about the store; of one that cannot be reached there are none, and the reason.
    fn store_facts(&self) -> Result<(Facts, Option<ReachError>), Problem> {
        let Some(url) = &self.store.store else {
            return Ok((Facts::default(), None));
        };
        let runtime = tokio::runtime::Runtime::new()
            .map_err(|error| Problem::failed(format!("no threads to work with: {error}")))?;
        let learned = runtime.block_on(inspect(url, &self.store.options(), &self.store.keys()));
        let mut facts = match learned {
            Ok(facts) => facts,
            Err(error) if error.is_usage() => {
                return Err(Problem::usage(format!("{error}: see --store")));
            }
            Err(error) => return Ok((Facts::new(kind_of(url)), Some(error))),
        };
        if let Some(path) = file::path(url) {
            file::note(&path, &mut facts);
        }
        Ok((facts, None))
    }
}

/// Returns the kind of a store that could not be asked.
fn kind_of(url: &str) -> &'static str {
    match url.split([':', '+']).next() {
        Some("postgres" | "postgresql") => "postgres",
        Some("mongodb") => "mongodb",
        Some("sqlite") => "sqlite",
        _ => "redis",
    }
}

fn outcome(
    check: &'static Check,
    facts: &Facts,
    unreached: Option<&ReachError>,
) -> Option<Outcome> {
    if let (Some(error), false) = (unreached, check.id.starts_with('C')) {
        return Some(match check.id {
            "S01" => Outcome::Found(check, unreachable(error)),
            _ => Outcome::Unchecked(check, "the store cannot be reached"),
        });
    }
    match (check.look)(facts) {
        Some(Verdict::Fine) => None,
        Some(Verdict::Found(finding)) => Some(Outcome::Found(check, finding)),
        None => Some(Outcome::Unchecked(check, reason(check, facts))),
    }
}

fn unreachable(error: &ReachError) -> Finding {
    let mend = match error.step() {
        "the name (DNS)" => "correct the host in the URL, or its entry in DNS",
        "the connection (TCP)" => "start the server, or open the port: nothing listens there",
        "TLS or the login" if error.is_silence() => {
            "see what listens there: it takes the connection and does not answer; it may be busy, stopped, another program, or expect TLS"
        }
        "TLS or the login" => {
            "correct user, password, database or TLS in the URL: the server listens and refuses"
        }
        _ => "correct the path or the rights",
    };
    Finding {
        level: None,
        measured: format!("{} failed: {error}", error.step()),
        mend: mend.to_owned(),
    }
}

/// Returns why a check was not possible.
fn reason(check: &Check, facts: &Facts) -> &'static str {
    match check.id {
        "C01" | "C02" => "no SESSION_SECRET or --secret-file",
        "C09" => "no --policy",
        "C04" => "no --policy, no --url",
        id if id.starts_with('C') && facts.text("site.scheme").is_some() => {
            "the answer says nothing about it"
        }
        id if id.starts_with('C') => "no --url",
        id if id.starts_with('P') && facts.flag("table.there") == Some(false) => {
            "the table is missing"
        }
        _ => "the server does not tell, or this user may not ask",
    }
}

/// Returns the columns of the terminal.
fn terminal_width() -> Option<usize> {
    #[cfg(unix)]
    {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_col > 0).then(|| usize::from(size.ws_col))
    }
    #[cfg(not(unix))]
    None
}
