//! Facts about the policy and the secrets: from a file, flags and the environment.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use cloakroom::KeyRing;
use cloakroom::store::inspect::Facts;
use serde_json::Value;

use super::attributes::{Attributes, fault};
use crate::problem::Problem;

/// Secrets of documentation and tutorials.
const SAMPLES: [&str; 10] = [
    "keyboard cat",
    "keyboardcat",
    "changeme",
    "change-me",
    "change me",
    "your-secret",
    "your secret",
    "my-secret",
    "my secret",
    "supersecret",
];

/// The flags of the policy.
#[derive(clap::Args, Debug)]
pub(crate) struct PolicyArgs {
    /// The policy as JSON, as the program that serves describes it (`Policy::describe`)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Name of the cookie [default: the policy's, else connect.sid]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// A file of the secrets, one a line, the one that signs first
    /// [default: the environment's `SESSION_SECRET`, by comma]
    #[arg(long, value_name = "FILE", env = "SESSION_SECRET_FILE")]
    secret_file: Option<PathBuf>,
}

impl PolicyArgs {
    /// Returns `true` if there is a policy or a secret to look at.
    pub(super) fn is_given(&self) -> bool {
        self.policy.is_some() || self.secret_file.is_some() || self.name.is_some()
    }

    /// Returns the name of the cookie, and notes what is known of the policy and the secrets.
    pub(super) fn note(&self, facts: &mut Facts) -> Result<String, Problem> {
        let policy = self.policy.as_deref().map(read).transpose()?;
        let name = policy.as_ref().and_then(|policy| text(policy, "name"));
        let name = name.map(str::to_owned);
        let name = self
            .name
            .clone()
            .or(name)
            .unwrap_or_else(|| "connect.sid".to_owned());
        if let Some(policy) = &policy {
            described(policy, &name, facts);
        }
        if let Some(text) = self.secrets()? {
            secrets(&text, facts);
        }
        Ok(name)
    }

    /// Returns the text of the secrets; `None` if there is none.
    fn secrets(&self) -> Result<Option<String>, Problem> {
        let Some(file) = &self.secret_file else {
            // Never by a flag, which other users of the machine can see.
            return Ok(std::env::var("SESSION_SECRET").ok());
        };
        let text = std::fs::read_to_string(file);
        text.map(Some)
            .map_err(|error| unreadable("--secret-file", file, &error))
    }
}

fn unreadable(flag: &str, file: &Path, error: &std::io::Error) -> Problem {
    Problem::usage(format!(
        "{flag} {} cannot be read ({error}): give a file that can",
        file.display()
    ))
}

fn read(file: &Path) -> Result<Value, Problem> {
    let text =
        std::fs::read_to_string(file).map_err(|error| unreadable("--policy", file, &error))?;
    let value: Option<Value> = serde_json::from_str(&text).ok().filter(Value::is_object);
    value.ok_or_else(|| {
        Problem::usage(format!(
            "--policy {} is no JSON object: write what Policy::describe returns into it",
            file.display()
        ))
    })
}

/// Returns a text of the policy.
fn text<'a>(policy: &'a Value, key: &str) -> Option<&'a str> {
    policy.get(key)?.as_str()
}

/// Notes what `Policy::describe` says, by its names.
fn described(policy: &Value, name: &str, facts: &mut Facts) {
    let secure = text(policy, "secure");
    facts.note("policy.secure", secure);
    // Without the time-out the key is there and null.
    let absolute = policy.get("absolute_timeout");
    facts.note("policy.absolute_s", absolute.map(whole_seconds));
    let owned = |key: &str| text(policy, key).map(str::to_owned);
    let attributes = Attributes {
        secure: secure != Some("never"),
        same_site: owned("same_site"),
        domain: owned("domain"),
        path: owned("path"),
        http_only: policy.get("http_only").and_then(Value::as_bool) != Some(false),
        expires: None,
    };
    facts.set(
        "policy.fault",
        fault(name, &attributes, None).unwrap_or_default(),
    );
}

/// Returns a time in whole seconds, rounded up; 0 for one that is off.
fn whole_seconds(time: &Value) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a longer time than an i64 has is the longest"
    )]
    let seconds = time.as_f64().unwrap_or(0.0).ceil() as i64;
    seconds
}

fn secrets(text: &str, facts: &mut Facts) {
    // What a server that starts with it would say.
    let refused = KeyRing::from_text(text).err();
    facts.set(
        "secret.fault",
        refused.map_or(String::new(), |error| error.to_string()),
    );
    let secrets: Vec<&str> = text.lines().flat_map(parts).collect();
    let is_sample = |secret: &&str| {
        let secret = secret.to_lowercase();
        SAMPLES.iter().any(|sample| secret.contains(sample))
    };
    facts.set("secret.count", secrets.len());
    facts.set(
        "secret.bits",
        secrets.iter().map(|secret| bits(secret)).min().unwrap_or(0),
    );
    facts.set("secret.is_sample", secrets.iter().any(is_sample));
}

/// Divides a line as the library does: by comma where each part is long enough to be a secret.
fn parts(line: &str) -> Vec<&str> {
    let parts: Vec<&str> = line.split(',').map(str::trim).collect();
    let parts = if parts.iter().all(|part| part.len() >= 32) {
        parts
    } else {
        vec![line.trim()]
    };
    parts.into_iter().filter(|part| !part.is_empty()).collect()
}

/// Returns about how many bits a secret has: the entropy of its characters, which is an upper bound.
fn bits(secret: &str) -> i64 {
    let mut counts: HashMap<char, f64> = HashMap::new();
    for character in secret.chars() {
        *counts.entry(character).or_default() += 1.0;
    }
    let all: f64 = counts.values().sum();
    let entropy: f64 = counts
        .values()
        .map(|count| count * (all / count).log2())
        .sum();
    #[expect(clippy::cast_possible_truncation, reason = "a secret has few bits")]
    let bits = entropy as i64;
    bits
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cloakroom::store::inspect::Facts;
    use cloakroom::{KeyRing, Policy, Secure};
    use serde_json::json;

    use super::{bits, described, whole_seconds};

    #[test]
    fn what_a_policy_describes_is_read() {
        let keys = KeyRing::new("the secret of these tests, long enough").unwrap();
        let policy = Policy::builder(keys)
            .secure(Secure::Never)
            .absolute_timeout(Duration::from_hours(12))
            .build()
            .unwrap();
        let mut facts = Facts::new("memory");
        described(&policy.describe(), "connect.sid", &mut facts);
        assert_eq!(facts.text("policy.secure"), Some("never"));
        assert_eq!(facts.number("policy.absolute_s"), Some(43_200));
        assert_eq!(facts.text("policy.fault"), Some(""));
    }

    #[test]
    fn a_time_that_is_off_is_no_time() {
        assert_eq!(whole_seconds(&json!(null)), 0);
        assert_eq!(whole_seconds(&json!(0.5)), 1);
        assert_eq!(whole_seconds(&json!(43_200.0)), 43_200);
    }

    #[test]
    fn repeated_characters_count_little() {
        assert_eq!(bits(&"a".repeat(64)), 0);
        assert!(bits("abababababababababababababababababab") < 40);
        assert!(bits("pM1tP1j8w9h1sX5bC0cZb0Q6m8rT7nK2uY4vE3aL9dGfHiJk") > 200);
    }
}
