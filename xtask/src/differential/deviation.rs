//! The deviations of the Rust side from Express, each as narrow as possible.

use super::compare::{Aspect, Difference};
use super::config::Config;
use super::sequence::{Request, Step};
use super::set_cookie::SetCookie;
use super::side::Answer;

/// One exchange, as both sides saw it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) config: &'a Config,
    pub(super) request: &'a Request,
    pub(super) left: &'a Answer,
    pub(super) right: &'a Answer,
}

/// A row of the manual's table of deviations.
#[derive(Debug)]
struct Deviation {
    name: &'static str,
    aspect: Aspect,
    explains: fn(&Case<'_>) -> bool,
}

const DEVIATIONS: [Deviation; 2] = [
    Deviation {
        name: "cleared_on_destroy",
        aspect: Aspect::Cookie,
        explains: cleared_on_destroy,
    },
    Deviation {
        name: "saved_new_sends_cookie",
        aspect: Aspect::Cookie,
        explains: saved_new_sends_cookie,
    },
];

/// Express begins a new session for a request that comes by an id which was destroyed or replaced; we
/// refuse for a minute what such a request changes. It is compared as one without a cookie.
pub(super) const LATE_IS_REFUSED: &str = "late_is_refused";

/// Express touches when a handler gives the cookie a life, which makes the session's shorter; we write the
/// record. Stores of Express whose touch moves the expiry alone leave the old cookie in it.
pub(super) const SHORTENED_BY_A_WRITE: &str = "shortened_by_a_write";

/// Returns `true` if a request of ours may leave a record whose cookie has a life that Express's has not.
pub(super) fn shortens(request: &Request) -> bool {
    let gives_life =
        |step: &Step| matches!(step, Step::Cookie(attributes) if attributes.contains("maxAge"));
    request.steps().iter().any(gives_life)
}

/// Returns `true` if our lab has closed the id of the request.
pub(super) fn closes(config: &Config, request: &Request, right: &Answer) -> bool {
    let ended = request.has_any(&["destroy", "logout", "regenerate", "login"])
        || (config.destroys_unset() && request.has_any(&["drop"]));
    right.carried.is_some()
        && right.carried != right.session
        && (ended || !right.cookies.is_empty())
}

/// The name of the deviation that explains `difference`, if one does.
pub(super) fn explain(case: &Case<'_>, difference: &Difference) -> Option<&'static str> {
    let deviation = DEVIATIONS
        .iter()
        .find(|deviation| deviation.aspect == difference.aspect && (deviation.explains)(case))?;
    Some(deviation.name)
}

/// Express leaves the cookie of a session that ended with the browser; we take it away.
fn cleared_on_destroy(case: &Case<'_>) -> bool {
    let request = case.request;
    let ended = request.has_any(&["destroy", "logout"])
        || (case.config.destroys_unset() && request.has_any(&["drop"]));
    ended
        && case.right.session.is_none()
        && case.right.carried.is_some()
        && cookie_of_right_alone(case).is_some_and(SetCookie::clears)
}

/// Express stores a new session that a handler saves, and keeps its id to itself unless data changed;
/// we send the cookie, without which the record is of no use.
fn saved_new_sends_cookie(case: &Case<'_>) -> bool {
    let Answer {
        session, carried, ..
    } = case.right;
    let names_it = |cookie: &SetCookie| !cookie.clears() && cookie.session == *session;
    !case.config.saves_uninitialized()
        && case.request.has_any(&["save"])
        && session.is_some()
        && session != carried
        && cookie_of_right_alone(case).is_some_and(names_it)
}

fn cookie_of_right_alone<'a>(case: &Case<'a>) -> Option<&'a SetCookie> {
    match (case.left.cookies.as_slice(), case.right.cookies.as_slice()) {
        ([], [cookie]) => Some(cookie),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::Names;
    use super::super::sequence::{CookieChoice, Target};
    use super::*;

    const CLEARING: &str = "connect.sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
    const NEW: &str = "connect.sid=s%3Aabc.S; Path=/";

    fn answer(session: Option<&str>, carried: Option<&str>, cookie: Option<&str>) -> Answer {
        let mut names = Names::default();
        let mut name = |sid: Option<&str>| sid.map(|sid| names.name(sid));
        let (session, carried) = (name(session), name(carried));
        let cookies = cookie
            .map(|header| SetCookie::parse(header, &mut names))
            .into_iter()
            .collect();
        Answer {
            status: 200,
            session,
            results: Vec::new(),
            cookies,
            carried,
        }
    }

    fn explained(
        seed: u64,
        op: &'static str,
        left: &Answer,
        right: &Answer,
    ) -> Option<&'static str> {
        let request = Request {
            cookie: CookieChoice::Current,
            target: Target::Run(vec![Step::Bare(op)]),
        };
        let case = Case {
            config: Config::of(seed),
            request: &request,
            left,
            right,
        };
        let difference = Difference {
            aspect: Aspect::Cookie,
            left: String::new(),
            right: String::new(),
        };
        explain(&case, &difference)
    }

    #[test]
    fn the_cookie_may_go_only_with_its_session() {
        let (keeps, destroys) = (0, 3);
        #[rustfmt::skip]
        let table = [
            (Some("cleared_on_destroy"), keeps, "destroy", None, Some("abc")),
            (Some("cleared_on_destroy"), destroys, "drop", None, Some("abc")),
            (None, keeps, "drop", None, Some("abc")),
            (None, keeps, "save", None, Some("abc")),
            (None, keeps, "destroy", None, None),
            (None, keeps, "destroy", Some("abc"), Some("abc")),
        ];
        for (name, seed, op, session, carried) in table {
            let right = answer(session, carried, Some(CLEARING));
            let found = explained(seed, op, &answer(None, carried, None), &right);
            assert_eq!(found, name, "{seed} {op} {session:?} {carried:?}");
        }
    }

    #[test]
    fn an_id_is_closed_where_its_session_ended_or_another_took_its_place() {
        let (keeps, destroys) = (0, 3);
        #[rustfmt::skip]
        let table = [
            (true,  keeps,    "destroy",    None,        Some("abc"), None),
            (true,  keeps,    "regenerate", Some("xyz"), Some("abc"), None),
            (true,  keeps,    "save",       Some("xyz"), Some("abc"), Some(NEW)),
            (true,  destroys, "drop",       None,        Some("abc"), None),
            (false, keeps,    "drop",       None,        Some("abc"), None),
            (false, keeps,    "save",       Some("abc"), Some("abc"), None),
            (false, keeps,    "all",        Some("xyz"), Some("abc"), None),
            (false, keeps,    "destroy",    None,        None,        None),
        ];
        for (closed, seed, op, session, carried, cookie) in table {
            let request = Request {
                cookie: CookieChoice::Current,
                target: Target::Run(vec![Step::Bare(op)]),
            };
            let right = answer(session, carried, cookie);
            assert_eq!(
                closes(Config::of(seed), &request, &right),
                closed,
                "{seed} {op}"
            );
        }
    }

    #[test]
    fn a_record_may_have_a_life_where_a_handler_gave_the_cookie_one() {
        #[rustfmt::skip]
        let table = [
            (true,  vec![Step::Cookie(r#""maxAge":3600000"#)]),
            (true,  vec![Step::Set("a", "1"), Step::Cookie(r#""maxAge":60000,"httpOnly":true"#)]),
            (false, vec![Step::Cookie(r#""path":"/x""#)]),
            (false, vec![Step::Set("maxAge", "1"), Step::Bare("touch")]),
        ];
        for (shortened, steps) in table {
            let request = Request {
                cookie: CookieChoice::Current,
                target: Target::Run(steps),
            };
            assert_eq!(shortens(&request), shortened, "{request:?}");
        }
    }

    #[test]
    fn only_a_new_session_that_was_saved_may_send_its_cookie() {
        let (quiet, eager) = (0, 4);
        #[rustfmt::skip]
        let table = [
            (Some("saved_new_sends_cookie"), quiet, "save", Some("abc"), None),
            (None, eager, "save", Some("abc"), None),
            (None, quiet, "touch", Some("abc"), None),
            (None, quiet, "save", Some("abc"), Some("abc")),
            (None, quiet, "save", Some("xyz"), None),
            (None, quiet, "save", None, None),
        ];
        for (name, seed, op, session, carried) in table {
            let right = answer(session, carried, Some(NEW));
            let found = explained(seed, op, &answer(session, carried, None), &right);
            assert_eq!(found, name, "{seed} {op} {session:?} {carried:?}");
        }
        let both = answer(Some("abc"), None, Some(CLEARING));
        assert_eq!(
            explained(quiet, "save", &both, &answer(Some("abc"), None, Some(NEW))),
            None
        );
    }
}
