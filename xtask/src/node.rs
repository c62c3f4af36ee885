//! The npm package: its compiled core, built and placed where `require` finds it, and its tests.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use testbed::Redis;

use crate::context::Context;
use crate::counts::Counts;
use crate::interop::servers;
use crate::steps::Done;
use crate::suites::{compare, install, judge, node_tests};

/// The longest that one file of tests may take, in milliseconds.
const TIMEOUT_MS: &str = "300000";

/// The options of the build.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Optimise it, as the published one is: minutes instead of seconds.
    #[arg(long)]
    release: bool,
    /// Start the example in `node/example` with it.
    #[arg(long, conflicts_with = "test")]
    example: bool,
    /// Measure it beside express-session, optimised, and write `bench/NODE.md`; `--rounds N`, `--requests N`.
    #[arg(long, conflicts_with_all = ["test", "example"], num_args = 0.., allow_hyphen_values = true)]
    bench: Option<Vec<OsString>>,
    /// Run these of the package's tests with it, by a part of their files' names; all without one.
    #[arg(long, value_name = "NAME", num_args = 0..)]
    test: Option<Vec<String>>,
}

/// Builds the core and places it; `require('<repository>/node')` works from then on.
///
/// # Errors
///
/// If it does not build, or there is no package for this platform.
pub(crate) fn run(options: &Options) -> Result<bool, String> {
    let context = Context::read()?;
    let mut command = context.cargo("build -p cloakroom-node --lib");
    let is_release = options.release || options.bench.is_some();
    if is_release {
        command.arg("--release");
    }
    if !succeeds(&mut command)? {
        return Ok(false);
    }
    let profile = if is_release { "release" } else { "debug" };
    eprintln!("placed {}", place(&context, profile)?.display());
    if options.example {
        return example(&context);
    }
    if let Some(words) = &options.bench {
        return bench(&context, words);
    }
    let Some(names) = &options.test else {
        return Ok(true);
    };
    succeeds(&mut tests(&context, names)?)
}

fn succeeds(command: &mut Command) -> Result<bool, String> {
    let status = command.status().map_err(|error| error.to_string())?;
    Ok(status.success())
}

/// Installs what the example needs, and runs it until it is stopped.
fn example(context: &Context) -> Result<bool, String> {
    Ok(succeeds(&mut install(context, "node/example"))?
        && succeeds(context.command("node").arg("node/example/server.mjs"))?)
}

/// Measures the package and express-session on a Redis of this run's own.
fn bench(context: &Context, words: &[OsString]) -> Result<bool, String> {
    let redis = Redis::shared().url();
    let mut command = context.command("node");
    command
        .args(["bench/node/run.mjs", "--write", "--redis", &redis])
        .args(words);
    Ok(succeeds(&mut install(context, "interop"))? && succeeds(&mut command)?)
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

/// Sequences for the package's labs: a run of some seconds.
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

/// Returns Cargo's name of the library, and npm's of the platform.
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
