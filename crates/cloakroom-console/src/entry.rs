//! The way into a console that runs by itself: a token that works once, exchanged for a strict cookie.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::header::COOKIE;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use crate::operator::{Operator, OperatorFuture, Operators, Rights};

/// Time after which the token is asked for again.
const LIFE: Duration = Duration::from_hours(12);
/// Browsers that are signed in at the same time.
const MOST: usize = 16;

/// The way in; clones share it.
#[derive(Clone)]
pub struct Entry(Arc<Inner>);

struct Inner {
    name: String,
    rights: Rights,
    cookie: String,
    announce: Box<dyn Fn(&str) + Send + Sync>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: String,
    logins: Vec<(String, Instant)>,
}

impl Entry {
    /// Creates the way in of an operator, for a server on `port`; `announce` is given each token, at once and
    /// after each use, and passes it to the operator by a safe way.
    ///
    /// # Errors
    ///
    /// If the operating system has no random numbers.
    pub fn new(
        name: impl Into<String>,
        rights: Rights,
        port: u16,
        announce: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, getrandom::Error> {
        let entry = Self(Arc::new(Inner {
            name: name.into(),
            rights,
            // Ports do not separate cookies (RFC 6265bis §8.5): two consoles of a machine have two names.
            cookie: format!("cloakroom_console_{port}"),
            announce: Box::new(announce),
            state: Mutex::default(),
        }));
        let token = drawn()?;
        entry.state().token.clone_from(&token);
        (entry.0.announce)(&token);
        Ok(entry)
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Exchanges a token for the value of a Set-Cookie field; `None` if it is not the one.
    pub(crate) fn exchange(&self, token: &str) -> Option<String> {
        let (cookie, next) = (drawn().ok()?, drawn().ok()?);
        {
            let mut state = self.state();
            if !is_same(&state.token, token.trim()) {
                return None;
            }
            state.token.clone_from(&next);
            if state.logins.len() == MOST {
                state.logins.remove(0);
            }
            state.logins.push((cookie.clone(), Instant::now()));
        }
        (self.0.announce)(&next);
        Some(self.field(&cookie))
    }

    /// Signs the browser of a request out, and returns the field that takes its cookie away.
    pub(crate) fn leave(&self, login: &str) -> String {
        self.state()
            .logins
            .retain(|(known, _)| !is_same(known, login));
        format!("{}; Max-Age=0", self.field(""))
    }

    /// `__Host-` and `Secure` take https: browsers differ on plain http to this machine, and Safari would
    /// refuse the cookie. This is the rest of what `__Host-` stands for: no `Domain`, the path `/`.
    fn field(&self, value: &str) -> String {
        format!(
            "{}={value}; Path=/; HttpOnly; SameSite=Strict",
            self.0.cookie
        )
    }

    fn login_of(&self, request: &Parts) -> Option<String> {
        let fields = request
            .headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|field| field.to_str().ok());
        let pairs = fields
            .flat_map(|field| field.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let shown: Vec<&str> = pairs
            .filter(|(name, _)| *name == self.0.cookie)
            .map(|(_, value)| value)
            .collect();
        let state = self.state();
        let live = state
            .logins
            .iter()
            .filter(|(_, begun)| begun.elapsed() < LIFE);
        let mut found = live.filter(|(login, _)| shown.iter().any(|shown| is_same(login, shown)));
        found.next().map(|(login, _)| login.clone())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Operators for Entry {
    fn operator<'a>(&'a self, request: &'a mut Parts) -> OperatorFuture<'a> {
        let login = self.login_of(request);
        let operator = login.map(|login| Operator::new(&self.0.name, self.0.rights).login(&login));
        Box::pin(std::future::ready(operator))
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("name", &self.0.name)
            .finish_non_exhaustive()
    }
}

/// Generates 192 random bits as 32 characters.
fn drawn() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

fn is_same(one: &str, other: &str) -> bool {
    !one.is_empty() && bool::from(one.as_bytes().ct_eq(other.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::http::Request;

    use super::Entry;
    use crate::operator::Rights;

    fn login(entry: &Entry, field: &str) -> Option<String> {
        let request = Request::builder().header("cookie", field).body(()).unwrap();
        entry.login_of(&request.into_parts().0)
    }

    #[test]
    fn a_token_works_once() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&told);
        let entry = Entry::new("ada", Rights::all(), 7000, move |token: &str| {
            listener.lock().unwrap().push(token.to_owned());
        })
        .unwrap();
        let first = told.lock().unwrap()[0].clone();
        assert_eq!(entry.exchange("wrong"), None);
        assert_eq!(entry.exchange(""), None);
        let field = entry.exchange(&first).unwrap();
        assert!(
            field.ends_with("; Path=/; HttpOnly; SameSite=Strict") && !field.contains(&first),
            "{field}"
        );
        assert_eq!(entry.exchange(&first), None);
        assert_eq!(told.lock().unwrap().len(), 2);

        let pair = field.split(';').next().unwrap();
        let known = login(&entry, &format!("other=1; {pair}")).unwrap();
        assert_eq!(login(&entry, "cloakroom_console_7000="), None);
        assert_eq!(
            login(&entry, &format!("cloakroom_console_7000={first}")),
            None
        );
        assert!(entry.leave(&known).contains("Max-Age=0"));
        assert_eq!(login(&entry, pair), None);
        assert!(!format!("{entry:?}").contains(&known));
    }
}
