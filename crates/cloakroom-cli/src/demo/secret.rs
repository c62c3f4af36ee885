//! The secret that signs cookies: given, or generated once and kept where only its owner can read it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use cloakroom::KeyRing;

use super::options::{Options, make_private};
use crate::problem::Problem;

/// Longest secret file, in bytes; a longer one is not the shop's.
const LONGEST_FILE: u64 = 4096;

/// The source of the secret.
pub(super) enum Origin {
    /// Given by flag or environment.
    Given,
    /// Drawn now, for as long as this process runs.
    Passing,
    /// Drawn now and kept in this file.
    Drawn(PathBuf),
    /// Read from this file.
    Kept(PathBuf),
}

/// The keys that were asked for, or those of this machine.
pub(super) fn keys(options: &Options, store: &str) -> Result<(KeyRing, Origin), Problem> {
    if !options.secrets.is_empty() {
        return Ok((given(&options.secrets)?, Origin::Given));
    }
    // Sessions in memory end with the process, and so may what signed them.
    if store == "memory" {
        return Ok((ring(&draw()?)?, Origin::Passing));
    }
    make_private(&options.data_dir)?;
    kept(options.data_dir.join("session-secret"))
}

fn given(secrets: &[String]) -> Result<KeyRing, Problem> {
    // The environment holds several by comma or line.
    KeyRing::from_text(&secrets.join("\n"))
        .map_err(|error| Problem::usage(format!("--secret or SESSION_SECRET: {error}")))
}

/// The secret in the file at `path`, which is made if it is not there.
fn kept(path: PathBuf) -> Result<(KeyRing, Origin), Problem> {
    match create(&path) {
        Ok(file) => Ok((drawn_into(file, &path)?, Origin::Drawn(path))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let secret = read(&path).map_err(|fault| fault.problem(&path))?;
            Ok((ring(&secret)?, Origin::Kept(path)))
        }
        Err(error) => Err(Fault::Io("made", error).problem(&path)),
    }
}

/// Makes the file for its owner only, from its first moment on.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn drawn_into(mut file: File, path: &Path) -> Result<KeyRing, Problem> {
    let secret = draw()?;
    let written = writeln!(file, "{secret}").and_then(|()| file.sync_all());
    if let Err(error) = written {
        // Half a secret must not be found by the next start.
        let _ = fs::remove_file(path);
        return Err(Fault::Io("written", error).problem(path));
    }
    ring(&secret)
}

/// The reasons for which a file's secret is not used.
#[derive(Debug)]
enum Fault {
    Io(&'static str, io::Error),
    NoFile,
    OpenToOthers,
    OfAnother,
    NoSecret,
}

impl Fault {
    fn problem(&self, path: &Path) -> Problem {
        let path = path.display();
        Problem::failed(match self {
            Self::Io(what, error) => {
                format!("{path} cannot be {what} ({error}): set SESSION_SECRET, or --data-dir")
            }
            Self::NoFile => format!("{path} is no file: move it away, or set SESSION_SECRET"),
            Self::OpenToOthers => format!(
                "others can read {path}: `chmod 600` it, or delete it to draw another secret"
            ),
            Self::OfAnother => format!(
                "{path} belongs to another user, who can change it: `chown` it, or set SESSION_SECRET"
            ),
            Self::NoSecret => format!(
                "{path} holds no secret of 32 bytes or more: delete it to draw one, which signs everybody out"
            ),
        })
    }
}

fn read(path: &Path) -> Result<String, Fault> {
    let unreadable = |error| Fault::Io("read", error);
    // A pipe of that name would be opened, and waited for, for ever.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Fault::NoFile);
    }
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if is_open_to_others(&metadata) {
        return Err(Fault::OpenToOthers);
    }
    if is_of_another(&metadata) {
        return Err(Fault::OfAnother);
    }
    let mut text = Vec::new();
    file.take(LONGEST_FILE)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    let secret = String::from_utf8(text).map_err(|_| Fault::NoSecret)?;
    let secret = secret.trim_end();
    KeyRing::new(secret).map_err(|_| Fault::NoSecret)?;
    Ok(secret.to_owned())
}

#[cfg(unix)]
fn is_open_to_others(metadata: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o077 != 0
}

/// Returns `true` if a user other than this one and root knows the secret, and may change it.
#[cfg(unix)]
fn is_of_another(metadata: &Metadata) -> bool {
    let owner = std::os::unix::fs::MetadataExt::uid(metadata);
    is_foreign(owner, rustix::process::geteuid().as_raw())
}

#[cfg(unix)]
fn is_foreign(owner: u32, user: u32) -> bool {
    owner != user && owner != 0
}

/// Elsewhere a file's rights come from its directory.
#[cfg(not(unix))]
fn is_open_to_others(_: &Metadata) -> bool {
    false
}

#[cfg(not(unix))]
fn is_of_another(_: &Metadata) -> bool {
    false
}

fn draw() -> Result<String, Problem> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Problem::failed(format!("this machine gives no randomness: {error}")))?;
    Ok(bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}

fn ring(secret: &str) -> Result<KeyRing, Problem> {
    KeyRing::new(secret).map_err(|error| Problem::failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Origin, given, kept};

    fn fault(path: &Path) -> String {
        let problem = kept(path.to_owned()).err().unwrap();
        problem.message().to_owned()
    }

    #[test]
    fn a_generated_secret_is_reused_by_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        assert!(matches!(kept(path.clone()).unwrap().1, Origin::Drawn(_)));
        let drawn = fs::read_to_string(&path).unwrap();
        assert_eq!(drawn.trim_end().len(), 64);
        assert!(matches!(kept(path.clone()).unwrap().1, Origin::Kept(_)));
        assert_eq!(fs::read_to_string(&path).unwrap(), drawn);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        kept(path.clone()).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for mode in [0o604, 0o640, 0o660, 0o622, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(fault(&path).contains("others can read"), "{mode:o}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn x10_a_secret_file_of_another_user_is_refused() {
        #[rustfmt::skip]
        let table = [ // owner, user
            (1000, 1000, false),
            (0,    0,    false),
            (0,    1000, false), // root reads all files anyway
            (1001, 1000, true),
            (1000, 0,    true),
        ];
        for (owner, user, expected) in table {
            assert_eq!(super::is_foreign(owner, user), expected, "{owner} {user}");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        kept(path.clone()).unwrap();
        // Only root can give a file away.
        if std::os::unix::fs::chown(&path, Some(4_242), None).is_ok() {
            assert!(fault(&path).contains("belongs to another user"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_broken_file_is_reported_and_kept() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        for content in [&b""[..], b"\n\n", &[b'x'; 31], &[0xff; 64]] {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(fault(&path).contains("holds no secret"));
            assert_eq!(fs::read(&path).unwrap(), content);
        }
        assert!(fault(dir.path()).contains("is no file"));
        assert!(fault(&dir.path().join("missing/secret")).contains("cannot be made"));
    }

    #[test]
    fn a_short_secret_is_refused_without_being_repeated() {
        let problem = given(&["hunter2".into()]).err().unwrap();
        assert!(problem.message().contains("32 bytes"));
        assert!(!problem.message().contains("hunter2"));
        assert!(
            given(
                &[
                    "one secret of these tests, long enough",
                    "another of them, which is as long"
                ]
                .map(String::from)
            )
            .is_ok()
        );
    }
}
