//! Clock skew between this machine and a server, logged once for each store that connects.

use std::time::Duration;

use crate::clock::{Clock, Timestamp};

/// A skew that clocks synchronised by NTP stay below.
const TOLERATED: Duration = Duration::from_secs(5);

/// Warns if a server's clock differs from this process's; `asked` is the time of the query.
///
/// A clock that a test sets is not compared.
pub(super) fn warn(store: &str, clock: &Clock, asked: Timestamp, server: Timestamp) {
    if matches!(clock, Clock::Manual(_)) {
        return;
    }
    if let Some(text) = sentence(store, asked, clock.now(), server) {
        tracing::warn!("{text}");
    }
}

/// Returns the warning. The server read its clock at some time between query and reply.
fn sentence(
    store: &str,
    asked: Timestamp,
    answered: Timestamp,
    server: Timestamp,
) -> Option<String> {
    let (ahead, behind) = (asked.since(server), server.since(answered));
    let (skew, side) = if ahead > behind {
        (ahead, "ahead of")
    } else {
        (behind, "behind")
    };
    (skew > TOLERATED).then(|| {
        format!(
            "this machine's clock is {} s {side} that of {store}: absolute time-outs come that much \
             {} for whoever is served here; set both by NTP",
            skew.as_secs(),
            if ahead > behind { "earlier" } else { "later" },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r5_skew_is_reported_unless_latency_explains_it() {
        #[rustfmt::skip]
        let table = [ // asked, answered, server, warning
            (0,          10,        5,          None),
            (0,          10,        5_010,      None),
            (0,          9_000,     4_000,      None), // a slow reply
            (0,          10,        5_011,      Some("5 s behind that of X: absolute time-outs come that much later")),
            (3_600_000,  3_600_010, 0,          Some("3600 s ahead of that of X: absolute time-outs come that much earlier")),
        ];
        for (asked, answered, server, expected) in table {
            let [asked, answered, server] = [asked, answered, server].map(Timestamp::from_millis);
            let said = sentence("X", asked, answered, server);
            match (said, expected) {
                (None, None) => {}
                (Some(said), Some(expected)) => assert!(said.contains(expected), "{said}"),
                (said, _) => panic!("{said:?}"),
            }
        }
    }
}
