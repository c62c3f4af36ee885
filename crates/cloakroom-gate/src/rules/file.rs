//! The file of rules: TOML, in which every key that is not known is refused.

use std::collections::BTreeSet;

use cloakroom::auth::{Origin, safe_redirect_path};
use http::header::HeaderValue;
use serde::Deserialize;

use super::{CookieRule, OnDenied, Rule, RulesError, Settings, pattern};

/// Longest name of a rule in bytes: it is a label of metrics.
const LONGEST_NAME: usize = 128;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    login: Option<String>,
    #[serde(default)]
    cookie: Cookie,
    #[serde(default)]
    origins: Vec<String>,
    #[serde(default)]
    role_keys: Vec<String>,
    audience: Option<String>,
    #[serde(default)]
    route: Vec<Route>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    name: Option<String>,
    path: String,
    methods: Option<Vec<String>>,
    #[serde(default)]
    public: bool,
    require: Option<Requirement>,
    on_denied: Option<Denied>,
    cookie: Option<Cookie>,
    cache: Option<String>,
    audience: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    role: Option<Names>,
    user: Option<Names>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Many(Vec<String>),
}

#[derive(Clone, Copy, Deserialize)]
enum Denied {
    #[serde(rename = "redirect")]
    Redirect,
    #[serde(rename = "401")]
    Unauthorized,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Cookie {
    #[default]
    Strip,
    Pass,
}

impl From<Cookie> for CookieRule {
    fn from(cookie: Cookie) -> Self {
        match cookie {
            Cookie::Strip => Self::Strip,
            Cookie::Pass => Self::Pass,
        }
    }
}

/// Reads a file: what it sets for all, and its rules in order.
pub(super) fn read(text: &str) -> Result<(Settings, Vec<Rule>), RulesError> {
    let file: File = toml::from_str(text).map_err(|error| in_one_line(&error, text))?;
    let settings = settings(&file)?;
    let rules = file.route.into_iter().map(|route| rule(route, &settings));
    let rules = rules.collect::<Result<Vec<_>, _>>()?;
    Ok((settings, rules))
}

fn in_one_line(error: &toml::de::Error, text: &str) -> RulesError {
    let line = error.span().map(|span| {
        let before = text.get(..span.start).unwrap_or_default();
        format!("line {}: ", before.matches('\n').count() + 1)
    });
    let message = error.message().replace('\n', " ");
    RulesError(format!("{}{message}", line.unwrap_or_default()))
}

fn settings(file: &File) -> Result<Settings, RulesError> {
    if let Some(login) = &file.login
        && safe_redirect_path(login).is_none()
    {
        return Err(RulesError(format!(
            "login = {login:?} is no path of this site: give one such as \"/login\""
        )));
    }
    for origin in &file.origins {
        Origin::parse(origin)
            .map_err(|error| RulesError(format!("origins: {origin:?}: {error}")))?;
    }
    let role_keys = match &file.role_keys[..] {
        [] => vec!["roles".to_owned()],
        keys => keys.to_vec(),
    };
    Ok(Settings {
        login: file.login.clone(),
        origins: file.origins.clone(),
        role_keys,
        cookie: file.cookie.into(),
        audience: audience(file.audience.clone())?,
    })
}

fn rule(route: Route, settings: &Settings) -> Result<Rule, RulesError> {
    let path = pattern::checked(&route.path)?;
    let name = name(route.name, &path)?;
    let refused = |why: &str| Err(RulesError(format!("rule `{name}` {why}")));
    let methods = methods(route.methods, route.public, &name)?;
    let (roles, users) = match route.require {
        Some(_) if route.public => {
            return refused("is public and requires something: leave one out");
        }
        Some(Requirement {
            role: None,
            user: None,
        }) => {
            return refused(
                "has an empty `require`: name a role or a user, or leave it out for any login",
            );
        }
        Some(Requirement { role, user }) => (names(role), names(user)),
        None => (Some(Vec::new()), Some(Vec::new())),
    };
    let (Some(roles), Some(users)) = (roles, users) else {
        return refused("requires one of no names, which nobody has: name one");
    };
    if let Some(cache) = &route.cache
        && HeaderValue::from_str(cache).is_err()
    {
        return refused("has a `cache` that is no value of Cache-Control");
    }
    if !route.public && route.cache.as_deref().is_some_and(is_shared) {
        return refused(
            "needs a login, and its `cache` lets shared caches keep its pages: add private or no-store",
        );
    }
    Ok(Rule {
        methods,
        is_public: route.public,
        roles,
        users,
        on_denied: match route.on_denied {
            Some(Denied::Unauthorized) => OnDenied::Unauthorized,
            Some(Denied::Redirect) | None => OnDenied::Redirect,
        },
        cookie: route.cookie.map_or(settings.cookie, Into::into),
        cache: route.cache,
        audience: audience(route.audience)?.or_else(|| settings.audience.clone()),
        name,
        path,
    })
}

/// Returns `true` if a shared cache may keep a response with this Cache-Control.
fn is_shared(cache: &str) -> bool {
    !cache.split(',').any(|word| {
        let word = word.trim();
        word.eq_ignore_ascii_case("private") || word.eq_ignore_ascii_case("no-store")
    })
}

fn name(name: Option<String>, path: &str) -> Result<String, RulesError> {
    let name = name.unwrap_or_else(|| path.to_owned());
    let is_label =
        !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains(char::is_control);
    if is_label {
        Ok(name)
    } else {
        Err(RulesError(format!(
            "name = {name:?} of {path:?} is empty or too long for a label"
        )))
    }
}

fn names(names: Option<Names>) -> Option<Vec<String>> {
    let names = match names {
        None => return Some(Vec::new()),
        Some(Names::One(name)) => vec![name],
        Some(Names::Many(names)) => names,
    };
    let is_some = !names.is_empty() && names.iter().all(|name| !name.is_empty());
    is_some.then_some(names)
}

/// Returns the methods, empty for all of them. A public rule never is for all.
fn methods(
    listed: Option<Vec<String>>,
    is_public: bool,
    rule: &str,
) -> Result<BTreeSet<String>, RulesError> {
    let listed = match listed {
        None if is_public => vec!["GET".to_owned(), "HEAD".to_owned()],
        None => Vec::new(),
        Some(listed) if listed.is_empty() => {
            return Err(RulesError(format!(
                "rule `{rule}` is for no method: name one"
            )));
        }
        Some(listed) => listed,
    };
    for method in &listed {
        if !crate::target::is_method(method) {
            return Err(RulesError(format!(
                "rule `{rule}` is for {method:?}, which the gate never forwards: write GET, POST, …"
            )));
        }
    }
    Ok(listed.into_iter().collect())
}

fn audience(audience: Option<String>) -> Result<Option<String>, RulesError> {
    match audience {
        Some(audience) if audience.is_empty() || audience.len() > 256 => Err(RulesError(
            "audience is empty or longer than 256 bytes".to_owned(),
        )),
        audience => Ok(audience),
    }
}
