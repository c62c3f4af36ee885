//! The identity of a server: the values that change when it restarts, and when it becomes a primary.

use super::log::Identity;

/// Builds the request.
pub(super) fn asked() -> redis::Cmd {
    let mut info = redis::cmd("INFO");
    info.arg("server").arg("replication");
    info
}

/// Returns the identity in a reply of `INFO`: `run_id` changes with a restart, `master_replid` with a
/// promotion, and with a full resynchronisation of a replica.
pub(super) fn of_info(info: &str) -> Option<String> {
    let field = |name: &str| {
        let line = |line: &str| {
            Some(
                line.strip_prefix(name)?
                    .strip_prefix(':')?
                    .trim()
                    .to_owned(),
            )
        };
        info.lines()
            .find_map(line)
            .filter(|value| !value.is_empty())
    };
    let replication = field("master_replid").unwrap_or_default();
    Some(format!("{}/{replication}", field("run_id")?))
}

/// The reply of one of several servers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RunIdReply {
    Is(String),
    /// It answered, without an identity.
    Something,
    Nothing,
}

/// Returns the identity of a cluster: of each primary, by its address. `None` if one does not reveal its own;
/// one that does not answer counts as another once it does.
pub(super) fn of_all(each: &[(String, RunIdReply)]) -> Option<Identity> {
    let each = each.iter().map(|(address, said)| match said {
        RunIdReply::Is(identity) => Some(format!("{address}={identity}")),
        RunIdReply::Nothing => Some(format!("{address}=?")),
        RunIdReply::Something => None,
    });
    let all: Option<Vec<String>> = each.collect();
    Some(Identity(all?.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::{RunIdReply, of_all, of_info};

    #[test]
    fn cluster_identity_changes_with_any_of_its_nodes() {
        let of = |said: [RunIdReply; 2]| {
            let [one, two] = said;
            let all = of_all(&[("h:1".into(), one), ("h:2".into(), two)]);
            all.map(|identity| identity.0)
        };
        let is = |text: &str| RunIdReply::Is(text.to_owned());
        assert_eq!(of([is("a"), is("b")]).as_deref(), Some("h:1=a h:2=b"));
        assert_eq!(
            of([is("a"), RunIdReply::Nothing]).as_deref(),
            Some("h:1=a h:2=?")
        );
        assert_eq!(of([is("a"), RunIdReply::Something]), None);
    }

    #[test]
    fn identity_changes_with_a_restart_and_a_promotion() {
        #[rustfmt::skip]
        let table = [
            ("# Server\r\nrun_id:a1\r\n# Replication\r\nmaster_replid:b2\r\nmaster_replid2:c3\r\n", Some("a1/b2")),
            ("run_id:a1\r\nmaster_replid2:c3", Some("a1/")),
            ("master_replid:b2",               None),
            ("run_id:\r\nmaster_replid:b2",    None),
            ("",                               None),
        ];
        for (info, expected) in table {
            assert_eq!(of_info(info).as_deref(), expected, "{info}");
        }
    }
}
