//! `cloakroom policy describe`: the effective settings, defaults included.

use std::process::ExitCode;
use std::time::Duration;

use humantime::format_duration;
use serde_json::{Map, Value};

use super::settings::Settings;
use crate::output::{self, Output};
use crate::problem::Problem;

/// The settings that are lengths of time, in seconds.
const TIMES: [&str; 7] = [
    "absolute_timeout",
    "browser_session",
    "idle_timeout",
    "remember_at_most",
    "renewal_timeout",
    "store_timeout",
    "touch_after",
];
/// The members that describe the policy and not its settings.
const LEFT_OUT: [&str; 2] = ["schema", "secrets"];
/// The settings that a file has no names for.
const IN_CODE: [&str; 7] = [
    "clear_site_data",
    "cookie_with",
    "id_generator",
    "id_grammar",
    "max_sockets_per_address",
    "max_sockets_per_session",
    "record_limit_bounds_writes",
];

pub(super) fn run(settings: &Settings, json: bool) -> Result<ExitCode, Problem> {
    let described = described(settings)?;
    if json {
        output::print_json(&described)?;
    } else {
        let defaults = Settings {
            express: settings.express,
            ..Settings::default()
        };
        let defaults = self::described(&defaults)?;
        output::print(&text(Output::of_stdout(), &described, &defaults))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn described(settings: &Settings) -> Result<Map<String, Value>, Problem> {
    let policy = settings.build().map_err(|error| {
        Problem::usage(format!(
            "these settings build no policy: {error}; `cloakroom policy check` explains it"
        ))
    })?;
    match policy.describe() {
        // The secret here is none of a server's.
        Value::Object(mut said) => {
            said.remove("secrets");
            Ok(said)
        }
        _ => Ok(Map::new()),
    }
}

/// Returns the settings by the names that a file has for them.
fn by_name(described: &Map<String, Value>) -> Map<String, Value> {
    let mut named = Map::new();
    for (name, value) in described {
        match (name.as_str(), value) {
            (name, _) if LEFT_OUT.contains(&name) => {}
            ("max_sessions", Value::Object(parts)) => {
                named.extend(parts.iter().map(|(part, value)| match part.as_str() {
                    "most" => ("max_sessions".to_owned(), value.clone()),
                    part => (part.to_owned(), value.clone()),
                }));
            }
            ("record_limit", Value::Object(parts)) => {
                let part = |(part, value): (&String, &Value)| {
                    (format!("record_limit_{part}"), value.clone())
                };
                named.extend(parts.iter().map(part));
            }
            _ => drop(named.insert(name.clone(), value.clone())),
        }
    }
    named
}

/// Writes a line for each setting; those that differ from the defaults are marked.
fn text(output: Output, described: &Map<String, Value>, defaults: &Map<String, Value>) -> String {
    let style = output.style();
    let (described, defaults) = (by_name(described), by_name(defaults));
    let is_in_code = |name: &str| IN_CODE.contains(&name);
    let (in_code, in_file): (Vec<_>, Vec<_>) =
        described.iter().partition(|(name, _)| is_in_code(name));
    let mut text = String::new();
    for (name, value) in in_file.into_iter().chain(in_code) {
        let is_default = defaults.get(name) == Some(value);
        let mark = match (is_default, is_in_code(name)) {
            (false, _) => "*",
            (true, true) => "-",
            (true, false) => " ",
        };
        let first = format!("{mark} {name:<23} ");
        let shown = shown(name, value);
        output.styled_paragraph(&mut text, &first, &shown, |line| {
            if is_default {
                line.to_owned()
            } else {
                style.bold(line)
            }
        });
    }
    text.push('\n');
    let note =
        "* differs from the default; - is set in code alone, the others in a file or by --set";
    output.styled_paragraph(&mut text, "", note, |line| style.dim(line));
    text
}

/// Writes a value for people.
fn shown(name: &str, value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) if TIMES.contains(&name) => "0s".to_owned(),
            Some(seconds) if TIMES.contains(&name) => Duration::try_from_secs_f64(seconds)
                .map_or_else(
                    |_| number.to_string(),
                    |time| format_duration(time).to_string(),
                ),
            _ => number.to_string(),
        },
        Value::Array(values) => {
            let values = values.iter().map(|value| shown("", value));
            values.collect::<Vec<_>>().join(", ")
        }
        Value::Object(parts) => {
            let parts = parts.iter();
            let parts = parts.map(|(name, value)| format!("{name} {}", shown("", value)));
            parts.collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{described, text};
    use crate::output::Output;
    use crate::policy::settings::Settings;

    fn settings(set: &[&str]) -> Settings {
        let set: Vec<String> = set.iter().map(|&set| set.to_owned()).collect();
        Settings::read(None, &set).ok().unwrap()
    }

    fn of(set: &[&str]) -> String {
        let (own, defaults) = (settings(set), settings(&[]));
        let (own, defaults) = (described(&own).unwrap(), described(&defaults).unwrap());
        text(Output::plain(None), &own, &defaults)
    }

    #[test]
    fn settings_come_to_their_effects() {
        let text = of(&[
            "idle_timeout=1h",
            "user_keys=['uid', 'id']",
            "max_sessions=3",
        ]);
        for line in [
            "* idle_timeout            1h",
            "* touch_after             3m",
            "  absolute_timeout        1day",
            "  renewal_timeout         none",
            "* user_keys               uid, id",
            "* max_sessions            3",
            "* at_limit                end_oldest",
            "  rolling                 no",
            "  record_limit_bytes      65536",
            "  record_limit_depth      64",
            "- record_limit_bounds_writes yes",
            "- id_generator            no",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
        assert!(!text.contains("secret"), "{text}");
    }

    /// A described setting is set under the same name, or in code alone.
    #[test]
    fn names_are_those_of_the_settings() {
        let own = described(&settings(&["max_sessions=3"])).unwrap();
        for (name, value) in super::by_name(&own) {
            let read = |set: String| Settings::read(None, &[set]);
            let Err(problem) = read(format!("{name}={value}")) else {
                continue;
            };
            let is_unknown = problem.message().contains("unknown field");
            assert_eq!(
                is_unknown,
                super::IN_CODE.contains(&name.as_str()),
                "{name}"
            );
        }
        for (set, name) in [
            ("record_limit_keys=9", "keys"),
            ("record_limit_depth=8", "depth"),
        ] {
            let own = described(&settings(&[set])).unwrap();
            assert!(
                set.ends_with(&own["record_limit"][name].to_string()),
                "{set}"
            );
        }
    }

    /// A setting takes what is described under its name.
    #[test]
    fn a_description_is_read_back() {
        let first = described(&settings(&[
            "same_site=strict",
            "cache=private",
            "on_store_error=anonymous",
            "unset=destroy",
            "priority=high",
            "duplicate_cookies=reject",
            "cookie_life=express",
            "secure=auto",
        ]))
        .unwrap();
        for name in [
            "same_site",
            "cache",
            "on_store_error",
            "unset",
            "priority",
            "duplicate_cookies",
            "cookie_life",
            "secure",
        ] {
            let value = first[name].as_str().unwrap();
            let again = described(&settings(&[&format!("{name}={value}")])).unwrap();
            assert_eq!(again[name], first[name], "{name}");
        }
    }

    #[test]
    fn settings_that_build_nothing_are_explained_elsewhere() {
        let problem = described(&settings(&["idle_timeout=25h"])).err().unwrap();
        assert!(
            problem.message().contains("policy check"),
            "{}",
            problem.message()
        );
    }

    #[test]
    fn narrow_terminals_get_all_of_it() {
        let own = described(&settings(&[])).unwrap();
        let text = text(Output::plain(Some(40)), &own, &own);
        assert!(
            text.lines().all(|line| line.chars().count() <= 40),
            "{text}"
        );
    }
}
