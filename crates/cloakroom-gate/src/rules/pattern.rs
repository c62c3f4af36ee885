//! The path of a rule: literal text, `{name}` for one part, `{*name}` at the end for all that follow.

use super::RulesError;
use crate::path::fold;

/// Checks the path of a rule, and returns it without a slash at its end.
pub(super) fn checked(path: &str) -> Result<String, RulesError> {
    let refused = |why: &str| Err(RulesError(format!("path = {path:?} {why}")));
    let Some(inner) = path.strip_prefix('/') else {
        return refused("does not begin with /: rules are paths, not patterns of a search");
    };
    if path.contains(['?', '#']) {
        return refused("has a query: rules see the path alone");
    }
    if path.contains('%') {
        return refused("has an escape: write the character itself");
    }
    if path.contains(['\\', ';']) || path.chars().any(char::is_control) {
        return refused("has a character that no accepted request has");
    }
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let is_part = |part: &str| !part.is_empty() && !part.ends_with('.') && part.trim() == part;
    if !inner.is_empty() && !inner.split('/').all(is_part) {
        return refused("has an empty part or a part of dots, which no accepted request has");
    }
    Ok(format!("/{inner}"))
}

/// Returns the pattern of paths that are folded: its literal text is, its names are not.
pub(super) fn folded(pattern: &str) -> String {
    let (mut text, mut rest) = (String::new(), pattern);
    while let Some(at) = rest.find('{') {
        let end = rest[at..].find('}').map_or(rest.len(), |end| at + end + 1);
        text.push_str(&fold(&rest[..at]));
        text.push_str(&rest[at..end]);
        rest = &rest[end..];
    }
    text.push_str(&fold(rest));
    text
}

/// Returns the path itself of a rule for all that is below it: `/admin` for `/admin/{*rest}`. Servers list a
/// folder there.
pub(super) fn root(pattern: &str) -> Option<&str> {
    let (root, last) = pattern.rsplit_once('/')?;
    let root = if root.is_empty() { "/" } else { root };
    last.starts_with("{*").then_some(root)
}
