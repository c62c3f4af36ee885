//! `cloakroom cookie verify`: the signature of one value.

use std::process::ExitCode;

use cloakroom::id::IdGrammar;
use serde::Serialize;

use super::accepted::judge;
use super::situation::Finding;
use super::situations::accepted as table;
use crate::output::{self, Output};
use crate::problem::Problem;
use crate::secret_args::SecretArgs;

/// Exit code of a value that an older secret signed.
const OLDER: u8 = 3;
/// Exit code of a value that is not accepted.
const REFUSED: u8 = 4;

/// The flags of `cloakroom cookie verify`.
#[derive(clap::Args)]
pub(crate) struct VerifyOptions {
    /// The server accepts every id (`IdGrammar::any`), as Express does
    #[arg(long)]
    any_id: bool,

    /// Print one line of JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    secrets: SecretArgs,
}

#[derive(Serialize)]
struct Verified {
    valid: bool,
    id: &'static str,
    sentence: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    mend: String,
}

pub(super) fn run(options: &VerifyOptions) -> Result<ExitCode, Problem> {
    if options.secrets.takes_stdin() {
        return Err(Problem::usage(
            "standard input holds the cookie: give the secret in a file or in SESSION_SECRET",
        ));
    }
    let secrets = options.secrets.require()?;
    let line = super::line_of_stdin("the cookie's value")?;
    let value = value_of(&line);
    if value.is_empty() {
        return Err(Problem::usage(
            "standard input is empty: pipe the cookie's value in, such as s%3A…",
        ));
    }
    let grammar = if options.any_id {
        IdGrammar::any()
    } else {
        IdGrammar::default()
    };
    let finding = judge(value.as_bytes(), &secrets, &grammar).finding;
    print(options.json, &finding)?;
    Ok(ExitCode::from(code(&finding)))
}

/// Returns the value of what people copy: a value, a pair, a Set-Cookie field, a header line.
fn value_of(line: &str) -> &str {
    let line = line.trim();
    let bare = ["cookie:", "set-cookie:"].into_iter().find_map(|name| {
        let start = line.get(..name.len())?;
        start
            .eq_ignore_ascii_case(name)
            .then(|| line[name.len()..].trim())
    });
    let pair = bare.unwrap_or(line).split(';').next().unwrap_or_default();
    // A padded signature has an equals sign as well, behind the colon of `s:`.
    match pair.split_once('=') {
        Some((name, value)) if !name.contains([':', '%']) => value.trim(),
        _ => pair.trim(),
    }
}

fn code(finding: &Finding) -> u8 {
    if finding.is_fault() {
        REFUSED
    } else if finding.situation == &table::OLD_KEY {
        OLDER
    } else {
        0
    }
}

fn print(json: bool, finding: &Finding) -> Result<(), Problem> {
    if json {
        return output::print_json(&Verified {
            valid: !finding.is_fault(),
            id: finding.situation.id,
            sentence: finding.sentence(),
            mend: finding.mend(),
        });
    }
    let mut text = String::new();
    let output = Output::of_stdout();
    let style = output.style();
    output.styled_paragraph(&mut text, "", &finding.sentence(), |line| style.bold(line));
    if !finding.mend().is_empty() {
        output.paragraph(&mut text, "  ", &finding.mend());
    }
    output::print(&text)
}

#[cfg(test)]
mod tests {
    use super::value_of;

    #[test]
    fn the_value_is_found_in_what_people_copy() {
        for line in [
            "s%3Aabc.def",
            " s%3Aabc.def ",
            "connect.sid=s%3Aabc.def",
            "connect.sid=s%3Aabc.def; Path=/; HttpOnly",
            "Cookie: connect.sid=s%3Aabc.def; lang=en",
            "set-cookie: connect.sid=s%3Aabc.def; Secure",
        ] {
            assert_eq!(value_of(line), "s%3Aabc.def", "{line}");
        }
        assert_eq!(value_of("s:abc.def="), "s:abc.def=");
        assert_eq!(value_of(""), "");
    }
}
