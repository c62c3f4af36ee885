//! The findings on a terminal, and as JSON lines.

use std::io::{self, Write};

use super::Outcome;
use super::check::{Check, Finding, Level};

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text { width: usize, colour: bool },
    Json,
}

/// Writes the findings; what could not be checked goes to `aside`, so that a healthy deployment prints nothing.
pub(super) fn write(
    outcomes: &[Outcome],
    form: Form,
    out: &mut impl Write,
    aside: &mut impl Write,
) -> io::Result<()> {
    for outcome in outcomes {
        match (outcome, form) {
            (Outcome::Found(check, finding), Form::Text { width, colour }) => {
                out.write_all(text(check, finding, width, colour).as_bytes())?;
            }
            (Outcome::Found(check, finding), Form::Json) => {
                writeln!(out, "{}", json(check, finding))?;
            }
            (Outcome::Unchecked(check, _), Form::Json) => {
                let line = serde_json::json!({ "id": check.id, "state": "not checked", "title": check.title });
                writeln!(out, "{line}")?;
            }
            (Outcome::Unchecked(..), Form::Text { .. }) => {}
        }
    }
    if matches!(form, Form::Text { .. }) {
        for line in unchecked(outcomes) {
            writeln!(aside, "{line}")?;
        }
    }
    Ok(())
}

/// Returns what was not checked, one line for each reason.
fn unchecked(outcomes: &[Outcome]) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for outcome in outcomes {
        let Outcome::Unchecked(check, reason) = outcome else {
            continue;
        };
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, ids)) => ids.push(check.id),
            None => reasons.push((reason, vec![check.id])),
        }
    }
    let line =
        |(reason, ids): (&str, Vec<&str>)| format!("not checked: {} ({reason})", ids.join(" "));
    reasons.into_iter().map(line).collect()
}

fn json(check: &Check, finding: &Finding) -> serde_json::Value {
    serde_json::json!({
        "id": check.id,
        "state": "found",
        "level": finding.level.unwrap_or(check.level).name(),
        "title": check.title,
        "measured": finding.measured,
        "why": check.why,
        "mend": finding.mend,
    })
}

fn text(check: &Check, finding: &Finding, width: usize, colour: bool) -> String {
    let level = finding.level.unwrap_or(check.level);
    let (start, end) = match (colour, level) {
        (false, _) => ("", ""),
        (true, Level::Error) => ("\u{1b}[1;31m", "\u{1b}[0m"),
        (true, Level::Warning) => ("\u{1b}[1;33m", "\u{1b}[0m"),
        (true, Level::Note) => ("\u{1b}[1m", "\u{1b}[0m"),
    };
    let mut text = format!(
        "{start}{} {}{end}  {}\n",
        level.mark(),
        check.id,
        check.title
    );
    for (label, what) in [
        ("measured", &*finding.measured),
        ("why", check.why),
        ("mend", &*finding.mend),
    ] {
        text += &wrapped(label, what, width);
    }
    text
}

/// Returns a labelled text, broken at blanks; a word that is too long stays whole, so that it can be copied.
fn wrapped(label: &str, what: &str, width: usize) -> String {
    const INDENT: usize = 16;
    let room = width.saturating_sub(INDENT).max(20);
    let mut lines = vec![String::new()];
    for word in what.split(' ') {
        let last = lines.last_mut().expect("there is one");
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > room {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        let label = if at == 0 { label } else { "" };
        text.extend(["      ", &format!("{label:<9} {line}"), "\n"]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Form, wrapped, write};
    use crate::doctor::Outcome;
    use crate::doctor::check::{Check, Finding, Level};

    const CHECK: Check = Check::error("X01", "a title", "a reason", |_| None);

    fn written(form: Form) -> (String, String) {
        let finding = Finding {
            level: Some(Level::Note),
            measured: "7".into(),
            mend: "8".into(),
        };
        let outcomes = [
            Outcome::Found(&CHECK, finding),
            Outcome::Unchecked(&CHECK, "no --url"),
        ];
        let (mut out, mut aside) = (Vec::new(), Vec::new());
        write(&outcomes, form, &mut out, &mut aside).unwrap();
        (
            String::from_utf8(out).unwrap(),
            String::from_utf8(aside).unwrap(),
        )
    }

    #[test]
    fn findings_go_out_and_what_was_not_checked_aside() {
        let (out, aside) = written(Form::Text {
            width: 80,
            colour: false,
        });
        assert_eq!(
            out,
            "· X01  a title\n      measured  7\n      why       a reason\n      mend      8\n"
        );
        assert_eq!(aside, "not checked: X01 (no --url)\n");
        let (out, aside) = written(Form::Json);
        assert_eq!(aside, "");
        let lines: Vec<serde_json::Value> = out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["level"], "note");
        assert_eq!(lines[1]["state"], "not checked");
    }

    #[test]
    fn lines_stay_within_the_width() {
        let text = wrapped("mend", &"word ".repeat(60), 60);
        assert!(
            text.lines().all(|line| line.chars().count() <= 60),
            "{text}"
        );
    }
}
