//! `cloakroom migrate`: moves the sessions of one store to another while both serve. Ids are never printed.

mod cutover;
mod decide;
mod digest;
mod dry_run;
mod endings;
mod ends;
mod grouped;
mod hashed;
mod journal;
mod mover;
mod pace;
mod phases;
mod report;
mod settings;
mod tally;
mod verified;
mod verify;
mod work;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use cloakroom::record::UserKeys;
use cloakroom::store::{AnyStore, Store as _};

use self::cutover::Cutover;
use self::ends::{Ends, patiently};
use self::journal::{Journal, Phase};
use self::mover::Mover;
use self::pace::Latency;
use self::phases::Last;
use self::report::{Report, Summary};
pub(crate) use self::settings::MigrateOptions;
use self::settings::{Ids, Place};
use crate::problem::{Problem, with_causes};
use crate::sessions::audit::Audit;
use crate::sessions::open::{failed, of_this_run, secrets};

/// Exit code of a move that has left sessions behind.
const WITH_REJECTS: u8 = 4;

/// Moves the sessions.
pub(crate) fn run(options: &MigrateOptions) -> Result<ExitCode, Problem> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Problem::failed(format!("no threads to work with: {error}")))?;
    runtime.block_on(migrate(options))
}

async fn migrate(options: &MigrateOptions) -> Result<ExitCode, Problem> {
    let (from, to) = options.places()?;
    let keys = match &options.user_keys[..] {
        [] => UserKeys::default(),
        keys => UserKeys::new(keys),
    };
    if options.dry_run {
        let source = open("FROM", &from, &keys).await?;
        let json = options.json || !io::stdout().is_terminal();
        dry_run::dry_run(&source, &keys, json).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let audit = Audit::open(options.audit.as_deref(), options.reason.as_deref())?;
    let mut mover = begin(options, &from, &to, keys).await?;
    let last = match (options.cutover, options.follow) {
        (true, _) => Last::Now,
        (_, true) => Last::After(Cutover::listen()?),
        _ => Last::AtOnce,
    };
    let ran = mover.run(last, options.settle, options.verify).await;
    // Also of a move that has failed: it may have come far.
    audit.record(
        "sessions_migrated",
        "",
        &[],
        mover.journal.state.tally().moved(),
    );
    let verified = ran?;
    let rejects_file = rejects_file(options);
    let rejected = mover.write_rejects(&rejects_file)?;
    let state = &mover.journal.state;
    let differ = verified.as_ref().map_or(0, verified::Verified::differ);
    mover.report.summary(&Summary {
        state,
        rejected,
        rejects_file: rejects_file.display().to_string(),
        verified,
    })?;
    match (differ, rejected) {
        (0, 0) => Ok(ExitCode::SUCCESS),
        (0, _) => Ok(ExitCode::from(WITH_REJECTS)),
        _ => Err(Problem::failed(format!(
            "{differ} sessions are not at the target as they are at the source: another program writes to one of them"
        ))),
    }
}

/// Opens both stores and the journal.
async fn begin(
    options: &MigrateOptions,
    from: &Place<'_>,
    to: &Place<'_>,
    user_keys: UserKeys,
) -> Result<Mover, Problem> {
    let report = Report::new(options.json);
    let source = open("FROM", from, &user_keys).await?;
    if let Some(warning) = hashed::check(&source, options.ids).await? {
        report.say(warning);
    }
    let target = open("TO", to, &user_keys).await?;
    let is_new = !options.state.exists();
    if is_new && !options.merge {
        refuse_filled(&target).await?;
    }
    let ids = match options.ids {
        Ids::Same => "same",
        Ids::Hash => "hash",
    };
    let identity = [&from.identity(), &to.identity(), ids].join("\u{1e}");
    let journal = Journal::open(&options.state, &identity)?;
    if !is_new && journal.state.phase == Phase::Done {
        report.say(&format!(
            "this move is complete: delete {} to begin another",
            options.state.display()
        ));
    }
    let secrets = match secrets(options.secret_file.as_deref())? {
        Some(secrets) => secrets,
        None => of_this_run()?,
    };
    Ok(Mover {
        ends: Ends { source, target },
        journal,
        settings: options.settings(),
        user_keys,
        secrets,
        report,
        latency: Latency::default(),
        counted: Instant::now(),
        reforms: None,
    })
}

async fn open(name: &str, place: &Place<'_>, keys: &UserKeys) -> Result<AnyStore, Problem> {
    let store = AnyStore::connect_with(place.url, &place.options).await;
    let store =
        store.map_err(|error| Problem::failed(format!("{name}: {}", with_causes(&error))))?;
    store.set_user_keys(keys);
    Ok(store)
}

/// Refuses a target with sessions of which the journal knows nothing: those that ended since would come back.
async fn refuse_filled(target: &AnyStore) -> Result<(), Problem> {
    let count = patiently(|| target.count()).await;
    match count.map_err(|error| failed(&error))? {
        0 => Ok(()),
        count => Err(Problem::failed(format!(
            "TO holds {count} sessions already, and some of them may have ended at FROM: empty it with `cloakroom sessions end-all`, or add --merge"
        ))),
    }
}

fn rejects_file(options: &MigrateOptions) -> PathBuf {
    options.rejects.clone().unwrap_or_else(|| {
        let mut path = options.state.clone().into_os_string();
        path.push(".rejects");
        path.into()
    })
}
