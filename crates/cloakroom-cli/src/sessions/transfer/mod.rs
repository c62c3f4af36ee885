//! `export` and `import`: a line of JSON for each session, with its id. Such a file opens every session in it.

mod export;
mod import;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloakroom::store::StoredRecord;
use cloakroom::{SessionId, Timestamp};
use serde::{Deserialize, Serialize};

pub(super) use self::export::export;
pub(super) use self::import::import;

/// The version of the lines.
const VERSION: u32 = 1;

/// A session in a file; without `Debug`, because it holds an id and a record.
#[derive(Serialize, Deserialize)]
struct Line {
    v: u32,
    id: String,
    /// Milliseconds since 1970.
    expires: i64,
    /// The record's bytes in base64.
    bytes: String,
    /// The record's form: `json`.
    form: String,
}

fn line(id: &SessionId, stored: &StoredRecord) -> Line {
    Line {
        v: VERSION,
        id: id.expose().to_owned(),
        expires: stored.expires.as_millis(),
        bytes: STANDARD.encode(stored.text.as_bytes()),
        form: "json".to_owned(),
    }
}

/// Reads a line; `None` for one of another form.
fn parse(text: &str) -> Option<(SessionId, StoredRecord)> {
    let line: Line = serde_json::from_str(text).ok()?;
    if line.v != VERSION || line.form != "json" || line.id.is_empty() {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(line.bytes).ok()?).ok()?;
    let stored = StoredRecord {
        text: text.into(),
        expires: Timestamp::from_millis(line.expires),
    };
    Some((SessionId::from_store(&line.id), stored))
}

#[cfg(test)]
mod tests {
    use super::{line, parse};
    use cloakroom::store::StoredRecord;
    use cloakroom::{SessionId, Timestamp};

    #[test]
    fn a_line_is_read_as_it_was_written_and_no_other() {
        let stored = StoredRecord {
            text: r#"{"cookie":{},"x":"ä\ud800"}"#.into(),
            expires: Timestamp::from_millis(7),
        };
        let id = SessionId::from_store("an id");
        let text = serde_json::to_string(&line(&id, &stored)).unwrap();
        assert_eq!(parse(&text), Some((id, stored)));
        for other in [
            "",
            "{}",
            "7",
            &text.replace("\"v\":1", "\"v\":2"),
            &text.replace("json", "bson"),
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
