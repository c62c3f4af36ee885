//! The secrets that a command needs: from the environment or from files, never from the command line.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use cloakroom::KeyRing;

use crate::problem::Problem;

/// Longest secret file, in bytes; a longer one is another file.
const LONGEST_FILE: u64 = 65_536;

/// The flags of secrets; without `Debug`, although no secret is in them.
#[derive(clap::Args)]
pub(crate) struct SecretArgs {
    /// File that holds secrets, one a line, the newest first; repeatable; `-` is standard input
    ///
    /// Without it `SESSION_SECRET` counts, or the file that `SESSION_SECRET_FILE` names. Secrets are no flags,
    /// because other users of the machine can see flags.
    #[arg(long = "secret-file", value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// The secrets, newest first; never printed.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<Vec<u8>>);

impl SecretArgs {
    /// Reads the secrets; none where neither flag nor environment names one.
    pub(crate) fn read(&self) -> Result<Secrets, Problem> {
        let texts = if self.files.is_empty() {
            from_environment()?.into_iter().collect()
        } else {
            let texts = self.files.iter().map(|path| read(path));
            texts.collect::<Result<Vec<_>, _>>()?
        };
        Ok(Secrets::of(&texts.join("\n")))
    }

    /// Reads the secrets, of which there must be one.
    pub(crate) fn require(&self) -> Result<Secrets, Problem> {
        match self.read()? {
            secrets if secrets.is_empty() => Err(Problem::usage(
                "no secret: set SESSION_SECRET, or give a file that holds it with --secret-file",
            )),
            secrets => Ok(secrets),
        }
    }

    /// Returns `true` if standard input is read for secrets.
    pub(crate) fn takes_stdin(&self) -> bool {
        self.files.iter().any(|path| is_stdin(path))
    }
}

impl Secrets {
    /// Reads secrets from a text, as the library does.
    pub(crate) fn of(text: &str) -> Self {
        // The library knows where a comma divides.
        Self(
            KeyRing::split_secrets(text)
                .map(|secret| secret.as_bytes().to_vec())
                .collect(),
        )
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the secrets as the library reads them: one a line, newest first.
    #[cfg(feature = "gate")]
    pub(crate) fn to_text(&self) -> String {
        let lines = self.0.iter().map(|secret| String::from_utf8_lossy(secret));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Returns the number of secrets.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns a ring of each secret alone, newest first: short ones too, as Express takes them.
    pub(crate) fn rings(&self) -> impl Iterator<Item = KeyRing> + '_ {
        self.0
            .iter()
            .filter_map(|secret| KeyRing::with_insecure_short_secret(secret).ok())
    }

    /// Returns a ring of each secret as it would be with white space cut off or a line break added: the
    /// usual faults of copying.
    pub(crate) fn miscopied(&self) -> impl Iterator<Item = KeyRing> + '_ {
        let variants = self.0.iter().flat_map(|secret| {
            let text = String::from_utf8_lossy(secret).into_owned();
            let unquoted = text.trim_matches(['"', '\'']).to_owned();
            let changed = [
                format!("{text}\n"),
                format!("{text}\r\n"),
                format!("{text}\r"),
                format!("{text} "),
                format!(" {text}"),
                format!("\"{text}\""),
                format!("'{text}'"),
                unquoted,
            ];
            changed.into_iter().filter(move |other| *other != text)
        });
        variants.filter_map(|secret| KeyRing::with_insecure_short_secret(secret).ok())
    }
}

fn from_environment() -> Result<Option<String>, Problem> {
    if let Some(text) = std::env::var_os("SESSION_SECRET") {
        return match text.into_string() {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Problem::usage(
                "SESSION_SECRET is no text in UTF-8: put it into a file and give --secret-file",
            )),
        };
    }
    let file = std::env::var_os("SESSION_SECRET_FILE");
    file.map(|path| read(Path::new(&path))).transpose()
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn read(path: &Path) -> Result<String, Problem> {
    let mut text = String::new();
    let read = if is_stdin(path) {
        std::io::stdin()
            .take(LONGEST_FILE)
            .read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text))
    };
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(Problem::failed(format!(
            "the secrets in {} cannot be read ({error}): give another --secret-file",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::{SecretArgs, Secrets};

    const ONE: &str = "one secret of these tests, long enough";
    const TWO: &str = "another of them which is as long as that";

    #[test]
    fn secrets_are_read_a_line_each_and_short_ones_too() {
        for (text, count) in [
            ("", 0),
            ("\n \n", 0),
            (ONE, 1),
            ("keyboard cat\n", 1),
            (&format!("{ONE}\n{TWO}\n")[..], 2),
            (&format!("{TWO}\r\nkeyboard cat"), 2),
        ] {
            let secrets = Secrets::of(text);
            assert_eq!(secrets.count(), count, "{text}");
            assert_eq!(secrets.rings().count(), count, "{text}");
        }
    }

    #[test]
    fn a_missing_file_is_reported_in_one_line() {
        let args = SecretArgs {
            files: vec!["/nowhere/secret".into()],
        };
        let problem = args.read().err().unwrap();
        assert!(problem.message().contains("--secret-file"));
        assert!(!problem.message().contains('\n'));
    }
}
