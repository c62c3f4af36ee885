//! The Debian packages that the tests start programs of.

use std::env;
use std::path::Path;
use std::process::Command;

use crate::context::Context;
use crate::steps::Done;

/// A package, and the program that it is needed for.
#[derive(Debug)]
struct Package {
    name: &'static str,
    program: &'static str,
}

const NEEDED: [Package; 1] = [Package {
    name: "chromium",
    program: "/usr/bin/chromium",
}];

/// Installs what is missing; asks for nothing where nothing is.
pub(crate) fn install(context: &Context) -> Result<Done, String> {
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|package| !Path::new(package.program).exists())
        .map(|package| package.name)
        .collect();
    if missing.is_empty() {
        return Ok(Done::default());
    }
    let missing = missing.join(" ");
    let before = privilege().ok_or_else(|| {
        format!("run once as root: apt-get update && apt-get install -y {missing}")
    })?;
    for words in [
        "update".to_owned(),
        format!("install -y --no-install-recommends {missing}"),
    ] {
        let line = format!("{before}env DEBIAN_FRONTEND=noninteractive apt-get -q {words}");
        let mut words = line.split_whitespace();
        let program = words.next().expect("it begins with sudo or env");
        context.require(context.command(program).args(words))?;
    }
    Ok(Done {
        note: format!("      installed {missing}"),
        ..Done::default()
    })
}

/// What has to stand before a command that only root may run; nothing can be done without.
fn privilege() -> Option<&'static str> {
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        return Some("");
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .any(|folder| folder.join("sudo").exists())
        .then_some("sudo ")
}
