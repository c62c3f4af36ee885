//! The file of rules.

use std::path::Path;

use cloakroom_gate::Rules;

use crate::problem::Problem;

/// Reads a file of rules.
pub(super) fn read_rules(path: &Path) -> Result<Rules, Problem> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Problem::failed(format!(
            "the rules in {} cannot be read ({error})",
            path.display()
        ))
    })?;
    Rules::parse(&text)
        .map_err(|error| Problem::failed(format!("the rules in {}: {error}", path.display())))
}
