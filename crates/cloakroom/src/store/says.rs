//! Errors whose `Debug` is what they say, with their causes: `main` prints that one.

use std::error::Error;
use std::fmt;

/// Writes an error and its causes, each once, in one line.
pub(crate) fn with_causes(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut said = error.to_string();
    f.write_str(&said)?;
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Many drivers repeat their cause in their own words.
        if !said.contains(&text) {
            write!(f, ": {text}")?;
        }
        said = text;
        cause = error.source();
    }
    Ok(())
}
