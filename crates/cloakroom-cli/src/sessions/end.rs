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
use super::scan::{Row, Scan};
use super::show::find;
use crate::problem::Problem;

/// The consent to an ending of many.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(super) struct Sure {
    /// End them: the number that the dry run without this flag printed; refused if it is off by more than a tenth
    #[arg(long, value_name = "N")]
    yes: Option<u64>,

    /// End so many a second at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
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
        println(&dry_run(found, &words(filter)));
        return Ok(());
    };
    if !is_as_expected(typed, found) {
        return Err(Problem::failed(format!(
            "{found} {} match, not {typed}: nothing was ended; look with `cloakroom sessions list`, then give --yes {found}",
            sessions(found)
        )));
    }
    let (mut scan, mut ended) = (Scan::new(opened, filter), 0);
    while let Some(rows) = scan.page().await? {
        let ids: Vec<SessionId> = rows.into_iter().map(|row| row.id).collect();
        let some = end_batch(opened, &ids).await;
        ended += some.as_ref().copied().unwrap_or(0);
        if let Err(problem) = some {
            audit.record(act, &words(filter), &[], ended);
            return Err(problem);
        }
        pause(sure.rate, ids.len()).await;
    }
    audit.record(act, &words(filter), &[], ended);
    println(&format!("{ended} {} ended", sessions(ended)));
    Ok(())
}

fn dry_run(found: u64, words: &str) -> String {
    match found {
        0 => format!("no session matches ({words})"),
        found => format!(
            "{found} {} would end ({words}); add --yes {found}",
            sessions(found)
        ),
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
    audit: &Audit<'_>,
) -> Result<(), Problem> {
    let rows = all_of(opened, filter, handles).await?;
    let ids: Vec<SessionId> = rows.iter().map(|row| row.id.clone()).collect();
    let ended = end_batch(opened, &ids).await?;
    let known: Vec<String> = rows.into_iter().map(|row| row.summary.handle).collect();
    audit.record("sessions_ended", &words(filter), &known, ended);
    println(&format!("{ended} {} ended", sessions(ended)));
    let missing = handles.len().saturating_sub(known.len());
    if missing > 0 {
        println(&format!(
            "{missing} not there: ended already, or no handle of this store and secret"
        ));
    }
    Ok(())
}

/// Returns the sessions of these handles, in one pass over the store.
async fn all_of(opened: &Opened, filter: &Filter, handles: &[String]) -> Result<Vec<Row>, Problem> {
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
    Ok(found)
}

/// Ends all sessions of a user but one, by the store's own logout everywhere.
pub(super) async fn of_user(
    opened: &Opened,
    user: &str,
    except: Option<&str>,
    audit: &Audit<'_>,
) -> Result<(), Problem> {
    let kept = match except {
        None => None,
        Some(handle) => {
            let filter = Filter {
                user: Some(user.to_owned()),
                ..Filter::default()
            };
            let row = find(opened, &filter, handle).await?;
            let unknown = "no session of this user has the handle of --except: nothing was ended; see `cloakroom sessions list --user`";
            Some(row.ok_or_else(|| Problem::failed(unknown))?.id)
        }
    };
    let ended = opened.store.destroy_by_user(user, kept.as_ref()).await;
    let ended = ended.map_err(|error| failed(&error))?;
    let left = opened
        .store
        .list_by_user(user)
        .await
        .map_err(|error| failed(&error))?;
    let left = left.iter().filter(|id| Some(*id) != kept.as_ref()).count();
    audit.record("user_sessions_ended", &format!("--user {user}"), &[], ended);
    if left > 0 {
        return Err(Problem::failed(format!(
            "{ended} ended, and {left} are there again: a login is under way, or another program writes them back; run it again"
        )));
    }
    println(&format!("{ended} {} ended", sessions(ended)));
    Ok(())
}
