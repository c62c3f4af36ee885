//! The endings: idempotent, counted, and read back before they are reported.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::SessionId;
use cloakroom::manager::{end_sessions, is_as_expected};
use cloakroom::store::Store;

use super::audit::Audit;
use super::filter::Filter;
use super::list::{matching as count_matching, println, sessions, words};
use super::open::{Opened, failed};
use super::progress::{Progress, Total};
use super::scan::{Row, Scan};
use super::show::find;
use crate::problem::Problem;

/// The consent to an ending of many.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(super) struct Sure {
    /// End them: the number that the dry run without this flag printed; refused if it is off by more than a tenth
    #[arg(long, value_name = "N")]
    yes: Option<u64>,

    /// End nothing, and print how many would end: what is done without --yes
    #[arg(long, conflicts_with = "yes")]
    pub(super) dry_run: bool,

    /// End so many a second at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
}

impl Sure {
    /// Returns `true` if nothing is to be ended.
    pub(super) fn is_dry(self) -> bool {
        self.yes.is_none()
    }
}

/// Ends the sessions that match, in batches; without consent it prints their number.
pub(super) async fn matching(
    opened: &Opened,
    filter: &Filter,
    sure: &Sure,
    audit: &Audit<'_>,
) -> Result<(), Problem> {
    if filter.is_empty() {
        let mend = "give handles, or a filter; `cloakroom sessions end-all` ends all";
        return Err(Problem::usage(format!(
            "nothing says which sessions to end: {mend}"
        )));
    }
    end_many(opened, filter, sure, audit, "sessions_ended").await
}

/// Ends all sessions.
pub(super) async fn everything(
    opened: &Opened,
    sure: &Sure,
    audit: &Audit<'_>,
) -> Result<(), Problem> {
    end_many(
        opened,
        &Filter::default(),
        sure,
        audit,
        "all_sessions_ended",
    )
    .await
}

async fn end_many(
    opened: &Opened,
    filter: &Filter,
    sure: &Sure,
    audit: &Audit<'_>,
    act: &str,
) -> Result<(), Problem> {
    let found = count_matching(opened, filter).await?;
    let Some(typed) = sure.yes else {
        return println(&dry_run(found, &words(filter), Some("--yes")));
    };
    if !is_as_expected(typed, found) {
        audit.refused(act, &words(filter), found);
        return Err(Problem::failed(format!(
            "{found} {} match, not {typed}: nothing was ended; look with `cloakroom sessions list`, then give --yes {found}",
            sessions(found)
        )));
    }
    let progress = Progress::of("ending", Total::Known(found));
    let (mut scan, mut ended) = (Scan::new(opened, filter), 0);
    while let Some(rows) = scan.page().await? {
        let ids: Vec<SessionId> = rows.into_iter().map(|row| row.id).collect();
        let some = end_batch(opened, &ids).await;
        ended += some.as_ref().copied().unwrap_or(0);
        if let Err(problem) = some {
            audit.record(act, &words(filter), &[], ended);
            return Err(problem);
        }
        progress.at(ended);
        pause(sure.rate, ids.len()).await;
    }
    progress.end();
    audit.record(act, &words(filter), &[], ended);
    println(&format!("{ended} {} ended", sessions(ended)))?;
    Ok(())
}

/// Returns the line of a dry run; `consent` is the flag that ends them, where they are not named.
fn dry_run(found: u64, words: &str, consent: Option<&str>) -> String {
    let nouns = sessions(found);
    match (found, consent) {
        (0, _) => format!("no session matches ({words})"),
        (_, None) => format!("{found} {nouns} would end ({words})"),
        (_, Some(flag)) => format!("{found} {nouns} would end ({words}); add {flag} {found}"),
    }
}

/// Waits as long as so many endings may take.
async fn pause(rate: Option<u32>, ended: usize) {
    if let Some(rate) = rate {
        let ended = u32::try_from(ended).unwrap_or(u32::MAX);
        tokio::time::sleep(Duration::from_secs(1) * ended / rate).await;
    }
}

/// Ends sessions, and asks the store once if any is still there.
async fn end_batch(opened: &Opened, ids: &[SessionId]) -> Result<u64, Problem> {
    let store: Arc<dyn Store> = Arc::new(opened.store.clone());
    let done = end_sessions(&store, ids)
        .await
        .map_err(|error| failed(&error))?;
    match done.left {
        0 => Ok(done.ended),
        left => Err(Problem::failed(format!(
            "{left} of {} are there again after they were ended: another program writes them back; set mixed_fleet, or stop it",
            ids.len()
        ))),
    }
}

/// Ends the sessions of these handles; one that is not there is no error.
pub(super) async fn named(
    opened: &Opened,
    filter: &Filter,
    handles: &[String],
    is_dry: bool,
    audit: &Audit<'_>,
) -> Result<(), Problem> {
    let (rows, fault) = all_of(opened, filter, handles).await?;
    if is_dry {
        return println(&dry_run(rows.len() as u64, "by handle", None));
    }
    let ids: Vec<SessionId> = rows.iter().map(|row| row.id.clone()).collect();
    let ended = end_batch(opened, &ids).await?;
    let known: Vec<String> = rows.into_iter().map(|row| row.summary.handle).collect();
    audit.record("sessions_ended", "by handle", &known, ended);
    println(&format!("{ended} {} ended", sessions(ended)))?;
    let missing = handles.len().saturating_sub(known.len());
    if missing > 0 {
        let why = fault.unwrap_or("ended already, or no handle of this store and secret");
        println(&format!("{missing} not there: {why}"))?;
    }
    Ok(())
}

/// Returns the sessions of these handles, in one pass over the store, and what is wrong with the secret.
async fn all_of(
    opened: &Opened,
    filter: &Filter,
    handles: &[String],
) -> Result<(Vec<Row>, Option<&'static str>), Problem> {
    let (mut scan, mut found) = (Scan::new(opened, filter), Vec::<Row>::new());
    while let Some(rows) = scan.page().await? {
        let is_named = |row: &Row| handles.iter().any(|handle| row.summary.is_called(handle));
        for row in rows.into_iter().filter(is_named) {
            // A scan may return a session twice.
            if found.iter().all(|known| known.id != row.id) {
                found.push(row);
            }
        }
        if found.len() == handles.len() {
            break;
        }
    }
    Ok((found, scan.secret_fault()))
}

/// Ends all sessions of a user but one: those that are found, so that they stay ended, and then by the store's own
/// logout everywhere, which waits for logins that are under way.
pub(super) async fn of_user(
    opened: &Opened,
    user: &str,
    except: Option<&str>,
    is_dry: bool,
    audit: &Audit<'_>,
) -> Result<(), Problem> {
    let filter = Filter::of_user(user);
    let kept = kept(opened, &filter, except).await?;
    let mut rows = rows_of(opened, &filter).await?;
    rows.retain(|row| Some(&row.id) != kept.as_ref());
    let words = format!("--user {user}");
    if is_dry {
        return println(&dry_run(rows.len() as u64, &words, None));
    }
    let ids: Vec<SessionId> = rows.iter().map(|row| row.id.clone()).collect();
    let mut ended = end_batch(opened, &ids).await?;
    let others = opened.store.destroy_by_user(user, kept.as_ref()).await;
    ended += others.map_err(|error| failed(&error))?;
    let handles: Vec<String> = rows.into_iter().map(|row| row.summary.handle).collect();
    audit.record("user_sessions_ended", &words, &handles, ended);
    let left = opened.store.list_by_user(user).await;
    let mut left = left.map_err(|error| failed(&error))?;
    left.retain(|id| Some(id) != kept.as_ref());
    if !left.is_empty() {
        return Err(Problem::failed(format!(
            "{ended} ended, and {} are there again: a login is under way, or another program writes them back; run it again",
            left.len()
        )));
    }
    println(&format!("{ended} {} ended", sessions(ended)))
}

/// Returns the id of the session that is to stay.
async fn kept(
    opened: &Opened,
    filter: &Filter,
    handle: Option<&str>,
) -> Result<Option<SessionId>, Problem> {
    let Some(handle) = handle else {
        return Ok(None);
    };
    let unknown = "no session of this user has the handle of --except: nothing was ended; see `cloakroom sessions list --user`";
    let row = find(opened, filter, handle).await?;
    Ok(Some(row.ok_or_else(|| Problem::failed(unknown))?.id))
}

async fn rows_of(opened: &Opened, filter: &Filter) -> Result<Vec<Row>, Problem> {
    let (mut scan, mut all) = (Scan::new(opened, filter), Vec::new());
    while let Some(rows) = scan.page().await? {
        all.extend(rows);
    }
    Ok(all)
}
