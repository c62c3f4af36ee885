//! `cloakroom gate config`: the configuration of a proxy that asks the gate, as the tests run it.

use std::net::SocketAddr;

use cloakroom_gate::{RESERVED_FIELDS, RESERVED_PREFIXES, Upstream};

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

/// Fields of the reserved families that are in use, for proxies that remove fields by their names alone.
#[rustfmt::skip]
const KNOWN: [&str; 42] = [
    "cf-connecting-ip", "cf-connecting-ipv6", "x-auth-request-access-token", "x-auth-request-email", "x-auth-request-groups",
    "x-auth-request-preferred-username", "x-auth-request-user", "x-authenticated-user", "x-authenticated-userid",
    "x-envoy-external-address", "x-envoy-internal", "x-envoy-original-path", "x-forwarded-access-token", "x-forwarded-by",
    "x-forwarded-client-cert", "x-forwarded-email", "x-forwarded-for", "x-forwarded-groups", "x-forwarded-host",
    "x-forwarded-method", "x-forwarded-path", "x-forwarded-port", "x-forwarded-preferred-username", "x-forwarded-prefix",
    "x-forwarded-proto", "x-forwarded-protocol", "x-forwarded-scheme", "x-forwarded-server", "x-forwarded-ssl",
    "x-forwarded-uri", "x-forwarded-user", "x-middleware-rewrite", "x-middleware-subrequest", "x-original-forwarded-for",
    "x-original-host", "x-original-method", "x-original-upgrade", "x-original-uri", "x-original-url", "x-session-cache",
    "x-session-cookie", "x-session-login",
];
/// Fields that every configuration sets, with the gate's words.
const TOLD: [&str; 3] = ["x-session-jwt", "x-session-roles", "x-session-user"];
/// Fields that a proxy sets by itself, from what it knows of the client.
const OWN: [&str; 3] = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

impl Proxy {
    /// Returns the lines that remove what a client may not send, in this proxy's language.
    fn removals(self) -> String {
        let (names, prefixes) = (RESERVED_FIELDS.iter(), RESERVED_PREFIXES.iter());
        let all = || {
            names
                .clone()
                .chain(&KNOWN)
                .filter(|name| !OWN.contains(name))
        };
        match self {
            Self::Nginx => lines(
                4,
                all().map(|name| format!("proxy_set_header {name} \"\";")),
            ),
            Self::Caddy => {
                // These it overwrites by itself.
                let families = prefixes.filter(|prefix| **prefix != "x-forwarded-");
                let families = families.map(|prefix| format!("request_header -{prefix}*"));
                let names = names
                    .clone()
                    .chain(KNOWN.iter().filter(|name| is_forwarded(name)));
                let names = names.map(|name| format!("request_header -{name}"));
                families.chain(names).collect::<Vec<_>>().join("\n\t")
            }
            Self::Haproxy => {
                let word = |name: &str| name.replace('-', "[^a-z0-9]");
                let any = |names: Vec<String>| format!("^(http[^a-z0-9])*({})", names.join("|"));
                let exact = any(names.map(|name| word(name)).collect());
                let begins = any(prefixes.map(|prefix| word(prefix)).collect());
                let line = |pattern: &str| format!("http-request del-header {pattern} -m reg");
                lines(4, [line(&format!("{exact}$")), line(&begins)].into_iter())
            }
            Self::Apache => {
                let names: Vec<String> = names.map(|name| format!("[\"{name}\"] = true")).collect();
                names.join(", ")
            }
            Self::Traefik => lines(10, all().chain(&TOLD).map(|name| format!("{name}: \"\""))),
            Self::Envoy => lines(
                12,
                all().chain(&TOLD).map(|name| format!("- remove: {name}")),
            ),
        }
    }
}

fn is_forwarded(name: &str) -> bool {
    name.starts_with("x-forwarded-") && !OWN.contains(&name)
}

fn lines(indent: usize, lines: impl Iterator<Item = String>) -> String {
    lines
        .collect::<Vec<_>>()
        .join(&format!("\n{}", " ".repeat(indent)))
}

fn prefixes() -> String {
    RESERVED_PREFIXES
        .map(|prefix| format!("\"{prefix}\""))
        .join(", ")
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
            .replace("STRIPPED_PREFIXES", &prefixes())
            .replace("STRIPPED", &self.proxy.removals())
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
                ["VERIFY", "UPSTREAM", "STRIPPED"]
                    .iter()
                    .all(|word| !text.contains(word)),
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
