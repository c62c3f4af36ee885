//! The pages that change nothing.

use std::time::{Duration, Instant, SystemTime};

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use cloakroom::manager::{FoundSession, OperatorAct, SessionFilter};

use super::Shared;
use super::answer::{Answer, Failure};
use crate::console::{Inner, PAGE, Rest};
use crate::minutes::{MINUTES, Minutes};
use crate::operator::Operator;
use crate::pages::{self, Figures, Listing, Results, View};
use crate::query::{self, Params};

/// Rows of a page.
const ROWS: usize = 100;
/// Time that a page may take to find rows that match; the next page goes on from there.
const PATIENCE: Duration = Duration::from_millis(600);
/// Users that a search shows.
const RESULTS: usize = 50;

fn params(query: Option<String>) -> Params {
    Params::parse(&query.unwrap_or_default())
}

/// `GET /`
pub(super) async fn overview(
    State(console): State<Shared>,
    Extension(operator): Extension<Operator>,
) -> Answer {
    let (view, stock) = (View::new(&console, &operator), console.inventory.stock());
    let figures = Figures {
        live: console.inventory.live(),
        stock: stock.as_deref(),
        seen: console.inventory.seen(),
        is_failing: console.inventory.is_failing(),
        events: console.events.as_ref().map(|events| events.at(view.now)),
        by_operators: by_minute(&console.acts.recent(), view.now),
    };
    Ok(pages::overview(&view, &figures))
}

fn by_minute(acts: &[OperatorAct], now: SystemTime) -> [u64; MINUTES] {
    let mut minutes = Minutes::default();
    for act in acts.iter().filter(|act| act.name().ends_with("_ended")) {
        if let Ok(at) = humantime::parse_rfc3339(&act.datetime) {
            minutes.add(at, now, act.count);
        }
    }
    minutes.at(now)
}

/// `GET /sessions`
pub(super) async fn list(
    State(console): State<Shared>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let (view, params) = (View::new(&console, &operator), params(query));
    let filter = match query::filter(&params) {
        Ok(filter) => filter,
        Err(wrong) => {
            let nothing = SessionFilter::default();
            let listing = Listing {
                filter: &nothing,
                params: &params,
                wrong: Some(&wrong),
                found: &[],
                before: 0,
                rest: None,
            };
            return Ok((StatusCode::BAD_REQUEST, pages::list(&view, &listing)).into_response());
        }
    };
    let rest = match params.get("rest") {
        None => Rest {
            ids: Vec::new(),
            cursor: None,
            shown: 0,
        },
        Some(name) => console.rest(name).ok_or_else(forgotten)?,
    };
    let (found, next) = page(&console, &filter, &rest).await?;
    console.remember(&found);
    let rest_name = next.map(|next| console.keep_rest(next));
    let listing = Listing {
        filter: &filter,
        params: &params,
        wrong: None,
        found: &found,
        before: rest.shown,
        rest: rest_name,
    };
    Ok(pages::list(&view, &listing).into_response())
}

fn forgotten() -> Failure {
    let sentence = "This page of the listing is not remembered any more: begin with the first one.";
    Failure::new(StatusCode::GONE, "Begin again", sentence)
}

/// Reads up to a page of sessions that match, and what is left; `None` at the end.
async fn page(
    console: &Inner,
    filter: &SessionFilter,
    rest: &Rest,
) -> Result<(Vec<FoundSession>, Option<Rest>), Failure> {
    let begun = Instant::now();
    let mut found = console.read_all(rest.ids.clone()).await?;
    let mut cursor = rest.cursor.clone();
    // Only ids were left of a listing whose scan is over.
    if rest.shown == 0 || cursor.is_some() {
        // Where few match, more are read at a time.
        let size = if filter.is_empty() { ROWS } else { PAGE };
        let mut pages = console.matching(filter.clone(), size, cursor.take());
        while found.len() < ROWS && !pages.is_over() && begun.elapsed() < PATIENCE {
            found.extend(pages.page().await?.unwrap_or_default());
        }
        cursor = pages.cursor();
    }
    let ids: Vec<_> = found
        .drain(ROWS.min(found.len())..)
        .map(|session| session.id)
        .collect();
    let is_more = !ids.is_empty() || cursor.is_some();
    let shown = rest.shown + found.len() as u64;
    Ok((found, is_more.then_some(Rest { ids, cursor, shown })))
}

/// `GET /search?q=`: a user of this name, a session of this handle, or users whose name contains it.
pub(super) async fn search(
    State(console): State<Shared>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let (view, params) = (View::new(&console, &operator), params(query));
    let Some(text) = params.get("q") else {
        return Ok(to(&console, "/sessions", &[]));
    };
    if console.knows(text).await? {
        return Ok(to(&console, "/user", &[("name", text.to_owned())]));
    }
    if let Some(handle) = known_handle(&console, text).await? {
        return Ok(to(&console, "/session", &[("handle", handle)]));
    }
    let stock = console.inventory.stock();
    let users = stock
        .as_ref()
        .map(|stock| stock.value.tally.users_like(text, RESULTS));
    let results = Results {
        text,
        users: users.unwrap_or_default(),
        stock: stock.as_deref(),
    };
    Ok(pages::search(&view, &results).into_response())
}

/// Returns a text that is the handle of a session which a page or the inventory has seen.
async fn known_handle(console: &Inner, text: &str) -> Result<Option<String>, Failure> {
    let stock = console.inventory.stock();
    let Some(id) = stock.and_then(|stock| stock.value.tally.id_of(text)) else {
        return Ok(None);
    };
    let found = console.read(&id).await?;
    Ok(found
        .filter(|found| found.summary.is_called(text))
        .map(|found| found.summary.handle))
}

fn to(console: &Inner, path: &str, fields: &[(&'static str, String)]) -> Response {
    let place = format!("{}{path}?{}", console.base, query::address(fields));
    Redirect::to(&place).into_response()
}

/// `GET /user?name=`
pub(super) async fn user(
    State(console): State<Shared>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Answer {
    let params = params(query);
    let name = params
        .raw("name")
        .filter(|name| !name.is_empty())
        .ok_or_else(Failure::gone)?;
    let found = console.sessions_of(name).await?;
    Ok(pages::user(&View::new(&console, &operator), name, &found))
}

/// `GET /session?handle=&user=`
pub(super) async fn session(
    State(console): State<Shared>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Answer {
    let params = params(query);
    let handle = params.get("handle").ok_or_else(Failure::gone)?;
    let user = params.raw("user").filter(|user| !user.is_empty());
    let found = console
        .find(handle, user)
        .await?
        .ok_or_else(Failure::gone)?;
    Ok(pages::session(
        &View::new(&console, &operator),
        &found,
        None,
    ))
}

/// `GET /ended`
pub(super) async fn acts(
    State(console): State<Shared>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Answer {
    let done = params(query).get("done").is_some();
    Ok(pages::acts(
        &View::new(&console, &operator),
        &console.acts.recent(),
        done,
    ))
}
