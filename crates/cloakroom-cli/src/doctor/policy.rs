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

/// Returns a text of the policy, beside its cookie's attributes or in them.
fn text(policy: &Value, key: &str) -> Option<String> {
    match member(policy, key)? {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn member<'a>(policy: &'a Value, key: &str) -> Option<&'a Value> {
    policy.get(key).or_else(|| policy.get("cookie")?.get(key))
}

fn described(policy: &Value, name: &str, facts: &mut Facts) {
    let secure = text(policy, "secure").map(|text| match &*text.to_lowercase() {
        "true" | "always" => "always",
        "false" | "never" => "never",
        _ => "auto",
    });
    facts.note("policy.secure", secure);
    let absolute = ["absolute_timeout_s", "absolute_timeout"]
        .iter()
        .find_map(|key| member(policy, key));
    // Without the time-out the key is there and null.
    facts.note(
        "policy.absolute_s",
        absolute.map(|value| value.as_i64().unwrap_or(0)),
    );
    let attributes = Attributes {
        secure: secure != Some("never"),
        same_site: text(policy, "same_site").map(|text| text.to_lowercase()),
        domain: text(policy, "domain"),
        path: text(policy, "path"),
        http_only: true,
        expires: None,
    };
    facts.set(
        "policy.fault",
        fault(name, &attributes, None).unwrap_or_default(),
    );
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
    use super::bits;

    #[test]
    fn repeated_characters_count_little() {
        assert_eq!(bits(&"a".repeat(64)), 0);
        assert!(bits("abababababababababababababababababab") < 40);
        assert!(bits("pM1tP1j8w9h1sX5bC0cZb0Q6m8rT7nK2uY4vE3aL9dGfHiJk") > 200);
    }
}
