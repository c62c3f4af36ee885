//! Rules: which requests pass, by path and method. A path without a rule needs a login.

mod file;
mod pattern;
mod table;

use std::collections::BTreeSet;
use std::sync::Arc;

use http::Method;

use crate::path::JudgedPath;
use table::Table;

/// The rules of a gate, as a file has them.
///
/// ```
/// use cloakroom_gate::Rules;
///
/// let rules = Rules::parse(
///     r#"
///     login = "/login"
///
///     [[route]]
///     path = "/login"
///     public = true
///     methods = ["GET", "POST"]
///     cookie = "pass"
///
///     [[route]]
///     path = "/admin/{*rest}"
///     require = { role = "admin" }
///     "#,
/// )?;
/// # Ok::<(), cloakroom_gate::RulesError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rules {
    table: Table,
    settings: Settings,
    default: Arc<Rule>,
}

/// The settings of a file for all rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) login: Option<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) role_keys: Vec<String>,
    pub(crate) cookie: CookieRule,
    pub(crate) audience: Option<String>,
}

/// One rule.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    pub(crate) name: String,
    pub(crate) path: String,
    /// Empty for all methods.
    pub(crate) methods: BTreeSet<String>,
    pub(crate) is_public: bool,
    /// One of these is required, where there are any.
    pub(crate) roles: Vec<String>,
    /// One of these is required, where there are any.
    pub(crate) users: Vec<String>,
    pub(crate) on_denied: OnDenied,
    pub(crate) cookie: CookieRule,
    pub(crate) cache: Option<String>,
    pub(crate) audience: Option<String>,
}

/// The answer to a page that may not be seen without a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnDenied {
    /// A redirect to the login, for navigations.
    #[default]
    Redirect,
    /// 401, whoever asks.
    Unauthorized,
}

/// The application's part in the session's cookie: gets it and may set it, or never sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CookieRule {
    /// Neither.
    #[default]
    Strip,
    /// Both: it shares the session.
    Pass,
}

/// The reason for which a file of rules is refused, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RulesError(pub(crate) String);

/// The rules that a request has to satisfy, all of them.
///
/// There are two where a server that ignores the case of letters would take the path for another one.
#[derive(Clone, Debug)]
pub struct Ruling {
    pub(crate) rules: Vec<Arc<Rule>>,
}

/// The outcome of looking for the rules of a request.
#[derive(Clone, Debug)]
pub enum Matched {
    /// These rules decide.
    Ruled(Ruling),
    /// The path has rules, none of them for this method; these methods have one.
    NotAllowed {
        /// The rule's name.
        rule: String,
        /// Methods, as the field `Allow` has them.
        allow: String,
    },
}

impl Rules {
    /// Parses a file of rules.
    ///
    /// # Errors
    ///
    /// [`RulesError`] for a file that is no TOML, has a key that is none of ours, two rules for one path and
    /// method, or a login page that needs a login.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let (settings, routes) = file::read(text)?;
        let default = Rule {
            name: "default".to_owned(),
            cookie: settings.cookie,
            audience: settings.audience.clone(),
            ..Rule::default()
        };
        let rules = Self {
            table: Table::of(routes)?,
            settings,
            default: Arc::new(default),
        };
        rules.refuse_loop()?;
        Ok(rules)
    }

    /// Returns the rules for a request.
    pub fn of(&self, path: &JudgedPath, method: &Method) -> Matched {
        let mut rules: Vec<Arc<Rule>> = Vec::with_capacity(2);
        for found in self.table.readings(path) {
            let rule = match found.map(|of_path| of_path.rule(method)) {
                None | Some(Ok(None)) => &self.default,
                Some(Ok(Some(rule))) => rule,
                Some(Err(refused)) => return refused,
            };
            if !rules.iter().any(|other| Arc::ptr_eq(other, rule)) {
                rules.push(Arc::clone(rule));
            }
        }
        Matched::Ruled(Ruling { rules })
    }

    /// Returns the path of the application's login.
    pub fn login(&self) -> Option<&str> {
        self.settings.login.as_deref()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns all rules but the default one.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.table.iter()
    }

    /// Refuses rules by which the login page leads to itself.
    /// Returns the labels of all rules in metrics, that of paths without a rule as well.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().chain([&*self.default]).map(Rule::name)
    }

    fn refuse_loop(&self) -> Result<(), RulesError> {
        let Some(login) = self.login() else {
            return Ok(());
        };
        let path = login.split('?').next().unwrap_or_default();
        let judged = JudgedPath::judge(path)
            .map_err(|fault| RulesError(format!("login = {login:?} cannot be a page: {fault}")))?;
        let refused = |why: &str| Err(RulesError(format!("the login page {path} {why}")));
        match self.of(&judged, &Method::GET) {
            Matched::NotAllowed { .. } => refused("may not be fetched: add GET to its methods"),
            Matched::Ruled(ruling) if !ruling.is_public() => refused(&format!(
                "would lead to itself, because the rule `{}` requires a login: add [[route]] path = \"{path}\", \
                 public = true, methods = [\"GET\", \"POST\"], cookie = \"pass\"",
                ruling.name()
            )),
            Matched::Ruled(ruling) if !ruling.passes_cookie() => refused(
                "could not sign anybody in, because its rule strips the session's cookie: set cookie = \"pass\"",
            ),
            Matched::Ruled(_) => Ok(()),
        }
    }
}

impl Ruling {
    /// Returns the name of the rule that decides, for metrics and logs: of two, the one that requires more.
    pub fn name(&self) -> &str {
        let by_demand = |rule: &&Arc<Rule>| (rule.is_strict(), !rule.is_public);
        let strictest = self.rules.iter().rev().max_by_key(by_demand);
        strictest.map_or("default", |rule| &rule.name)
    }

    /// Returns the rules, one or two.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// Returns `true` if the request needs no session.
    pub fn is_public(&self) -> bool {
        self.rules.iter().all(|rule| rule.is_public)
    }

    /// Returns `true` if only some of the users who are signed in may pass.
    pub(crate) fn is_strict(&self) -> bool {
        self.rules.iter().any(|rule| rule.is_strict())
    }

    /// Returns `true` if a user with these roles may pass.
    pub fn admits(&self, user: &str, roles: &[String]) -> bool {
        self.rules.iter().all(|rule| rule.admits(user, roles))
    }

    pub(crate) fn passes_cookie(&self) -> bool {
        self.rules
            .iter()
            .all(|rule| rule.cookie == CookieRule::Pass)
    }

    pub(crate) fn redirects(&self) -> bool {
        self.rules
            .iter()
            .all(|rule| rule.on_denied == OnDenied::Redirect)
    }

    /// Returns the Cache-Control of its responses, where the file has one.
    pub(crate) fn cache(&self) -> Option<&str> {
        self.rules.iter().find_map(|rule| rule.cache.as_deref())
    }

    pub(crate) fn audience(&self) -> Option<&str> {
        self.rules.iter().find_map(|rule| rule.audience.as_deref())
    }
}

impl Rule {
    /// Returns its name: that of the file, else its path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns `true` if it requires more than a login.
    fn is_strict(&self) -> bool {
        !self.roles.is_empty() || !self.users.is_empty()
    }

    fn admits(&self, user: &str, roles: &[String]) -> bool {
        let has_role = self.roles.is_empty() || self.roles.iter().any(|role| roles.contains(role));
        let is_named = self.users.is_empty() || self.users.iter().any(|name| name == user);
        has_role && is_named
    }

    /// Returns `true` if it is for this method. What may be fetched may be asked for its head.
    fn is_for(&self, method: &Method) -> bool {
        let name = if method == Method::HEAD {
            "GET"
        } else {
            method.as_str()
        };
        self.methods.is_empty()
            || self.methods.contains(name)
            || self.methods.contains(method.as_str())
    }

    /// Describes what it is for, in words.
    pub fn scope(&self) -> String {
        if self.path.is_empty() {
            return "every other path".to_owned();
        }
        let methods: Vec<&str> = self.methods.iter().map(String::as_str).collect();
        match &methods[..] {
            [] => self.path.clone(),
            methods => format!("{} for {}", self.path, methods.join(", ")),
        }
    }

    /// Describes what it requires, in words.
    pub fn requirement(&self) -> String {
        if self.is_public {
            return "nothing: it is public".to_owned();
        }
        let list = |what: &str, names: &[String]| match names {
            [] => None,
            [name] => Some(format!("the {what} {name}")),
            names => Some(format!("one of the {what}s {}", names.join(", "))),
        };
        let all = [list("role", &self.roles), list("name", &self.users)];
        let all: Vec<String> = all.into_iter().flatten().collect();
        if all.is_empty() {
            return "a login".to_owned();
        }
        format!("a login with {}", all.join(" and "))
    }
}

#[cfg(test)]
mod tests;
