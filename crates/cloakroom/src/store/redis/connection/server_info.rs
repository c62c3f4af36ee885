//! A server's description of itself.

/// The facts about a server that it reported.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServerInfo {
    /// It supports `SET … IFEQ`.
    pub(crate) compares: bool,
    /// It evicts sessions that have time left when memory is short.
    pub(crate) may_evict: bool,
    /// It is too old for the index.
    pub(crate) too_old: bool,
}

impl ServerInfo {
    /// Parses the text of `INFO`.
    pub(crate) fn of(info: &str) -> Self {
        let field = |name: &str| {
            let line = |line: &'_ str| Some(line.strip_prefix(name)?.strip_prefix(':')?.to_owned());
            info.lines().find_map(line)
        };
        let version = |name: &str| field(name).as_deref().and_then(version);
        let at_least = |name: &str, wanted| version(name).is_some_and(|has| has >= wanted);
        let evicts = field("maxmemory_policy").is_some_and(|policy| policy.trim() != "noeviction");
        Self {
            compares: at_least("valkey_version", (8, 1)) || at_least("redis_version", (8, 4)),
            may_evict: evicts && field("maxmemory").is_some_and(|bytes| bytes.trim() != "0"),
            too_old: version("redis_version").is_some_and(|has| has < (7, 0)),
        }
    }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::ServerInfo;

    #[test]
    fn server_info_tells_its_abilities() {
        let facts = |compares, may_evict, too_old| ServerInfo {
            compares,
            may_evict,
            too_old,
        };
        let table = [
            (
                "redis_version:7.0.15\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru",
                facts(false, false, false),
            ),
            (
                "redis_version:8.4.0\r\nmaxmemory:1000\r\nmaxmemory_policy:volatile-ttl",
                facts(true, true, false),
            ),
            (
                "redis_version:7.2.4\r\nvalkey_version:8.1.0\r\nmaxmemory:1000\r\nmaxmemory_policy:noeviction",
                facts(true, false, false),
            ),
            (
                "redis_version:7.2.4\r\nvalkey_version:8.0.9",
                facts(false, false, false),
            ),
            ("redis_version:6.2.1", facts(false, false, true)),
            ("", facts(false, false, false)),
        ];
        for (info, expected) in table {
            assert_eq!(ServerInfo::of(info), expected, "{info}");
        }
    }
}
