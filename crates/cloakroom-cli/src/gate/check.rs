//! `cloakroom gate check`: which rule decides about a request, and why.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use axum::http::Method;
use cloakroom_gate::{JudgedPath, Matched, Rules};

use super::rules_file::read_rules;
use crate::output;
use crate::problem::Problem;

/// The flags of `cloakroom gate check`.
#[derive(clap::Args)]
#[command(after_help = "Exit codes: 0 some client may pass; 1 none may, or the rules are refused.")]
pub(crate) struct CheckOptions {
    /// File of the rules
    #[arg(value_name = "RULES")]
    rules: PathBuf,

    /// Path of the request, as a client sends it; without it the rules are checked and listed
    #[arg(long, value_name = "PATH")]
    path: Option<String>,

    /// Method of the request
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: Method,
}

pub(super) fn run(options: &CheckOptions) -> Result<ExitCode, Problem> {
    let rules = read_rules(&options.rules)?;
    let (text, may_pass) = match &options.path {
        None => (listed(&rules), true),
        Some(path) => explained(&rules, path, &options.method),
    };
    output::print_bytes(text.as_bytes())?;
    Ok(ExitCode::from(u8::from(!may_pass)))
}

fn listed(rules: &Rules) -> String {
    let mut text = String::new();
    for rule in rules.iter() {
        let _ = writeln!(
            text,
            "{}: {}: requires {}",
            rule.name(),
            rule.scope(),
            rule.requirement()
        );
    }
    text + "default: every other path: requires a login\n"
}

/// Returns what decides, and whether some client may pass.
fn explained(rules: &Rules, path: &str, method: &Method) -> (String, bool) {
    let sent = path.split('?').next().unwrap_or_default();
    let judged = match JudgedPath::judge(sent) {
        Ok(judged) => judged,
        Err(fault) => {
            return (
                format!("400: {path} is refused before any rule: {fault}\n"),
                false,
            );
        }
    };
    let ruling = match rules.of(&judged, method) {
        Matched::NotAllowed { rule, allow } => {
            let why = format!(
                "405: the rule `{rule}` has the path, and none is for {method}: {allow} are\n"
            );
            return (why, false);
        }
        Matched::Ruled(ruling) => ruling,
    };
    let mut text = String::new();
    for rule in ruling.rules() {
        let _ = writeln!(
            text,
            "{method} {} is decided by `{}` ({}): it requires {}",
            judged.as_str(),
            rule.name(),
            rule.scope(),
            rule.requirement()
        );
    }
    if ruling.rules().len() > 1 {
        text.push_str("Both have to hold: a server that ignores the case of letters takes the path for another.\n");
    }
    (text, true)
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use cloakroom_gate::Rules;

    use super::{explained, listed};

    #[test]
    fn a_request_is_explained_by_the_rule_that_decides() {
        let rules = Rules::parse(
            "[[route]]\nname = \"pages\"\npath = \"/public/{*rest}\"\npublic = true\n\
             [[route]]\npath = \"/admin/{*rest}\"\nmethods = [\"GET\"]\nrequire = { role = \"admin\" }",
        )
        .unwrap();
        #[rustfmt::skip]
        let table = [
            ("/public/x",      Method::GET,  "decided by `pages` (/public/{*rest} for GET, HEAD): it requires nothing",  true),
            ("/public/x?/a",   Method::GET,  "decided by `pages`",                                                       true),
            ("/public/x",      Method::POST, "decided by `default` (every other path): it requires a login",             true),
            ("/admin",         Method::GET,  "it requires a login with the role admin",                                  true),
            ("/ADMIN",         Method::GET,  "Both have to hold",                                                        true),
            ("/admin",         Method::POST, "405: the rule `/admin/{*rest}` has the path, and none is for POST: GET",   false),
            ("/public/../x",   Method::GET,  "400: /public/../x is refused before any rule",                             false),
            ("x",              Method::GET,  "400",                                                                      false),
        ];
        for (path, method, expected, may_pass) in table {
            let (text, passes) = explained(&rules, path, &method);
            assert!(text.contains(expected), "{method} {path}: {text}");
            assert_eq!(passes, may_pass, "{method} {path}");
        }
        assert_eq!(listed(&rules).lines().count(), 3);
    }
}
