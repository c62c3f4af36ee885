//! Builds the contenders; one that cannot be built is named, with the reason.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use crate::contenders::Program;
use crate::gate::Built;

/// Builds what is asked for; answers with those that could not be, and why.
pub(crate) fn build(bench: &Path, programs: &[Program]) -> BTreeMap<Program, String> {
    let mut failures = BTreeMap::new();
    let mut done: BTreeMap<&str, Result<(), String>> = BTreeMap::new();
    for &program in programs {
        let folder = program.folder();
        let built = done.entry(folder).or_insert_with(|| {
            println!("building {folder}");
            match program {
                Program::Express => install(bench),
                _ => compile(bench, folder),
            }
        });
        if let Err(reason) = built {
            failures.insert(program, reason.clone());
        }
    }
    failures
}

/// Builds what the gate is measured with: the command as users have it, and the peer.
pub(crate) fn build_gate(bench: &Path) -> Result<Built, String> {
    println!("building the command and peers/reverse-proxy");
    compile(bench, "peers/reverse-proxy")?;
    let mut command = cargo(bench);
    command
        .args(["--package", "cloakroom-cli", "--features", "gate,redis"])
        .current_dir(bench.join(".."));
    finish(command.output())?;
    let built = |name: &str| bench.join("target/release").join(name);
    // `servers` has a program of that name as well: each is copied beside where it was built.
    let own = bench.join("target/cloakroom-gate");
    std::fs::copy(built("cloakroom"), &own).map_err(|error| error.to_string())?;
    Ok(Built {
        command: own,
        peer: built("bench-reverse-proxy"),
    })
}

/// Compiles into one target folder for all, so that what two lock files agree on is compiled once.
fn compile(bench: &Path, folder: &str) -> Result<(), String> {
    finish(cargo(bench).current_dir(bench.join(folder)).output())
}

fn cargo(bench: &Path) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--release", "--locked", "--target-dir"])
        .arg(bench.join("target"));
    // The variables that `cargo run` sets for its program make build scripts run again.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&*name);
        }
    }
    command
}

/// The packages of `interop/`, where they are not there yet.
fn install(bench: &Path) -> Result<(), String> {
    let interop = bench.join("../interop");
    if interop.join("node_modules/express-session").exists() {
        return Ok(());
    }
    finish(Command::new("npm").arg("ci").current_dir(interop).output())
}

fn finish(output: std::io::Result<Output>) -> Result<(), String> {
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(reason(&String::from_utf8_lossy(&output.stderr)))
}

/// The errors among what a build says, or else its last lines.
fn reason(said: &str) -> String {
    let errors: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("error"))
        .collect();
    let lines: Vec<&str> = said.lines().collect();
    let shown = if errors.is_empty() {
        &lines[lines.len().saturating_sub(5)..]
    } else {
        &errors
    };
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_short() {
        let said = "   Compiling a\nwarning: w\nerror[E1]: why\n  --> x\nerror: could not compile";
        assert_eq!(reason(said), "error[E1]: why\nerror: could not compile");
        assert_eq!(reason("npm\nno network"), "npm\nno network");
    }
}
