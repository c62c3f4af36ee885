//! Writes an explanation: first the cause in one sentence, then the stages.

use serde::Serialize;

use super::chain::{Chain, Verdict};
use super::site::HAS_SUFFIXES;
use super::situation::{Finding, Stage, Weight};
use crate::output::Output;

/// An explanation as a line of JSON.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    name: &'a str,
    /// `true` if the cookie is lost nowhere, as far as the facts say.
    works: bool,
    /// The first sentence.
    sentence: String,
    /// Its subject; absent where nothing is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Row>,
    stages: Vec<StageRow>,
    /// `true` if sites were told apart by the list of public suffixes.
    public_suffixes: bool,
}

#[derive(Serialize)]
struct StageRow {
    stage: Stage,
    verdict: Verdict,
    findings: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: &'static str,
    weight: Weight,
    /// The name of Chromium's protocol, where it has one.
    chromium: Option<&'static str>,
    sentence: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    mend: String,
}

impl Row {
    fn of(finding: &Finding) -> Self {
        Self {
            id: finding.situation.id,
            weight: finding.situation.weight,
            chromium: finding.situation.chromium,
            sentence: finding.sentence(),
            mend: finding.mend(),
        }
    }
}

impl<'a> Report<'a> {
    pub(super) fn of(name: &'a str, chain: &Chain) -> Self {
        let stages = Stage::ALL.map(|stage| {
            let (verdict, findings) = chain.verdict(stage);
            StageRow {
                stage,
                verdict,
                findings: findings.into_iter().map(Row::of).collect(),
            }
        });
        Self {
            name,
            works: !chain.fails(),
            sentence: sentence(chain),
            cause: chain.cause().map(Row::of),
            stages: stages.into(),
            public_suffixes: HAS_SUFFIXES,
        }
    }
}

/// Returns the first sentence: the cause, or how far the cookie gets.
pub(super) fn sentence(chain: &Chain) -> String {
    if let Some(cause) = chain.cause() {
        return cause.sentence();
    }
    match chain.reached() {
        None => "Nothing was given to look at.".to_owned(),
        Some(Stage::Sent) => of_notes(chain, Stage::Sent, "The server sends the cookie."),
        Some(Stage::Stored) => "The browser stores the cookie.".to_owned(),
        Some(Stage::SentBack) => {
            "The browser stores the cookie and sends it with this request.".to_owned()
        }
        Some(Stage::Accepted) => of_notes(chain, Stage::Accepted, "The server accepts the cookie."),
        Some(Stage::Session) => of_notes(chain, Stage::Session, "The session is live."),
    }
}

fn of_notes(chain: &Chain, stage: Stage, otherwise: &str) -> String {
    let (_, notes) = chain.verdict(stage);
    notes
        .last()
        .map_or_else(|| otherwise.to_owned(), |note| note.sentence())
}

/// Writes the explanation for a person.
pub(super) fn text(output: Output, chain: &Chain) -> String {
    let style = output.style();
    let mut text = String::new();
    let sentence = sentence(chain);
    output.styled_paragraph(&mut text, "", &sentence, |line| style.bold(line));
    let cause = chain.cause();
    if let Some(cause) = cause {
        output.paragraph(&mut text, "  ", &cause.mend());
    }
    text.push('\n');
    for stage in Stage::ALL {
        write_stage(output, &mut text, chain, stage, &sentence);
    }
    if chain.verdict(Stage::Stored).0 != Verdict::NotChecked && !HAS_SUFFIXES {
        text.push('\n');
        let note = "This build has no list of public suffixes (feature `suffixes`): the last two labels of a host are taken for its site.";
        output.styled_paragraph(&mut text, "", note, |line| style.dim(line));
    }
    text
}

fn write_stage(output: Output, text: &mut String, chain: &Chain, stage: Stage, said: &str) {
    let style = output.style();
    let (verdict, findings) = chain.verdict(stage);
    let question = format!("  {:<23} ", stage.question());
    let (word, hint) = match verdict {
        Verdict::Passed => ("yes", String::new()),
        Verdict::Failed => ("no", names(&findings)),
        Verdict::NotChecked => ("–", hint(chain, stage)),
    };
    let body = format!("{word} {hint}");
    output.styled_paragraph(text, &question, body.trim(), |line| match verdict {
        Verdict::Passed => style.green(line),
        Verdict::Failed => style.red(line),
        Verdict::NotChecked => style.dim(line),
    });
    for finding in findings.iter().filter(|finding| finding.sentence() != said) {
        let sentence = finding.sentence();
        match finding.situation.weight {
            Weight::Fault => output.paragraph(text, "    ✗ ", &sentence),
            Weight::Warning => {
                output.styled_paragraph(text, "    ! ", &sentence, |line| style.yellow(line));
                output.paragraph(text, "      ", &finding.mend());
            }
            Weight::Note => {
                output.styled_paragraph(text, "    · ", &sentence, |line| style.dim(line));
            }
        }
    }
}

/// Returns Chromium's names, as its network panel shows them.
fn names(findings: &[&Finding]) -> String {
    let mut names: Vec<&str> = findings
        .iter()
        .filter_map(|finding| finding.situation.chromium)
        .collect();
    names.dedup();
    match names.as_slice() {
        [] => String::new(),
        names => format!("(Chromium: {})", names.join(", ")),
    }
}

/// Says why a stage was not looked at.
fn hint(chain: &Chain, stage: Stage) -> String {
    let earlier = Stage::ALL.into_iter().filter(|earlier| *earlier < stage);
    let is_lost = earlier
        .map(|earlier| chain.verdict(earlier).0)
        .any(|verdict| verdict == Verdict::Failed);
    if is_lost {
        return "not reached".to_owned();
    }
    match stage {
        Stage::Sent | Stage::Stored => "not checked: give --set-cookie and --url, --har or --curl",
        Stage::SentBack => "not checked",
        Stage::Accepted => "not checked: give the request's --cookie",
        Stage::Session => "not checked: give --store, a secret and --cookie",
    }
    .to_owned()
}

#[cfg(test)]
mod tests;
