//! The login: what it leaves in the session when it begins, and what has to fit when it ends.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Form, State};
use axum::response::Redirect;
use cloakroom::auth::safe_redirect_path;
use cloakroom::{Session, SessionError};
use serde::{Deserialize, Serialize};

use crate::Shop;
use crate::failure::Failure;
use crate::provider::{Begun, Provider};

/// The key of the logins that this browser has begun, in the session.
const PENDING: &str = "oidcPending";
/// So many tabs may sign in at once; the oldest login is forgotten for another one.
const MOST_PENDING: usize = 4;
/// The longest time that a login may take at the provider.
const PATIENCE: Duration = Duration::from_mins(15);

/// The page to go to after the login.
#[derive(Deserialize)]
pub(crate) struct Way {
    #[serde(default)]
    next: String,
    /// Set by the guard where the login is too long ago.
    again: Option<String>,
}

impl Way {
    /// Returns the fields of a form that has the same content.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let next = ("next", self.next.clone());
        let again = self.again.clone().map(|again| ("again", again));
        std::iter::once(next).chain(again).collect()
    }
}

/// The provider's answer, as the browser brings it.
#[derive(Deserialize)]
pub(crate) struct Answer {
    state: Option<String>,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

impl Answer {
    /// Returns the fields of a form that has the same content.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let fields = [
            ("state", &self.state),
            ("code", &self.code),
            ("iss", &self.iss),
            ("error", &self.error),
        ];
        let given = fields.into_iter();
        given
            .filter_map(|(name, value)| Some((name, value.clone()?)))
            .collect()
    }
}

/// A login that has begun.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Pending {
    /// Seconds since 1970.
    at: u64,
    next: String,
    #[serde(flatten)]
    pub(crate) begun: Begun,
}

/// The data of the provider's account that the session keeps, beside the user.
#[derive(Deserialize, Serialize)]
pub(crate) struct Account {
    pub(crate) name: String,
    /// The provider's session.
    pub(crate) sid: Option<String>,
    /// The provider wants it back at a logout.
    pub(crate) id_token: String,
}

impl Account {
    /// The key in the session.
    pub(crate) const KEY: &'static str = "account";
}

/// Leads to the provider.
pub(crate) async fn begin(
    State(provider): State<Arc<Provider>>,
    session: Session,
    Form(way): Form<Way>,
) -> Result<Redirect, Failure> {
    let again = way.again.is_some();
    let next = safe_redirect_path(&way.next).unwrap_or("/");
    if session.user().is_some() && !again {
        // They only came by a link of another site, without their cookie.
        return Ok(Redirect::to(next));
    }
    let (url, begun) = provider.begin(again).await?;
    let at = now();
    let pending = Pending {
        at,
        next: next.to_owned(),
        begun,
    };
    session
        .update(PENDING, move |all: Option<Vec<Pending>>| {
            with(all.unwrap_or_default(), pending.clone(), at)
        })
        .await?;
    Ok(Redirect::to(url.as_str()))
}

/// Signs in, where the provider's answer fits.
pub(crate) async fn finish(
    State(shop): State<Shop>,
    session: Session,
    Form(answer): Form<Answer>,
) -> Result<Redirect, Failure> {
    let state = answer.state.ok_or(Failure::UnknownState)?;
    let pending = take(&session, &state).await?.ok_or(Failure::UnknownState)?;
    if answer.iss.is_some_and(|iss| iss != shop.provider.issuer()) {
        return Err(Failure::OtherIssuer);
    }
    let code = answer.code.ok_or(Failure::Refused)?;
    let who = shop.provider.finish(code, &pending.begun).await?;
    session.login(&who.user).await?;
    let account = Account {
        name: who.name,
        sid: who.sid,
        id_token: who.id_token,
    };
    session.insert(Account::KEY, &account)?;
    // First the session, then the look: a logout that comes in between finds the one or leaves the other.
    shop.ledger.note(account.sid.clone(), &who.user).await?;
    session.save().await?;
    if shop
        .ledger
        .is_ended(account.sid, &who.user, who.issued)
        .await?
    {
        session.logout().await?;
        return Err(Failure::SignedOut);
    }
    Ok(Redirect::to(&pending.next))
}

/// Takes a pending login out of the session: one request gets it, on whatever server.
async fn take(session: &Session, state: &str) -> Result<Option<Pending>, SessionError> {
    let all: Vec<Pending> = session.get(PENDING)?.unwrap_or_default();
    if !all.iter().any(|one| one.begun.state == state) {
        return Ok(None);
    }
    let now = now();
    let mut found = None;
    session
        .try_update(PENDING, |all: Option<Vec<Pending>>| {
            let (taken, rest) = without(all.unwrap_or_default(), state, now);
            found = taken;
            Ok::<_, SessionError>(Some(rest).filter(|rest| !rest.is_empty()))
        })
        .await?;
    Ok(found)
}

fn with(mut all: Vec<Pending>, one: Pending, now: u64) -> Vec<Pending> {
    all.retain(|one| is_open(one, now));
    all.drain(..(all.len() + 1).saturating_sub(MOST_PENDING));
    all.push(one);
    all
}

fn without(mut all: Vec<Pending>, state: &str, now: u64) -> (Option<Pending>, Vec<Pending>) {
    let at = all.iter().position(|one| one.begun.state == state);
    let taken = at.map(|at| all.remove(at));
    (taken.filter(|one| is_open(one, now)), all)
}

fn is_open(one: &Pending, now: u64) -> bool {
    now.saturating_sub(one.at) < PATIENCE.as_secs()
}

/// Returns the seconds since 1970.
pub(crate) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(state: &str, at: u64) -> Pending {
        Pending {
            at,
            next: "/".to_owned(),
            begun: Begun::test(state),
        }
    }

    fn states(all: &[Pending]) -> Vec<&str> {
        all.iter().map(|one| &*one.begun.state).collect()
    }

    #[test]
    fn the_newest_logins_are_kept_for_a_while() {
        let all = ["a", "b", "c", "d"]
            .map(|state| pending(state, 1000))
            .into();
        let all = with(all, pending("e", 1001), 1001);
        assert_eq!(states(&all), ["b", "c", "d", "e"]);
        let late = 1000 + PATIENCE.as_secs();
        assert_eq!(states(&with(all, pending("f", late), late)), ["e", "f"]);
    }

    #[test]
    fn a_login_is_taken_once_and_in_time() {
        let all: Vec<_> = ["a", "b"].map(|state| pending(state, 1000)).into();
        let (taken, rest) = without(all.clone(), "a", 1001);
        assert!(taken.is_some());
        assert_eq!(states(&rest), ["b"]);
        assert!(without(rest, "a", 1001).0.is_none());
        assert!(without(all, "a", 1000 + PATIENCE.as_secs()).0.is_none());
    }
}
