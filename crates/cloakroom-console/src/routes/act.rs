//! Requests that change something, or show what is usually hidden: by right, recorded, and read back.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use cloakroom::SessionId;
use cloakroom::manager::{FoundSession, OperatorAct, SessionFilter, end_sessions, is_as_expected};

use super::Shared;
use super::answer::{Answer, Failure};
use super::form::OwnForm;
use crate::console::{Inner, PAGE};
use crate::mask::is_secret;
use crate::operator::{Operator, Right};
use crate::pages::{self, Confirmation, View};
use crate::query::{self, Params};

/// Longest reason, in characters.
const REASON: usize = 500;
/// Listings of a user's sessions after which an ending gives up: one may get another id in between.
const PASSES: usize = 8;

fn require(console: &Inner, operator: &Operator, right: Right) -> Result<(), Failure> {
    if operator.rights.has(right) {
        return Ok(());
    }
    let (resource, sentence) = match right {
        Right::Reveal => (
            "reveal",
            "To reveal values takes a right that you do not have.",
        ),
        _ => ("end", "To end sessions takes a right that you do not have."),
    };
    let refusal = OperatorAct::refused(&operator.name, resource);
    console.acts.write_refusal(refusal);
    Err(Failure::forbidden(sentence))
}

fn reason(form: &Params) -> Option<String> {
    form.get("reason")
        .map(|reason| reason.chars().take(REASON).collect())
}

/// Finds the session that a form names: its handle and its user have to be one another's.
async fn named(console: &Inner, form: &Params) -> Result<FoundSession, Failure> {
    let handle = form.get("handle").ok_or_else(Failure::gone)?;
    let user = form.raw("user").filter(|user| !user.is_empty());
    let found = console.find(handle, user).await?;
    found
        .filter(|found| found.summary.user.as_deref() == user)
        .ok_or_else(Failure::gone)
}

fn done(console: &Inner) -> Response {
    Redirect::to(&format!("{}/ended?done=1", console.base)).into_response()
}

fn record(console: &Inner, act: OperatorAct) -> Result<(), Failure> {
    console
        .acts
        .write(act)
        .map_err(|error| Failure::unrecorded(&error, true))
}

/// `POST /session/end`
pub(super) async fn end_one(
    State(console): State<Shared>,
    Extension(operator): Extension<Operator>,
    OwnForm(form): OwnForm,
) -> Result<Response, Failure> {
    require(&console, &operator, Right::End)?;
    let found = named(&console, &form).await?;
    if operator.owns(&found.id) && form.get("own").is_none() {
        let view = View::new(&console, &operator);
        let page = pages::confirm_own(&view, &found, &reason(&form).unwrap_or_default());
        return Ok(page.into_response());
    }
    let ended = end_sessions(&console.store, std::slice::from_ref(&found.id)).await?;
    let filter = found
        .summary
        .user
        .as_ref()
        .map(|user| format!("--user {user}"));
    let act = OperatorAct::new(&operator.name, "sessions_ended")
        .filter(filter.unwrap_or_default())
        .handles(vec![found.summary.handle])
        .reason(reason(&form))
        .count(ended.ended);
    record(&console, act)?;
    if ended.left > 0 {
        Err(Failure::back(ended.left))
    } else {
        Ok(done(&console))
    }
}

/// `POST /user/end`
pub(super) async fn end_user(
    State(console): State<Shared>,
    Extension(operator): Extension<Operator>,
    OwnForm(form): OwnForm,
) -> Result<Response, Failure> {
    require(&console, &operator, Right::End)?;
    let user = form
        .raw("user")
        .filter(|user| !user.is_empty())
        .ok_or_else(Failure::gone)?
        .to_owned();
    let kept = kept(&operator, &form);
    let reason = reason(&form);
    let ended = finish(async move {
        let ended = end_all_of(&console, &user, kept.as_ref()).await;
        let act = OperatorAct::new(&operator.name, "user_sessions_ended")
            .filter(format!("--user {user}"));
        record(&console, act.reason(reason).count(ended.0))?;
        ended.1?;
        Ok(done(&console))
    });
    ended.await
}

/// Returns the operator's own session where it is to stay.
fn kept(operator: &Operator, form: &Params) -> Option<SessionId> {
    operator.own.clone().filter(|_| form.get("own").is_none())
}

/// Carries an act out whether or not its client waits for the result.
async fn finish<F>(act: F) -> Result<Response, Failure>
where
    F: Future<Output = Result<Response, Failure>> + Send + 'static,
{
    let done = tokio::spawn(act).await;
    let broken = "The act broke off. Look at the list, and try again.";
    done.unwrap_or_else(|_| {
        Err(Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Broken off",
            broken,
        ))
    })
}

/// Ends a user's sessions but one, until a listing has none; the number is that of those that were ended in any
/// case.
async fn end_all_of(
    console: &Inner,
    user: &str,
    kept: Option<&SessionId>,
) -> (u64, Result<(), Failure>) {
    let mut ended = match console.store.destroy_by_user(user, kept).await {
        Ok(ended) => ended,
        Err(error) => return (0, Err(error.into())),
    };
    let mut left = 0;
    for _ in 0..PASSES {
        // Those that the store's index does not have as well.
        let found = match console.sessions_of(user).await {
            Ok(found) => found,
            Err(error) => return (ended, Err(error.into())),
        };
        let is_kept =
            |id: &SessionId| kept.is_some_and(|kept| kept == id || kept.hashed_at_rest() == *id);
        let ids: Vec<SessionId> = found
            .into_iter()
            .map(|found| found.id)
            .filter(|id| !is_kept(id))
            .collect();
        if ids.is_empty() {
            return (ended, Ok(()));
        }
        match end_sessions(&console.store, &ids).await {
            Ok(some) => (ended, left) = (ended + some.ended, some.left),
            Err(error) => return (ended, Err(error.into())),
        }
    }
    (ended, Err(Failure::back(left)))
}

/// `GET /end`: the number of those that match, and the question.
pub(super) async fn ask(
    State(console): State<Shared>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Answer {
    require(&console, &operator, Right::End)?;
    let filter = conditions(&Params::parse(&query.unwrap_or_default()))?;
    let (found, has_own) = count(&console, &operator, &filter).await?;
    let confirmation = Confirmation {
        filter: &filter,
        found,
        has_own,
        agreed: None,
    };
    Ok(pages::confirm(
        &View::new(&console, &operator),
        &confirmation,
    ))
}

fn conditions(params: &Params) -> Result<SessionFilter, Failure> {
    let filter = query::filter(params).map_err(|wrong| {
        let sentence = format!(
            "The condition “{}” cannot be read: {}.",
            wrong.field, wrong.mend
        );
        Failure::new(StatusCode::BAD_REQUEST, "Not understood", sentence)
    })?;
    if filter.is_empty() {
        let sentence = "Nothing says which sessions to end. To end all of them there is `cloakroom sessions end-all`.";
        return Err(Failure::new(
            StatusCode::BAD_REQUEST,
            "No condition",
            sentence,
        ));
    }
    Ok(filter)
}

/// Counts the sessions that match but the operator's own, and says if that is one of them.
async fn count(
    console: &Inner,
    operator: &Operator,
    filter: &SessionFilter,
) -> Result<(u64, bool), Failure> {
    let (mut scan, mut found, mut has_own) =
        (console.matching(filter.clone(), PAGE, None), 0, false);
    while let Some(page) = scan.page().await? {
        let own = page
            .iter()
            .filter(|session| operator.owns(&session.id))
            .count();
        has_own |= own > 0;
        found += (page.len() - own) as u64;
    }
    Ok((found, has_own))
}

/// `POST /end`
pub(super) async fn end_matching(
    State(console): State<Shared>,
    Extension(operator): Extension<Operator>,
    OwnForm(form): OwnForm,
) -> Result<Response, Failure> {
    require(&console, &operator, Right::End)?;
    let filter = conditions(&form)?;
    let agreed = form.get("expected").and_then(|agreed| agreed.parse().ok());
    let agreed: u64 = agreed.ok_or_else(Failure::gone)?;
    let (found, has_own) = count(&console, &operator, &filter).await?;
    if !is_as_expected(agreed, found) {
        let confirmation = Confirmation {
            filter: &filter,
            found,
            has_own,
            agreed: Some(agreed),
        };
        let page = pages::confirm(&View::new(&console, &operator), &confirmation);
        return Ok((StatusCode::CONFLICT, page).into_response());
    }
    let kept = form.get("own").is_none().then(|| operator.clone());
    let act = OperatorAct::new(&operator.name, "sessions_ended")
        .filter(filter.words())
        .reason(reason(&form));
    let ended = finish(async move {
        let (ended, outcome) = end_those(&console, filter, kept.as_ref()).await;
        record(&console, act.count(ended))?;
        outcome?;
        Ok(done(&console))
    });
    ended.await
}

/// Ends those that match in batches, and reads each back.
async fn end_those(
    console: &Inner,
    filter: SessionFilter,
    kept: Option<&Operator>,
) -> (u64, Result<(), Failure>) {
    let (mut scan, mut ended, mut left) = (console.matching(filter, PAGE, None), 0, 0);
    loop {
        let page = match scan.page().await {
            Ok(Some(page)) => page,
            Ok(None) if left > 0 => return (ended, Err(Failure::back(left))),
            Ok(None) => return (ended, Ok(())),
            Err(error) => return (ended, Err(error.into())),
        };
        let is_kept = |id: &SessionId| kept.is_some_and(|operator| operator.owns(id));
        let ids: Vec<SessionId> = page
            .into_iter()
            .map(|found| found.id)
            .filter(|id| !is_kept(id))
            .collect();
        match end_sessions(&console.store, &ids).await {
            Ok(some) => (ended, left) = (ended + some.ended, left + some.left),
            Err(error) => return (ended, Err(error.into())),
        }
    }
}

/// `POST /session/reveal`: one value, once it is recorded.
pub(super) async fn reveal(
    State(console): State<Shared>,
    Extension(operator): Extension<Operator>,
    OwnForm(form): OwnForm,
) -> Answer {
    require(&console, &operator, Right::Reveal)?;
    let found = named(&console, &form).await?;
    let key = form.raw("key").ok_or_else(Failure::gone)?;
    if is_secret(key) || !found.summary.keys.iter().any(|known| known == key) {
        return Err(Failure::forbidden("This value stays masked."));
    }
    let act = OperatorAct::sensitive_read(&operator.name, &found.summary.handle)
        .filter(format!("key {key}"));
    console
        .acts
        .write(act)
        .map_err(|error| Failure::unrecorded(&error, false))?;
    Ok(pages::session(
        &View::new(&console, &operator),
        &found,
        Some(key),
    ))
}
