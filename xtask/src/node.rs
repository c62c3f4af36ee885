//! The npm package: its compiled core, built and placed where `require` finds it, and its tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::context::Context;
use crate::counts::Counts;
use crate::interop::servers;
use crate::steps::Done;
use crate::suites::{compare, judge, node_tests};

/// The longest that one file of tests may take, in milliseconds.
const TIMEOUT_MS: &str = "300000";

/// How the core is built.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Optimise it, as the published one is: minutes instead of seconds.
    #[arg(long)]
    release: bool,
    /// Run these of the package's tests with it, by a part of their files' names; all without one.
    #[arg(long, value_name = "NAME", num_args = 0..)]
    test: Option<Vec<String>>,
}

/// Builds the core and places it; `require('<repository>/node')` works from then on.
///
/// # Errors
///
/// Where it does not build, or there is no package for this platform.
pub(crate) fn run(options: &Options) -> Result<bool, String> {
    let context = Context::read()?;
    let mut command = context.cargo("build -p cloakroom-node --lib");
    if options.release {
        command.arg("--release");
    }
    let status = command.status().map_err(|error| error.to_string())?;
    if !status.success() {
        return Ok(false);
    }
    let profile = if options.release { "release" } else { "debug" };
    eprintln!("placed {}", place(&context, profile)?.display());
    let Some(names) = &options.test else {
        return Ok(true);
    };
    let status = tests(&context, names)?.status();
    Ok(status.is_ok_and(|status| status.success()))
}

/// The step of `test`: the core with what the tests of Rust have built, and the package's tests.
pub(crate) fn step(context: &Context) -> Result<Done, String> {
    context.require(&mut context.cargo("build --workspace --all-features --lib"))?;
    place(context, "debug")?;
    let finished = context.run(&mut tests(context, &[])?)?;
    let mut done = judge(&finished, Counts::of_node(&finished.output));
    for sessions in ["package", "native"] {
        let lab = format!("node interop/lab.mjs --session {sessions}");
        let compared = compare(SEEDS, &lab)?;
        done.counts.passed += compared.counts.passed;
        done.note = [done.note, format!("      {sessions}: {}", compared.note)].join("\n");
    }
    Ok(done)
}

/// As many sequences for the package's labs as run in some seconds.
const SEEDS: &str = "1..=60";

/// Prepares the package's tests, those that have one of `names` in their own, with a server of each kind.
fn tests(context: &Context, names: &[String]) -> Result<Command, String> {
    let mut files = node_tests(&context.root.join("node/test"))?;
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part));
    files.retain(|file| {
        file.file_name()
            .is_some_and(|name| is_wanted(&name.to_string_lossy()))
    });
    let mut command = context.command("node");
    command
        .args([
            "--test",
            "--test-reporter=spec",
            "--test-timeout",
            TIMEOUT_MS,
        ])
        .args(files)
        .env("CLOAKROOM_STORES", servers()?);
    Ok(command)
}

/// Copies the built library to where the loader looks for it first.
fn place(context: &Context, profile: &str) -> Result<PathBuf, String> {
    let (library, platform) = names(std::env::consts::OS, std::env::consts::ARCH)
        .ok_or("there is no npm package for this platform")?;
    let from = context.target.join(profile).join(library);
    let to = context.root.join(format!("node/cloakroom.{platform}.node"));
    // A new file, so that a process that has the old one loaded keeps it.
    let fresh = to.with_extension("node.new");
    fs::copy(&from, &fresh)
        .map(|_| strip(&fresh))
        .and_then(|()| fs::rename(&fresh, &to))
        .map_err(|error| format!("{} cannot be placed: {error}", from.display()))?;
    Ok(to)
}

/// Leaves out what debuggers read, most of its size, where there is a program that can.
fn strip(library: &Path) {
    let _ = Command::new("strip")
        .arg("--strip-debug")
        .arg(library)
        .status();
}

/// What Cargo calls the library, and npm the platform.
fn names(os: &str, arch: &str) -> Option<(&'static str, &'static str)> {
    let musl = cfg!(target_env = "musl");
    Some(match (os, arch) {
        ("linux", "x86_64") if musl => ("libcloakroom_node.so", "linux-x64-musl"),
        ("linux", "aarch64") if musl => ("libcloakroom_node.so", "linux-arm64-musl"),
        ("linux", "x86_64") => ("libcloakroom_node.so", "linux-x64-gnu"),
        ("linux", "aarch64") => ("libcloakroom_node.so", "linux-arm64-gnu"),
        ("macos", "x86_64") => ("libcloakroom_node.dylib", "darwin-x64"),
        ("macos", "aarch64") => ("libcloakroom_node.dylib", "darwin-arm64"),
        ("windows", "x86_64") => ("cloakroom_node.dll", "win32-x64-msvc"),
        ("windows", "aarch64") => ("cloakroom_node.dll", "win32-arm64-msvc"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_knows_every_platform_that_is_built() {
        let loader = include_str!("../../node/lib/addon.js");
        for os in ["linux", "macos", "windows"] {
            for arch in ["x86_64", "aarch64"] {
                let (_, platform) = names(os, arch).unwrap();
                assert!(loader.contains(&format!("'{platform}'")), "{platform}");
            }
        }
        assert_eq!(names("linux", "s390x"), None);
    }
}
