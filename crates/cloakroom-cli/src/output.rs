//! What the commands print: for a person at a terminal, or for a program at the end of a pipe.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::problem::Problem;

/// Width of the text where the terminal's is not known, and the widest that reads well.
const WIDEST: usize = 100;
/// Width below which words are cut rather than wrapped.
const NARROWEST: usize = 24;

/// The form of the text on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    style: Style,
    /// Columns of the terminal; `None`: nobody is looking, and a line is as long as its text.
    width: Option<usize>,
}

impl Output {
    /// Returns the form that suits standard output.
    pub(crate) fn of_stdout() -> Self {
        let width = io::stdout().is_terminal().then(|| {
            let size = terminal_size::terminal_size();
            size.map_or(WIDEST, |(width, _)| usize::from(width.0))
        });
        Self::new(Style::of_stdout(), width)
    }

    fn new(style: Style, width: Option<usize>) -> Self {
        let width = width.map(|width| width.clamp(NARROWEST, WIDEST));
        Self { style, width }
    }

    /// Returns a form without colours, for a terminal of `width` columns or a pipe.
    #[cfg(test)]
    pub(crate) fn plain(width: Option<usize>) -> Self {
        Self::new(Style::Plain, width)
    }

    /// Returns the style of its letters.
    pub(crate) fn style(self) -> Style {
        self.style
    }

    /// Appends a paragraph: `first` before its first line, blanks of the same width before the others.
    ///
    /// In a pipe it is one line.
    pub(crate) fn paragraph(self, text: &mut String, first: &str, body: &str) {
        self.styled_paragraph(text, first, body, str::to_owned);
    }

    /// Appends a paragraph whose lines are styled after they were wrapped.
    pub(crate) fn styled_paragraph(
        self,
        text: &mut String,
        first: &str,
        body: &str,
        style: impl Fn(&str) -> String,
    ) {
        let indent = first.chars().count();
        let width = self.width.map(|width| width.saturating_sub(indent).max(12));
        let options = textwrap::Options::new(width.unwrap_or(usize::MAX))
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        let lines = textwrap::wrap(body, options);
        for (at, line) in lines.iter().enumerate() {
            if at == 0 {
                text.push_str(first);
            } else {
                text.extend(std::iter::repeat_n(' ', indent));
            }
            text.push_str(&style(line));
            text.push('\n');
        }
    }
}

/// Bold letters, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Terminal,
}

/// Judges what became of writing to standard output: a reader who has seen enough is no failure, a full disk is.
///
/// # Errors
///
/// [`Problem`] where the output could not be written.
pub(crate) fn printed(written: io::Result<()>) -> Result<(), Problem> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Problem::failed(format!(
            "the output could not be written ({error}): see where it goes, and run it again"
        ))),
        _ => Ok(()),
    }
}

impl Style {
    /// Follows <https://no-color.org>, and is plain wherever no person is looking.
    pub(crate) fn of_stdout() -> Self {
        Self::of(&io::stdout())
    }

    /// Returns the style of lines on standard error.
    pub(crate) fn of_stderr() -> Self {
        Self::of(&io::stderr())
    }

    fn of(stream: &impl io::IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        if !refused && stream.is_terminal() {
            Self::Terminal
        } else {
            Self::Plain
        }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Terminal => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// Writes a text to standard output; a reader that has gone is no error.
///
/// # Errors
///
/// If it cannot be written for another reason, as to a full disk.
pub(crate) fn print(text: &str) -> Result<(), Problem> {
    print_bytes(text.as_bytes())
}

/// Writes bytes as [`print`] writes text.
///
/// # Errors
///
/// As for [`print`].
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), Problem> {
    let mut stdout = io::stdout().lock();
    written(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// Writes a value as one line of JSON.
///
/// # Errors
///
/// As for [`print`].
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Problem> {
    print(&(json(value)? + "\n"))
}

fn json(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(value)
        .map_err(|error| Problem::failed(format!("the answer is no JSON ({error}): report this")))
}

/// Takes a closed pipe, as `head` leaves behind, for the end of the output.
fn written(result: io::Result<()>) -> Result<(), Problem> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Problem::failed(format!(
            "standard output cannot be written ({error}): is the disk full?"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::{Output, Style, written};

    #[test]
    fn a_paragraph_is_wrapped_at_a_terminal_and_one_line_in_a_pipe() {
        let body = "one two three four five six seven eight nine ten eleven";
        for width in [24, 40, 80] {
            let mut text = String::new();
            Output::plain(Some(width)).paragraph(&mut text, "  - ", body);
            assert!(text.lines().all(|line| line.len() <= width), "{text}");
            assert!(text.starts_with("  - one"), "{text}");
            assert!(
                text.lines().skip(1).all(|line| line.starts_with("    ")),
                "{text}"
            );
            assert_eq!(text.split_whitespace().skip(1).count(), 11, "{text}");
        }
        let mut text = String::new();
        Output::plain(None).paragraph(&mut text, "", &body.repeat(9));
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn widths_stay_where_text_can_be_read() {
        for (columns, width) in [(0, 24), (10, 24), (40, 40), (80, 80), (300, 100)] {
            assert_eq!(Output::plain(Some(columns)).width, Some(width));
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error() {
        assert!(written(Err(Error::from(ErrorKind::BrokenPipe))).is_ok());
        assert!(written(Err(Error::from(ErrorKind::StorageFull))).is_err());
        assert!(written(Ok(())).is_ok());
    }

    #[test]
    fn a_plain_style_adds_nothing() {
        let plain = Style::Plain;
        for text in [plain.bold("x"), plain.dim("x"), plain.red("x")] {
            assert_eq!(text, "x");
        }
        assert_eq!(Style::Terminal.green("x"), "\x1b[32mx\x1b[0m");
    }
}
