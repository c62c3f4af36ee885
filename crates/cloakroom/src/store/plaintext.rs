//! Unencrypted connections to a store, and the warning about them.

use std::net::IpAddr;

/// Warns of sessions that go over a network as plain text. Called once by each store that connects.
pub(super) fn warn<'a>(
    store: &'static str,
    hosts: impl IntoIterator<Item = &'a str>,
    cure: &'static str,
) {
    if !hosts.into_iter().all(is_local) {
        tracing::warn!(
            store,
            "sessions go over the network as plain text, ids and all: {cure}"
        );
    }
}

/// Returns `true` if a host is this machine however names are resolved: a loopback address, `localhost`, a
/// socket's path.
pub(super) fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = address.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name.is_empty()
        || name.starts_with(['/', '@'])
        || name == "localhost"
        || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::{is_local, warn};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(hosts: &[&str]) -> String {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            warn("redis", hosts.iter().copied(), "write rediss://");
        });
        let bytes = log.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn x11_plain_text_to_another_machine_is_warned_of() {
        assert_eq!(logged(&["127.0.0.1", "localhost"]), "");
        let said = logged(&["127.0.0.1", "db.example"]);
        assert!(
            said.contains("WARN") && said.contains("as plain text"),
            "{said}"
        );
        assert!(said.contains("write rediss://"), "{said}");
        // Log lines name no host.
        assert!(!said.contains("db.example"), "{said}");
    }

    #[test]
    fn x11_names_of_this_machine_are_recognised() {
        #[rustfmt::skip]
        let table = [
            ("localhost", true), ("LOCALHOST.", true), ("db.localhost", true), ("127.0.0.1", true),
            ("127.8.9.10", true), ("::1", true), ("[::1]", true), ("::ffff:127.0.0.1", true),
            ("/run/postgresql", true), ("@abstract", true), ("", true),
            ("db.example", false), ("10.0.0.1", false), ("localhost.example", false), ("::", false),
            ("0.0.0.0", false), ("127.0.0.1.example", false), ("2001:db8::1", false),
            ("::ffff:10.0.0.1", false), ("redis", false),
        ];
        for (host, expected) in table {
            assert_eq!(is_local(host), expected, "{host}");
        }
    }
}
