//! `cargo deny`: installed once, then asked about licences, sources, bans and advisories.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::context::Context;
use crate::steps::Done;

const VERSION: &str = "0.20.2";

/// The host of the `RustSec` advisories.
const ADVISORIES: &str = "github.com:443";

/// Holds the dependencies to `deny.toml`.
pub(crate) fn check(context: &Context) -> Result<Done, String> {
    let program = installed(context)?;
    let deny = |what: &[&str]| {
        let mut command = context.command(&program);
        context.require(command.args(["--all-features", "check"]).args(what))
    };
    deny(&["bans", "licenses", "sources"])?;
    if !is_reachable(ADVISORIES) {
        return Ok(Done {
            note: "      advisories NOT checked: their database cannot be reached".to_owned(),
            ..Done::default()
        });
    }
    deny(&["advisories"])?;
    Ok(Done::default())
}

/// Finds the program of this version, or builds it: as fast as it builds, not as fast as it runs.
fn installed(context: &Context) -> Result<PathBuf, String> {
    let tools = context.target.join("tools");
    let kept = tools.join("bin/cargo-deny");
    let known = [PathBuf::from("cargo-deny"), kept.clone()];
    if let Some(program) = known.into_iter().find(is_right) {
        return Ok(program);
    }
    let words = "install cargo-deny --locked --profile dev --config profile.dev.debug=false";
    let mut command = context.cargo(words);
    command
        .args(["--version", VERSION])
        .arg("--root")
        .arg(tools);
    context.require(&mut command)?;
    Ok(kept)
}

fn is_right(program: &PathBuf) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| {
            output.stdout.trim_ascii() == format!("cargo-deny {VERSION}").as_bytes()
        })
}

fn is_reachable(address: &str) -> bool {
    let limit = Duration::from_secs(5);
    address.to_socket_addrs().is_ok_and(|mut addresses| {
        addresses.any(|address| TcpStream::connect_timeout(&address, limit).is_ok())
    })
}
