//! Secrets as whoever runs a program hands them over: in its environment, or in a file that it names.

use std::{env, fs};

use crate::cookie::{KeyError, KeyRing};

impl KeyRing {
    /// Reads the secrets from the environment: several by comma or line, newest first, from the variable
    /// `name`, else from the file that the variable `<name>_FILE` names (a secret of Docker or Kubernetes, a
    /// credential of systemd).
    ///
    /// ```no_run
    /// # use cloakroom::KeyRing;
    /// # fn f() -> Result<(), Box<dyn std::error::Error>> {
    /// let keys = KeyRing::from_env("SESSION_SECRET")?;
    /// # Ok(()) }
    /// ```
    ///
    /// A comma divides where each part is long enough to be a secret, 32 bytes; elsewhere it is a part of
    /// one.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotSet`] without either variable, [`KeyError::File`] for a file that cannot be read;
    /// otherwise as for [`from_secrets`](Self::from_secrets).
    pub fn from_env(name: &str) -> Result<Self, KeyError> {
        Self::from_text(&text_of(name, |name| env::var(name).ok())?)
    }

    /// Reads secrets from a text: several by comma or line, newest first; space around them, and lines
    /// without one, count for nothing. A comma divides as in [`from_env`](Self::from_env).
    ///
    /// # Errors
    ///
    /// As for [`from_secrets`](Self::from_secrets).
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        Self::from_secrets(Self::split_secrets(text))
    }

    /// Splits a text into secrets as [`from_text`](Self::from_text) does, and checks none of them.
    #[doc(hidden)]
    pub fn split_secrets(text: &str) -> impl Iterator<Item = &str> {
        text.lines().flat_map(secrets_of)
    }
}

/// The secrets of a line.
fn secrets_of(line: &str) -> Vec<&str> {
    let line = line.trim();
    let parts: Vec<&str> = line.split(',').map(str::trim).collect();
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if parts.iter().all(|part| part.len() >= SHORTEST) {
        return parts;
    }
    vec![line]
}

/// The least bytes of a secret.
const SHORTEST: usize = 32;

fn text_of(name: &str, value_of: impl Fn(&str) -> Option<String>) -> Result<String, KeyError> {
    if let Some(text) = value_of(name) {
        return Ok(text);
    }
    let file = value_of(&format!("{name}_FILE")).ok_or(KeyError::NotSet)?;
    fs::read_to_string(file).map_err(|_| KeyError::File)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::text_of;
    use crate::cookie::{KeyError, KeyRing, sign, unsign};

    const OLD: &str = "the old secret of these tests, long enough";
    const NEW: &str = "the new secret of these tests, long enough";

    #[test]
    fn z6_secrets_are_several_by_comma_or_line() {
        let (old, new) = (OLD.replace(',', ""), NEW.replace(',', ""));
        // A comma inside a secret is a part of it.
        for secret in [OLD, "a keyboard, a cat, and nobody who knows both"] {
            let (by_text, by_itself) = (KeyRing::from_text(secret), KeyRing::new(secret));
            assert_eq!(
                sign("id", &by_text.unwrap()),
                sign("id", &by_itself.unwrap())
            );
        }
        let signed = sign("id", &KeyRing::new(&old).unwrap());
        for text in [
            format!("{new},{old}"),
            format!("{new}\n{old}\n"),
            format!("\n {new} ,\r\n {old} \n\n"),
        ] {
            let keys = KeyRing::from_text(&text).unwrap();
            assert_eq!(unsign(&signed, &keys), Some("id"), "{text}");
            let by_new = sign("id", &KeyRing::new(&new).unwrap());
            assert_eq!(sign("id", &keys), by_new, "the first signs");
        }
        assert_eq!(KeyRing::from_text(" \n,").unwrap_err(), KeyError::NoSecret);
        let short = KeyRing::from_text(&format!("{new}\nshort"));
        assert_eq!(short.unwrap_err(), KeyError::TooShort);
    }

    #[test]
    fn z6_a_file_is_read_where_the_variable_is_not_set() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "from the file").unwrap();
        let file = file.to_str().unwrap();
        let of = |variables: &[(&str, &str)]| {
            let find = |name: &str| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            text_of("S", find)
        };
        assert_eq!(of(&[]), Err(KeyError::NotSet));
        assert_eq!(of(&[("S_FILE", file)]).as_deref(), Ok("from the file"));
        assert_eq!(of(&[("S_FILE", file), ("S", "x")]).as_deref(), Ok("x"));
        assert_eq!(of(&[("S_FILE", "/nowhere/at/all")]), Err(KeyError::File));
    }
}
