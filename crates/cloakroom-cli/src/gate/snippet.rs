//! `cloakroom gate config`: the configuration of a proxy that asks the gate, as the tests run it.

use std::net::SocketAddr;

use cloakroom_gate::Upstream;

use crate::address::listening_address;
use crate::output;
use crate::problem::Problem;

/// The flags of `cloakroom gate config`.
#[derive(clap::Args)]
pub(crate) struct ConfigOptions {
    /// The proxy
    #[arg(value_enum)]
    proxy: Proxy,

    /// Address at which the gate is asked
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9001", value_parser = listening_address)]
    verify_addr: SocketAddr,

    /// The application behind the proxy
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000", value_parser = Upstream::parse)]
    upstream: Upstream,
}

/// The proxies whose configuration is known.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Proxy {
    Nginx,
    Caddy,
    Traefik,
    Envoy,
    Haproxy,
    Apache,
}

impl Proxy {
    fn template(self) -> &'static str {
        match self {
            Self::Nginx => include_str!("snippets/nginx.conf"),
            Self::Caddy => include_str!("snippets/Caddyfile"),
            Self::Traefik => include_str!("snippets/traefik.yaml"),
            Self::Envoy => include_str!("snippets/envoy.yaml"),
            Self::Haproxy => include_str!("snippets/haproxy.cfg"),
            Self::Apache => include_str!("snippets/apache.conf"),
        }
    }
}

pub(super) fn run(options: &ConfigOptions) -> Result<(), Problem> {
    output::print_bytes(options.text().as_bytes())
}

impl ConfigOptions {
    fn text(&self) -> String {
        let upstream = self.upstream.authority();
        let (host, port) = upstream.rsplit_once(':').unwrap_or((upstream, "80"));
        let verify = self.verify_addr;
        self.proxy
            .template()
            .replace("VERIFY_HOST", &verify.ip().to_string())
            .replace("VERIFY_PORT", &verify.port().to_string())
            .replace("VERIFY", &verify.to_string())
            .replace("UPSTREAM_HOST", host)
            .replace("UPSTREAM_PORT", port)
            .replace("UPSTREAM", upstream)
    }
}

#[cfg(test)]
mod tests {
    use clap::{Parser as _, ValueEnum as _};

    use super::{ConfigOptions, Proxy};

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        config: ConfigOptions,
    }

    #[test]
    fn each_proxy_has_a_configuration_with_the_addresses_that_were_typed() {
        for proxy in Proxy::value_variants() {
            let name = proxy.to_possible_value().unwrap();
            let flags = ["config", name.get_name(), "--verify-addr", "10.0.0.9:4711"];
            let flags = flags
                .into_iter()
                .chain(["--upstream", "http://app.example:8088"]);
            let text = Line::try_parse_from(flags).unwrap().config.text();
            for word in ["10.0.0.9", "4711", "app.example", "8088"] {
                assert!(text.contains(word), "{proxy:?} has no {word}");
            }
            assert!(
                !text.contains("VERIFY") && !text.contains("UPSTREAM"),
                "{proxy:?}\n{text}"
            );
            for field in ["X-Session-User", "X-Session-Roles", "X-Session-Jwt"] {
                assert!(
                    text.to_lowercase().contains(&field.to_lowercase()),
                    "{proxy:?} has no {field}"
                );
            }
        }
    }
}
