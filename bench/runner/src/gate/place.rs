//! The folder of a run: visitors with their sessions and cookies, secret and rules of the gate.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tempfile::TempDir;

/// Visitors who are signed in.
pub(crate) const VISITORS: usize = 512;

/// The secret of all contenders.
const SECRET: &str = "the secret of all contenders, which is 64 bytes long and no less";

const RULES: &str = "[[route]]\npath = \"/public/{*rest}\"\npublic = true\n";

#[derive(Debug)]
pub(crate) struct Place {
    /// The folder `bench`.
    pub(crate) bench: PathBuf,
    folder: TempDir,
    /// The Cookie fields of the visitors.
    pub(crate) cookies: Vec<String>,
}

impl Place {
    pub(crate) fn prepare(bench: PathBuf) -> Result<Self, String> {
        let folder = TempDir::new_in("/dev/shm").map_err(|error| error.to_string())?;
        let (mut lines, mut cookies) = (String::new(), Vec::new());
        for number in 0..VISITORS {
            let id = id(number);
            let record = BASE64_STANDARD.encode(record(number));
            let _ = writeln!(
                lines,
                r#"{{"v":1,"id":"{id}","expires":4102444800000,"bytes":"{record}","form":"json"}}"#
            );
            cookies.push(format!("connect.sid=s%3A{id}.{}", escaped(&signature(&id))));
        }
        let place = Self {
            bench,
            folder,
            cookies,
        };
        for (name, text) in [
            ("secret", SECRET),
            ("rules.toml", RULES),
            ("sessions", &lines),
        ] {
            fs::write(place.file(name), text).map_err(|error| error.to_string())?;
        }
        Ok(place)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Stores the visitors' sessions, as an operator imports them.
    pub(crate) fn fill(&self, command: &Path, store: &str) -> Result<(), String> {
        let output = Command::new(command)
            .args(["sessions", "import"])
            .arg(self.file("sessions"))
            .args(["--store", store, "--secret-file"])
            .arg(self.file("secret"))
            .arg("--audit")
            .arg(self.file("audit"))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() && said.starts_with(&format!("{VISITORS} sessions imported")) {
            return Ok(());
        }
        Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

fn id(number: usize) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("visitor of a gate {number:06}"))
}

/// Returns a session of about 300 bytes, as Express keeps it.
fn record(number: usize) -> String {
    format!(
        r#"{{"cookie":{{"originalMaxAge":1800000,"expires":"2100-01-01T00:00:00.000Z","secure":false,"httpOnly":true,"path":"/","sameSite":"lax"}},"userId":"user-{number:05}","roles":["staff","editor"],"profile":{{"name":"Ada Lovelace","email":"ada@example.com","theme":"dark","cart":{{"wool-scarf":2}}}}}}"#
    )
}

fn signature(id: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    mac.update(id.as_bytes());
    BASE64_STANDARD_NO_PAD.encode(mac.finalize().into_bytes())
}

/// Escapes the letters of base64 that a cookie's value does not hold as they are.
fn escaped(text: &str) -> String {
    text.replace('+', "%2B").replace('/', "%2F")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_signed_as_express_signs_it() {
        // cookie-signature 1.2: sign('hello', 'tobiiscool').
        let mut mac = Hmac::<Sha256>::new_from_slice(b"tobiiscool").unwrap();
        mac.update(b"hello");
        let signed = BASE64_STANDARD_NO_PAD.encode(mac.finalize().into_bytes());
        assert_eq!(signed, "DGDUkGlIkCzPz+C0B064FNgHdEjox7ch8tOBGslZ5QI");
        assert_eq!(escaped("a+b/c"), "a%2Bb%2Fc");
        assert_eq!(id(7).len(), 32);
    }
}
