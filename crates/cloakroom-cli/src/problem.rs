//! The reasons for which the command fails, each in one line.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

/// A line for the user of the command: what is wrong, and what to do about it.
#[derive(Debug)]
pub(crate) struct Problem {
    message: String,
    code: u8,
}

impl Problem {
    /// The command was typed wrongly: exit code 2, as clap's own.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 2,
        }
    }

    /// The command was understood and could not be carried out: exit code 1.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 1,
        }
    }

    /// Says it on standard error.
    pub(crate) fn report(&self) -> ExitCode {
        // With standard error closed there is no reader.
        let _ = writeln!(std::io::stderr(), "error: {}", self.message);
        ExitCode::from(self.code)
    }

    /// Returns the line.
    #[cfg(feature = "gate")]
    pub(crate) fn text(&self) -> &str {
        &self.message
    }

    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

/// An error and its causes, in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", with_causes(cause)),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::with_causes;

    #[derive(Debug)]
    struct Outer(std::fmt::Error);

    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("outer")
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn causes_follow_in_one_line() {
        let line = with_causes(&Outer(std::fmt::Error));
        assert!(
            line.starts_with("outer: ") && !line.contains('\n'),
            "{line}"
        );
    }
}
