//! `cloakroom sessions`: the sessions of a store for whoever operates it. They have handles; ids are never
//! printed but by `export`, which says so.

pub(crate) mod audit;
mod end;
mod filter;
pub(crate) mod list;
pub(crate) mod open;
mod progress;
mod scan;
mod show;
mod transfer;
mod watch;
pub(crate) mod write;

use std::path::PathBuf;
use std::process::ExitCode;

use self::audit::Audit;
#[cfg(feature = "console")]
pub(crate) use self::audit::actor;
use self::end::Sure;
use self::filter::Filter;
pub(crate) use self::open::{Access, Opened};
use crate::problem::Problem;
use crate::store_args::StoreArgs;

/// The flags of `cloakroom sessions`.
#[derive(clap::Args)]
#[command(
    after_help = "Exit codes: 0 done, also where nothing was there to be done; 1 it could not be carried out; \
2 the command was typed wrongly.\nHandles are made with the application's secret: SESSION_SECRET, or --secret-file; the demo keeps its own in \
`cloakroom-data/session-secret`.\nIn a pipe every record is a line of JSON, and `count` prints digits alone."
)]
pub(crate) struct SessionsOptions {
    #[command(subcommand)]
    command: SessionsCommand,
}

/// The flags that every subcommand takes.
#[derive(clap::Args)]
struct Common {
    #[command(flatten)]
    store: StoreArgs,

    /// A file of the secrets whose handles are shown, one a line, the newest first
    /// [default: the environment's `SESSION_SECRET`]
    #[arg(
        long,
        help_heading = "Handles and audit",
        value_name = "FILE",
        env = "SESSION_SECRET_FILE"
    )]
    secret_file: Option<PathBuf>,

    /// A file to which acts are appended, a line of JSON each [default: standard error]
    #[arg(
        long,
        help_heading = "Handles and audit",
        value_name = "FILE",
        env = "CLOAKROOM_AUDIT"
    )]
    audit: Option<PathBuf>,

    /// The reason of an act, for the audit
    #[arg(long, help_heading = "Handles and audit", value_name = "TEXT")]
    reason: Option<String>,
}

/// The subcommands.
#[derive(clap::Subcommand)]
enum SessionsCommand {
    #[command(flatten)]
    Look(Look),
    #[command(flatten)]
    Act(Act),
}

/// Those that change nothing.
#[derive(clap::Subcommand)]
enum Look {
    /// List the sessions that match; the dry run of `end`
    List {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        filter: Filter,
        /// Stop after so many
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Print JSON on a terminal as well
        #[arg(long)]
        json: bool,
    },
    /// Count the sessions that match
    Count {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        filter: Filter,
    },
    /// Show one session: its times, its device, the names of its keys
    Show {
        #[command(flatten)]
        common: Common,
        /// The session's handle
        #[arg(allow_hyphen_values = true)]
        handle: String,
        /// Look at this user's sessions alone, which is faster
        #[arg(long, value_name = "USER")]
        user: Option<String>,
    },
    /// Print sessions as they begin, end, and change their user
    Watch {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        filter: Filter,
        /// Look again after this time
        #[arg(long, value_name = "TIME", default_value = "2s", value_parser = interval)]
        every: std::time::Duration,
        /// Stop after so many looks
        #[arg(long, value_name = "N")]
        looks: Option<u64>,
    },
}

/// Those that do, and are recorded in the audit.
#[derive(clap::Subcommand)]
enum Act {
    /// End sessions: those of the handles at once, those that match once --yes has their number
    End {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        sure: Sure,
        /// Handles of sessions; before one that begins with `-` write `--`
        #[arg(value_name = "HANDLE")]
        handles: Vec<String>,
    },
    /// End all sessions of a user, on every server
    EndUser {
        #[command(flatten)]
        common: Common,
        /// The user, as sessions name it
        #[arg(allow_hyphen_values = true)]
        user: String,
        /// Keep the session of this handle
        #[arg(long, value_name = "HANDLE", allow_hyphen_values = true)]
        except: Option<String>,
        /// End nothing, and print how many would end
        #[arg(long)]
        dry_run: bool,
    },
    /// End all sessions
    EndAll {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        sure: Sure,
    },
    /// Delete expired sessions now
    Prune {
        #[command(flatten)]
        common: Common,
    },
    /// Enter sessions into the index of their users again
    Reindex {
        #[command(flatten)]
        common: Common,
    },
    /// Write sessions to a file, ids and all: whoever has it has the sessions
    Export {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        filter: Filter,
        /// A file that does not exist yet, or `-` for a pipe
        file: PathBuf,
    },
    /// Read sessions from a file of `export`; what ended here within the last minute stays ended, and nothing older
    Import {
        #[command(flatten)]
        common: Common,
        /// A file of `export`, or `-` for standard input
        file: PathBuf,
        /// Replace a session that ends earlier than the file's
        #[arg(long)]
        if_newer: bool,
    },
}

/// Parses the time between two looks: a store that is asked without a pause does nothing else.
fn interval(text: &str) -> Result<std::time::Duration, String> {
    let least = std::time::Duration::from_millis(100);
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time < least {
        return Err("give 100ms or more".to_owned());
    }
    Ok(time)
}

/// Runs a subcommand.
pub(crate) fn run(options: &SessionsOptions) -> Result<ExitCode, Problem> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Problem::failed(format!("no threads to work with: {error}")))?;
    runtime.block_on(async {
        match &options.command {
            SessionsCommand::Look(command) => look(command).await,
            SessionsCommand::Act(command) => act(command).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn look(command: &Look) -> Result<(), Problem> {
    use Look as Of;
    match command {
        Of::List {
            common,
            filter,
            limit,
            json,
        } => {
            let opened = Opened::with_secrets(common, Access::Read).await?;
            list::list(&opened, filter, limit.unwrap_or(usize::MAX), *json).await
        }
        Of::Count { common, filter } => {
            list::count(&Opened::open(common, Access::Read).await?, filter).await
        }
        Of::Show {
            common,
            handle,
            user,
        } => {
            show::show(
                &Opened::with_secrets(common, Access::Read).await?,
                handle,
                user.as_deref(),
            )
            .await
        }
        Of::Watch {
            common,
            filter,
            every,
            looks,
        } => {
            let opened = Opened::with_secrets(common, Access::Read).await?;
            watch::watch(&opened, filter, *every, looks.unwrap_or(u64::MAX)).await
        }
    }
}

async fn act(command: &Act) -> Result<(), Problem> {
    use Act as Of;
    match command {
        Of::End {
            common,
            filter,
            sure,
            handles,
        } if handles.is_empty() => {
            let access = access_of(sure.is_dry());
            let (opened, audit) = (Opened::open(common, access).await?, Audit::of(common)?);
            end::matching(&opened, filter, sure, &audit).await
        }
        Of::End {
            common,
            filter,
            handles,
            sure,
        } => {
            let access = access_of(sure.dry_run);
            let opened = Opened::with_secrets(common, access).await?;
            let audit = Audit::of(common)?;
            end::named(&opened, filter, handles, sure.dry_run, &audit).await
        }
        Of::EndUser {
            common,
            user,
            except,
            dry_run,
        } => {
            let access = access_of(*dry_run);
            let (opened, audit) = (
                open_for(common, except.as_deref(), access).await?,
                Audit::of(common)?,
            );
            end::of_user(&opened, user, except.as_deref(), *dry_run, &audit).await
        }
        Of::EndAll { common, sure } => {
            let access = access_of(sure.is_dry());
            let (opened, audit) = (Opened::open(common, access).await?, Audit::of(common)?);
            end::everything(&opened, sure, &audit).await
        }
        Of::Prune { common } => {
            write::prune(
                &Opened::open(common, Access::Write).await?,
                &Audit::of(common)?,
            )
            .await
        }
        Of::Reindex { common } => {
            write::reindex(
                &Opened::open(common, Access::Write).await?,
                &Audit::of(common)?,
            )
            .await
        }
        Of::Export {
            common,
            filter,
            file,
        } => {
            transfer::export(
                &Opened::open(common, Access::Read).await?,
                filter,
                file,
                &Audit::of(common)?,
            )
            .await
        }
        Of::Import {
            common,
            file,
            if_newer,
        } => {
            transfer::import(
                &Opened::open(common, Access::Write).await?,
                file,
                *if_newer,
                &Audit::of(common)?,
            )
            .await
        }
    }
}

/// Opens the store; a handle needs the secrets.
async fn open_for(
    common: &Common,
    handle: Option<&str>,
    access: Access,
) -> Result<Opened, Problem> {
    match handle {
        Some(_) => Opened::with_secrets(common, access).await,
        None => Opened::open(common, access).await,
    }
}

/// Returns the rights that an ending needs.
fn access_of(is_dry: bool) -> Access {
    if is_dry { Access::Read } else { Access::Write }
}
