//! The repository's directory, and commands whose output goes into the step's log.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The most lines of a failed command's output that are shown; its log holds them all.
const EXCERPT_LINES: usize = 300;

/// The environment of a step.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    /// The features of the library, as its manifest names them.
    pub(crate) features: Vec<String>,
    log: PathBuf,
}

/// A command that ran to its end.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) success: bool,
    pub(crate) output: String,
}

impl Context {
    /// Asks Cargo for what it knows of the workspace.
    pub(crate) fn read() -> Result<Self, String> {
        let output = Command::new(cargo())
            .args(["metadata", "--no-deps", "--format-version=1"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("cargo does not start: {error}"))?;
        let metadata = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("cargo metadata answers no JSON: {error}"))?;
        Self::of(&metadata).ok_or_else(|| "cargo metadata does not know the library".to_owned())
    }

    fn of(metadata: &Value) -> Option<Self> {
        let target = PathBuf::from(metadata["target_directory"].as_str()?);
        let packages = metadata["packages"].as_array()?;
        let library = packages
            .iter()
            .find(|package| package["name"] == "cloakroom")?;
        let features = library["features"].as_object()?.keys();
        Some(Self {
            root: metadata["workspace_root"].as_str()?.into(),
            features: features
                .filter(|name| *name != "default")
                .cloned()
                .collect(),
            log: target.join("xtask/xtask.log"),
            target,
        })
    }

    /// Begins the log of the step `name`.
    pub(crate) fn begin(&mut self, name: &str) -> Result<(), String> {
        self.log = self.logs().join(format!("{name}.log"));
        fs::create_dir_all(self.logs())
            .and_then(|()| File::create(&self.log))
            .map(drop)
            .map_err(|error| format!("{} cannot be written: {error}", self.log.display()))
    }

    /// The folder of the logs, one for each step.
    pub(crate) fn logs(&self) -> PathBuf {
        self.target.join("xtask")
    }

    /// A program of the profile that the tests are built with.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name)
    }

    /// Prepares Cargo with `words`, separated by spaces, as its arguments.
    pub(crate) fn cargo(&self, words: &str) -> Command {
        let mut command = self.command(cargo());
        command.args(words.split_whitespace());
        command
    }

    /// Prepares a program that runs at the root of the repository, as if it were started by hand.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).stdin(Stdio::null());
        command
            .env("CARGO_TERM_COLOR", "never")
            .env("NO_COLOR", "1");
        // The variables that `cargo run` sets for this program make build scripts run again below.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&*name);
            }
        }
        command
    }

    /// Runs `command` to its end; what it says goes to the log of the step.
    pub(crate) fn run(&self, command: &mut Command) -> Result<Finished, String> {
        let program = command.get_program().to_string_lossy().into_owned();
        self.logged(command)
            .map_err(|error| format!("{program} does not run: {error}"))
    }

    /// Runs `command`, and answers with the end of its output where it fails.
    pub(crate) fn require(&self, command: &mut Command) -> Result<String, String> {
        let Finished { success, output } = self.run(command)?;
        if success {
            Ok(output)
        } else {
            Err(excerpt(&output))
        }
    }

    fn logged(&self, command: &mut Command) -> io::Result<Finished> {
        // A command that is no step begins no log.
        if let Some(folder) = self.log.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut options = File::options();
        let mut log = options
            .read(true)
            .append(true)
            .create(true)
            .open(&self.log)?;
        let begin = log.metadata()?.len();
        let status = command
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .status()?;
        log.seek(io::SeekFrom::Start(begin))?;
        let mut output = Vec::new();
        log.read_to_end(&mut output)?;
        Ok(Finished {
            success: status.success(),
            output: String::from_utf8_lossy(&output).into_owned(),
        })
    }
}

/// The end of `output`, without the lines that only say that all is well.
pub(crate) fn excerpt(output: &str) -> String {
    let lines: Vec<&str> = output.lines().filter(|line| !is_progress(line)).collect();
    lines[lines.len().saturating_sub(EXCERPT_LINES)..].join("\n")
}

fn is_progress(line: &str) -> bool {
    let line = line.trim_start();
    let starts = [
        "Compiling ",
        "Checking ",
        "Downloaded ",
        "Downloading ",
        "✔ ",
    ];
    starts.iter().any(|start| line.starts_with(start))
        || (line.starts_with("test ") && line.ends_with(" ok"))
}

fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_features_come_from_the_manifest_of_the_library() {
        let metadata = serde_json::json!({
            "workspace_root": "/r",
            "target_directory": "/t",
            "packages": [
                { "name": "xtask", "features": {} },
                { "name": "cloakroom", "features": { "default": ["axum"], "axum": [] } },
            ],
        });
        let context = Context::of(&metadata).unwrap();
        assert_eq!(context.features, ["axum"]);
        assert_eq!(context.program("lab"), Path::new("/t/debug/lab"));
    }

    #[test]
    fn an_excerpt_omits_passed_tests() {
        let output = "   Compiling x v1\ntest a ... ok\ntest b ... FAILED\n  ✔ c (1ms)\nwhy";
        assert_eq!(excerpt(output), "test b ... FAILED\nwhy");
    }

    #[test]
    fn an_excerpt_is_the_end() {
        let output: Vec<String> = (0..1000).map(|line| line.to_string()).collect();
        let shown = excerpt(&output.join("\n"));
        assert_eq!(shown.lines().next(), Some("700"));
        assert_eq!(shown.lines().last(), Some("999"));
    }
}
