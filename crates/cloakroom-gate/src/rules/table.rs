//! The rules by path: the most specific path decides, part by part.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use matchit::{InsertError, Router};

use super::{Matched, Rule, RulesError, pattern};
use crate::path::JudgedPath;

/// The rules by their paths, in the two readings of a request.
#[derive(Clone, Debug)]
pub(super) struct Table {
    paths: Vec<OfPath>,
    exact: Router<usize>,
    folded: Router<usize>,
}

/// The rules of one path.
#[derive(Clone, Debug)]
pub(super) struct OfPath {
    rules: Vec<Arc<Rule>>,
}

impl Table {
    pub(super) fn of(rules: Vec<Rule>) -> Result<Self, RulesError> {
        let mut by_path: BTreeMap<String, Vec<Arc<Rule>>> = BTreeMap::new();
        for rule in rules {
            let same = by_path.entry(rule.path.clone()).or_default();
            if let Some(other) = same.iter().find(|other| overlap(other, &rule)) {
                return Err(RulesError(format!(
                    "path = {:?} has two rules for one method, `{}` and `{}`: leave one",
                    rule.path, other.name, rule.name
                )));
            }
            same.push(Arc::new(rule));
        }
        let (mut exact, mut folded) = (Router::new(), Router::new());
        for (index, path) in by_path.keys().enumerate() {
            insert(&mut exact, path, path, index)?;
            insert(&mut folded, &pattern::folded(path), path, index)?;
        }
        for (index, path) in by_path.keys().enumerate() {
            if let Some(root) = pattern::root(path) {
                // It has a rule of its own where this fails.
                let _ = exact.insert(root, index);
                let _ = folded.insert(pattern::folded(root), index);
            }
        }
        let paths = by_path.into_values().map(|rules| OfPath { rules });
        Ok(Self {
            paths: paths.collect(),
            exact,
            folded,
        })
    }

    /// Returns the rules of a path as it is, and as a server reads it that ignores the case of letters.
    pub(super) fn readings(&self, path: &JudgedPath) -> [Option<&OfPath>; 2] {
        let find = |router: &Router<usize>, path: &str| {
            let found = router.at(path).ok()?;
            self.paths.get(*found.value)
        };
        [
            find(&self.exact, path.as_str()),
            find(&self.folded, path.folded()),
        ]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.paths
            .iter()
            .flat_map(|path| &path.rules)
            .map(AsRef::as_ref)
    }
}

impl OfPath {
    /// Returns the rule for a method; `None` for the default one.
    ///
    /// A method that none of a path's rules names may not be used there, so that a rule for `GET` leaves no
    /// weaker one for `POST`; where all of them are public, it needs a login.
    pub(super) fn rule(&self, method: &Method) -> Result<Option<&Arc<Rule>>, Matched> {
        let found = self.rules.iter().find(|rule| rule.is_for(method));
        if found.is_some() || self.rules.iter().all(|rule| rule.is_public) {
            return Ok(found);
        }
        let named = self.rules.iter().flat_map(|rule| &rule.methods);
        let named: Vec<&str> = named.map(String::as_str).collect();
        Err(Matched::NotAllowed {
            rule: self
                .rules
                .first()
                .map_or_else(String::new, |rule| rule.name.clone()),
            allow: named.join(", "),
        })
    }
}

fn overlap(one: &Rule, other: &Rule) -> bool {
    let (one, other) = (&one.methods, &other.methods);
    one.is_empty() || other.is_empty() || one.intersection(other).next().is_some()
}

fn insert(
    router: &mut Router<usize>,
    pattern: &str,
    path: &str,
    index: usize,
) -> Result<(), RulesError> {
    router.insert(pattern, index).map_err(|error| {
        RulesError(match error {
            InsertError::Conflict { with } => {
                format!("path = {path:?} and {with:?} are for the same requests: leave one")
            }
            InsertError::InvalidCatchAll => {
                format!("path = {path:?}: {{*name}} stands for a whole end, as in /admin/{{*rest}}")
            }
            error => format!("path = {path:?}: {error}: write {{name}} for a part of a path"),
        })
    })
}
