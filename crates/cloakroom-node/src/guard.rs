//! The library's guards, for a middleware in JavaScript.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use cloakroom::Session;
use cloakroom::auth::{Access, RequestContext, Require, safe_redirect_path as safe};
use napi::bindgen_prelude::External;
use napi::{Error, Result, Status};
use napi_derive::napi;
use serde::Deserialize;
use serde_json::json;

use crate::bell::{Bell, Outcome, run};
use crate::failure::Failure;
use crate::layer::refused;
use crate::visit::Visits;

/// The conditions of a guard.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Wanted {
    /// Groups of roles; the session needs one role of each group.
    roles: Vec<Vec<String>>,
    fresh_ms: Option<u64>,
    /// The roles that the application says its user has, in the place of the session's own.
    given: Option<Vec<String>>,
}

impl Wanted {
    pub(crate) fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(refused)
    }

    fn require(self) -> Require {
        let mut require = self
            .roles
            .into_iter()
            .fold(Require::login(), Require::and_any_role);
        if let Some(ms) = self.fresh_ms {
            require = require.fresh(Duration::from_millis(ms));
        }
        match self.given {
            Some(given) => require.roles_from(move |_| {
                let given = given.clone();
                async move { Ok::<_, Infallible>(given) }
            }),
            None => require,
        }
    }
}

/// Decides whether the session of a request may pass: answers JSON of `access`, one of `granted`, `login`,
/// `stepUp`, `forbidden`, and of the `user` who is signed in.
#[napi(catch_unwind)]
pub fn admit(
    visits: &External<Visits>,
    bell: &External<Bell>,
    number: u32,
    slot: u32,
    wanted: String,
) -> Result<Option<String>> {
    let session = visits.session(slot)?;
    let wanted = Wanted::parse(&wanted)?;
    run(
        bell,
        number,
        async move { admitted(&session, wanted).await },
    )
}

pub(crate) async fn admitted(session: &Session, wanted: Wanted) -> Outcome {
    let require = wanted.require();
    let is_there = !require.is_strict() || session.is_ended() || session.confirm().await?;
    let access = if is_there {
        let access = require.check_now(session, SystemTime::now()).await;
        access.map_err(|_| Failure::panicked())?
    } else {
        Access::LoginRequired
    };
    let user = session.user();
    Ok(json!({ "access": named(access), "user": user }).to_string())
}

/// Says a decision as JavaScript has it.
const NAMES: [(Access, &str); 4] = [
    (Access::Granted, "granted"),
    (Access::LoginRequired, "login"),
    (Access::StepUpRequired, "stepUp"),
    (Access::Forbidden, "forbidden"),
];

fn named(access: Access) -> &'static str {
    let is_it = |(one, _): &&(Access, &str)| *one == access;
    NAMES
        .iter()
        .find(is_it)
        .map_or("forbidden", |(_, name)| name)
}

/// The page that a request was sent from.
#[napi(object)]
pub struct Page {
    /// `Referer`, or `HX-Current-URL`.
    pub url: String,
    /// The site's host, as the request names it.
    pub host: String,
    /// `true` if htmx sent it.
    pub is_htmx: bool,
}

impl Page {
    fn path(&self) -> &str {
        RequestContext::page_of(&self.url, &self.host)
    }
}

/// Says how a request is refused that a guard has given this access: the status, a field's name and value,
/// and the text; `None` where it goes on. `login` is the login's path, if pages are sent there.
#[napi(catch_unwind)]
pub fn refusal(
    access: String,
    method: String,
    accept: String,
    target: String,
    page: Option<Page>,
    login: Option<String>,
) -> Result<Option<Vec<String>>> {
    let is_it = |(_, name): &&(Access, &str)| *name == access;
    let Some((access, _)) = NAMES.iter().find(is_it) else {
        return Err(Error::new(Status::InvalidArg, "no such access"));
    };
    let asked = RequestContext {
        method: &method,
        accept: &accept,
        target: &target,
        page: page.as_ref().map(Page::path).unwrap_or_default(),
        is_htmx: page.as_ref().is_some_and(|page| page.is_htmx),
    };
    let refusal = access.refusal(&asked, login.as_deref());
    Ok(refusal.map(|refusal| {
        let (name, value) = refusal.field().unwrap_or_default();
        [&refusal.status().to_string(), name, value, refusal.text()]
            .map(str::to_owned)
            .into()
    }))
}

/// Returns the place of this site that `next` names, `None` for what might lead out of it.
#[napi(catch_unwind)]
pub fn safe_redirect_path(next: String) -> Option<String> {
    safe(&next).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_access_has_a_name_of_its_own() {
        for (access, name) in NAMES {
            assert_eq!(named(access), name);
        }
    }

    #[test]
    fn roles_are_the_sessions_unless_they_are_given() {
        let wanted = Wanted::parse(r#"{"roles":[["a","b"]],"freshMs":5}"#).expect("it is JSON");
        assert!(wanted.clone().require().is_strict());
        assert_eq!(wanted.given, None);
        assert!(
            !Wanted::parse("{}")
                .expect("it is JSON")
                .require()
                .is_strict()
        );
        assert!(Wanted::parse("[").is_err());
    }
}
