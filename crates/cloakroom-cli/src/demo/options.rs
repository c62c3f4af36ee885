//! The options of the command.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cloakroom::policy::TrustedProxy;

use super::timeouts::Timeouts;
use crate::address::listening_address;
use crate::problem::Problem;

/// The flags of `cloakroom demo`; without `Debug`, because two of them may hold secrets.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Address to listen on, or a port of this machine alone; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000", value_parser = listening_address)]
    pub(super) addr: SocketAddr,

    /// The directory of the database and of the secret
    #[arg(long, value_name = "DIR", default_value = "cloakroom-data")]
    pub(super) data_dir: PathBuf,

    /// Store of the sessions: memory:, sqlite:PATH; redis://, postgres://, mongodb://… where built with
    /// the features of these names
    /// [default: a file in the data directory]
    ///
    /// `?near=1s` at its end has sessions read from memory, whose answers are never older than that.
    ///
    /// The environment's `SESSION_STORE` is the better place for a URL with a password: other users
    /// of the machine can see flags.
    #[arg(
        long,
        value_name = "URL",
        env = "SESSION_STORE",
        hide_env_values = true
    )]
    pub(super) store: Option<String>,

    /// Secret that signs the cookies, 32 bytes or more; repeated, or several by comma, the first signs and all verify
    ///
    /// The environment's `SESSION_SECRET` is the better place: other users of the machine can see
    /// flags. Without either, one is generated and kept in the data directory.
    #[arg(
        long = "secret",
        value_name = "SECRET",
        env = "SESSION_SECRET",
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    pub(super) secrets: Vec<String>,

    /// A proxy whose X-Forwarded-Proto is believed, as an address or a network; repeatable
    #[arg(long = "trusted-proxy", value_name = "CIDR", value_parser = network)]
    pub(super) trusted_proxies: Vec<String>,

    #[command(flatten)]
    pub(super) timeouts: Timeouts,
}

impl Options {
    /// The URL of the database in the data directory, which is made if need be.
    pub(super) fn default_store(&self) -> Result<String, Problem> {
        make_private(&self.data_dir)?;
        let path = self.database();
        let path = path
            .to_str()
            .ok_or_else(|| Problem::usage("--data-dir must be a name in UTF-8"))?;
        Ok(format!("sqlite:{path}"))
    }

    pub(super) fn database(&self) -> PathBuf {
        self.data_dir.join("sessions.db")
    }
}

/// Makes a directory that only its owner can read, unless it is there.
pub(crate) fn make_private(dir: &Path) -> Result<(), Problem> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|error| {
        Problem::failed(format!(
            "the data directory {} cannot be made ({error}): choose another with --data-dir",
            dir.display()
        ))
    })
}

fn network(text: &str) -> Result<String, &'static str> {
    TrustedProxy::networks([text])
        .map(|_| text.to_owned())
        .map_err(|_| "give an address or a network, such as 10.0.0.0/8")
}
