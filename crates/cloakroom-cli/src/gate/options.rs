//! The flags of `cloakroom gate`, and what contradicts itself among them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cloakroom::policy::TrustedProxy;
use cloakroom_gate::Upstream;

use super::check::CheckOptions;
use super::snippet::ConfigOptions;
use crate::address::listening_address;
use crate::problem::Problem;
use crate::secret_args::SecretArgs;
use crate::store_args::StoreArgs;

/// The flags and subcommands of `cloakroom gate`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct GateCommandLine {
    #[command(subcommand)]
    pub(super) command: Option<GateCommand>,
    #[command(flatten)]
    pub(super) options: GateOptions,
}

/// The subcommands.
#[derive(clap::Subcommand)]
pub(super) enum GateCommand {
    /// Say which rule decides about a request, and why
    Check(CheckOptions),
    /// Print the configuration of a proxy that asks the gate
    Config(ConfigOptions),
}

/// The flags of the gate itself; without `Debug`, because a URL may hold a password.
#[derive(clap::Args)]
pub(super) struct GateOptions {
    /// Address to listen on in proxy mode, or a port of this machine alone; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = listening_address)]
    pub(super) addr: SocketAddr,

    /// The application behind the gate, `http://HOST:PORT`: proxy mode
    #[arg(long, value_name = "URL", value_parser = Upstream::parse)]
    pub(super) upstream: Option<Upstream>,

    /// Time within which the application has to begin a response
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    pub(super) upstream_timeout: Duration,

    /// Address at which other proxies ask: verify mode
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listening_address)]
    pub(super) verify_addr: Option<SocketAddr>,

    /// A network whose proxies may ask, repeatable [default: this machine alone]
    #[arg(long = "trusted", value_name = "CIDR", value_parser = network)]
    trusted: Vec<String>,

    /// A proxy before the gate whose X-Forwarded-For and X-Forwarded-Proto are believed, repeatable
    #[arg(long = "trusted-proxy", value_name = "CIDR", value_parser = network)]
    trusted_proxies: Vec<String>,

    /// Address of `/metrics`, `/live` and `/ready`, which clients must not reach
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listening_address)]
    pub(super) metrics_addr: Option<SocketAddr>,

    /// File of the rules, in TOML; without it every path needs a login
    ///
    /// It is read again when it changes and on SIGHUP, as a whole or not at all.
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,

    /// File of the keys that sign tokens, which replicas share; it is made if there is none
    ///
    /// Without it the keys are those of this process, and end with it. SIGHUP lets the next key take over.
    #[arg(long, value_name = "FILE")]
    pub(super) keys: Option<PathBuf>,

    /// Age at which the next key takes over
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = humantime::parse_duration)]
    pub(super) rotate_every: Duration,

    /// Time for which a key is published before it signs: twice as long as verifiers keep the set
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    pub(super) key_notice: Duration,

    /// The claim `iss` of tokens
    #[arg(long, value_name = "NAME", default_value = "cloakroom-gate")]
    pub(super) issuer: String,

    /// The claim `aud` of tokens, where the rules have none
    #[arg(long, value_name = "NAME", default_value = "upstream")]
    pub(super) audience: String,

    /// Name of the session's cookie
    #[arg(long, value_name = "NAME", default_value = "connect.sid")]
    pub(super) cookie_name: String,

    #[command(flatten)]
    pub(super) store: StoreArgs,

    #[command(flatten)]
    pub(super) secrets: SecretArgs,
}

impl GateOptions {
    /// Refuses flags that contradict each other, before anything is opened.
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.upstream.is_none() && self.verify_addr.is_none() {
            return Err(Problem::usage(
                "nothing to do: give --upstream URL to stand before an application, or --verify-addr \
                 ADDRESS:PORT to be asked by another proxy",
            ));
        }
        if let Some(upstream) = &self.upstream
            && is_same(upstream.authority(), self.addr)
        {
            return Err(Problem::usage(format!(
                "--upstream {} is the gate itself: give the application's own address",
                upstream.authority()
            )));
        }
        if let Some(verify) = self.verify_addr
            && !verify.ip().is_loopback()
            && self.trusted.is_empty()
        {
            return Err(Problem::usage(format!(
                "--verify-addr {verify} is open to others, who could say which path a request is for: name the \
                 proxies with --trusted CIDR"
            )));
        }
        Ok(())
    }

    /// Returns the peers that may ask.
    pub(super) fn askers(&self) -> TrustedProxy {
        let loopback = ["127.0.0.0/8".to_owned(), "::1".to_owned()];
        let named = if self.trusted.is_empty() {
            &loopback[..]
        } else {
            &self.trusted
        };
        networks(named)
    }

    /// Returns the proxies before the gate.
    pub(super) fn proxies(&self) -> TrustedProxy {
        match &self.trusted_proxies[..] {
            [] => TrustedProxy::None,
            named => networks(named),
        }
    }
}

fn networks(named: &[String]) -> TrustedProxy {
    // Each was parsed when it was typed.
    TrustedProxy::networks(named.iter().map(String::as_str)).unwrap_or_default()
}

fn network(text: &str) -> Result<String, &'static str> {
    TrustedProxy::networks([text])
        .map(|_| text.to_owned())
        .map_err(|_| "give an address or a network, such as 10.0.0.0/8")
}

/// Returns `true` if an upstream is the address that is listened on.
fn is_same(upstream: &str, addr: SocketAddr) -> bool {
    let Some((host, port)) = upstream.rsplit_once(':') else {
        return false;
    };
    if addr.port() == 0 || port.parse() != Ok(addr.port()) {
        return false;
    }
    let host = host.trim_matches(['[', ']']);
    let is_here = |ip: std::net::IpAddr| {
        ip == addr.ip() || (addr.ip().is_unspecified() && (ip.is_loopback() || ip.is_unspecified()))
    };
    match host.parse() {
        Ok(ip) => is_here(ip),
        Err(_) => {
            host.eq_ignore_ascii_case("localhost")
                && (addr.ip().is_loopback() || addr.ip().is_unspecified())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::GateCommandLine;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        gate: GateCommandLine,
    }

    #[test]
    fn flags_that_would_open_a_door_are_refused() {
        let up = "http://127.0.0.1:3000";
        #[rustfmt::skip]
        let table: [(&[&str], &str); 14] = [
            (&[],                                                                     "nothing to do"),
            (&["--metrics-addr", "9000"],                                             "nothing to do"),
            (&["--upstream", up],                                                     ""),
            (&["--verify-addr", "9001"],                                              ""),
            (&["--verify-addr", "[::1]:9001"],                                        ""),
            (&["--verify-addr", "0.0.0.0:9001"],                                      "--trusted CIDR"),
            (&["--verify-addr", "10.0.0.1:9001"],                                     "--trusted CIDR"),
            (&["--verify-addr", "0.0.0.0:9001", "--trusted", "10.0.0.0/8"],           ""),
            (&["--upstream", up, "--addr", "127.0.0.1:3000"],                         "the gate itself"),
            (&["--upstream", up, "--addr", "0.0.0.0:3000"],                           "the gate itself"),
            (&["--upstream", "http://localhost:3000", "--addr", "3000"],              "the gate itself"),
            (&["--upstream", "http://[::1]:3000", "--addr", "[::]:3000"],             "the gate itself"),
            (&["--upstream", "http://10.0.0.1:3000", "--addr", "127.0.0.1:3000"],     ""),
            (&["--upstream", up, "--addr", "127.0.0.1:0"],                            ""),
        ];
        for (flags, expected) in table {
            let line = Line::try_parse_from(["gate"].iter().chain(flags)).unwrap();
            let message = match line.gate.options.check() {
                Ok(()) => String::new(),
                Err(problem) => problem.message().to_owned(),
            };
            assert!(
                message.contains(expected) && message.is_empty() == expected.is_empty(),
                "{flags:?}: {message}"
            );
        }
    }
}
