//! `cloakroom policy check`: contradictions and warnings, each with its reason and its mend.

use std::process::ExitCode;

use serde::Serialize;

use super::rules::{Weight, broken};
use super::settings::Settings;
use crate::output::{self, Output};
use crate::problem::Problem;

/// Exit code of warnings alone.
const WARNED: u8 = 3;
/// Exit code of contradictions.
const CONTRADICTS: u8 = 4;

/// The finding.
#[derive(Debug, Serialize)]
struct Finding {
    id: &'static str,
    weight: Weight,
    why: String,
    mend: String,
}

pub(super) fn run(settings: &Settings, json: bool) -> Result<ExitCode, Problem> {
    let findings = findings(settings);
    if json {
        for finding in &findings {
            output::print_json(finding)?;
        }
    } else {
        output::print(&text(Output::of_stdout(), &findings))?;
    }
    Ok(ExitCode::from(code(&findings)))
}

/// Lists the broken rules, and what the library itself refuses beyond them.
fn findings(settings: &Settings) -> Vec<Finding> {
    let broken = broken(settings);
    let explained = broken
        .iter()
        .any(|rule| rule.weight == Weight::Contradiction);
    let refused = settings.build().err().filter(|_| !explained);
    let refused = refused.map(|error| Finding {
        id: "refused",
        weight: Weight::Contradiction,
        why: "The library does not build this policy.".to_owned(),
        mend: format!("{error}."),
    });
    let broken = broken.into_iter().map(|rule| Finding {
        id: rule.id,
        weight: rule.weight,
        why: rule.why.to_owned(),
        mend: rule.mend.to_owned(),
    });
    refused.into_iter().chain(broken).collect()
}

fn code(findings: &[Finding]) -> u8 {
    match findings.iter().map(|finding| finding.weight).max() {
        None => 0,
        Some(Weight::Warning) => WARNED,
        Some(Weight::Contradiction) => CONTRADICTS,
    }
}

fn text(output: Output, findings: &[Finding]) -> String {
    let style = output.style();
    if findings.is_empty() {
        return "no contradiction\n".to_owned();
    }
    let mut text = String::new();
    for finding in findings {
        let (mark, shown) = match finding.weight {
            Weight::Contradiction => ("✗ ", style.red(finding.id)),
            Weight::Warning => ("! ", style.yellow(finding.id)),
        };
        text.extend([mark, &shown, "\n"]);
        output.paragraph(&mut text, "  ", &finding.why);
        output.styled_paragraph(&mut text, "  ", &finding.mend, |line| style.bold(line));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{code, findings, text};
    use crate::output::Output;
    use crate::policy::settings::Settings;

    fn settings(set: &str) -> Settings {
        Settings::read(None, &[set.to_owned()]).ok().unwrap()
    }

    #[test]
    fn the_exit_code_is_that_of_the_worst() {
        for (set, expected) in [
            ("rolling=true", 0),
            ("resave=true", 3),
            ("max_sessions=0", 4),
            // What no rule explains, the library does.
            ("name=a b", 4),
            ("domain=-", 4),
            ("idle_timeout=1ms", 4),
        ] {
            assert_eq!(code(&findings(&settings(set))), expected, "{set}");
        }
    }

    #[test]
    fn each_finding_has_its_reason_and_its_mend() {
        let findings = findings(&settings("idle_timeout=25h"));
        let text = text(Output::plain(Some(40)), &findings);
        assert!(text.starts_with("✗ absolute-shorter-than-idle\n"), "{text}");
        assert!(text.contains("Raise `absolute_timeout`"), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 40),
            "{text}"
        );
    }
}
