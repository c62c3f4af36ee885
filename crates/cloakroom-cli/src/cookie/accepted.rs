//! Decides whether the server accepts what a request carries: name, signature, key and id.

use cloakroom::KeyRing;
use cloakroom::cookie::{cookie_pairs, decode_value, unsign};
use cloakroom::id::{IdGrammar, SessionId};

use super::situation::Finding;
use super::situations::accepted as table;
use crate::secret_args::Secrets;

/// Characters of a signature: 32 bytes in base64 without padding.
const SIGNATURE_LEN: usize = 43;
/// Length of a Cookie field that proxies refuse: nginx has buffers of 8 KiB.
const LONG_HEADER: usize = 8 * 1024;

/// The judgement on one value.
pub(super) struct Judged {
    pub(super) finding: Finding,
    /// The id, where the server would look it up.
    pub(super) id: Option<SessionId>,
}

/// Decides on the Cookie field of a request; the id is that of the first valid cookie.
pub(super) fn accepted(
    header: &str,
    name: &str,
    secrets: &Secrets,
    grammar: &IdGrammar,
) -> (Vec<Finding>, Option<SessionId>) {
    let mut found = Vec::new();
    if header.len() >= LONG_HEADER {
        found.push(table::HEADER_TOO_LONG.with("bytes", header.len()));
    }
    let pairs: Vec<(&[u8], &[u8])> = cookie_pairs(header.as_bytes()).collect();
    let own = pairs.iter().filter(|(key, _)| *key == name.as_bytes());
    let judged: Vec<Judged> = own
        .map(|(_, value)| judge(value, secrets, grammar))
        .collect();
    if judged.is_empty() {
        found.push(other_name(&pairs, name));
        return (found, None);
    }
    found.extend(duplicates(name, &judged));
    let first_valid = judged.iter().position(|judged| !judged.finding.is_fault());
    let counted = judged.into_iter().nth(first_valid.unwrap_or(0));
    let Some(counted) = counted else {
        return (found, None);
    };
    found.push(counted.finding);
    (found, counted.id)
}

fn duplicates(name: &str, judged: &[Judged]) -> Option<Finding> {
    let valid = judged
        .iter()
        .filter(|judged| !judged.finding.is_fault())
        .count();
    let is_first_bad = judged.first()?.finding.is_fault();
    let situation = match (judged.len(), valid, is_first_bad) {
        (2.., 2.., _) => &table::DUPLICATE_VALID,
        (2.., 1, true) => &table::DUPLICATE_FIRST_BAD,
        _ => return None,
    };
    Some(situation.with("name", name).with("count", judged.len()))
}

fn other_name(pairs: &[(&[u8], &[u8])], name: &str) -> Finding {
    let names: Vec<String> = pairs
        .iter()
        .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
        .collect();
    let bare = |name: &str| {
        let prefix = super::field::prefix_of(name).map_or(0, str::len);
        name[prefix..].to_owned()
    };
    let other_case = names.iter().find(|other| other.eq_ignore_ascii_case(name));
    let other_prefix = names.iter().find(|other| bare(other) == bare(name));
    let (situation, other) = match (other_case, other_prefix) {
        (Some(other), _) => (&table::OTHER_CASE, other.clone()),
        (None, Some(other)) => (&table::OTHER_PREFIX, other.clone()),
        (None, None) if names.is_empty() => return table::NO_COOKIE.found(),
        (None, None) => (&table::OTHER_NAME, String::new()),
    };
    situation
        .with("name", name)
        .with("other", other)
        .with("others", names.join(", "))
}

/// Decides on one value, as it stands in the field.
pub(super) fn judge(value: &[u8], secrets: &Secrets, grammar: &IdGrammar) -> Judged {
    let refused = |finding| Judged { finding, id: None };
    let Some(text) = decode_value(value) else {
        return refused(table::NOT_ASCII.found());
    };
    let Some(signed) = text.strip_prefix("s:") else {
        return refused(unsigned(&text));
    };
    match by_which(signed, secrets) {
        Err(finding) => refused(finding),
        Ok((finding, id)) => match SessionId::parse(id, grammar) {
            Some(id) => Judged {
                finding,
                id: Some(id),
            },
            None => refused(table::OUTSIDE_GRAMMAR.found()),
        },
    }
}

/// Decides on a value that does not begin with `s:`.
fn unsigned(text: &str) -> Finding {
    let again = decode_value(text.as_bytes());
    let is_quoted = text.trim_start_matches(['"', '\'']).starts_with("s:")
        || text.trim_start_matches(['"', '\'']).starts_with("s%3A");
    if again.is_some_and(|again| again.starts_with("s:")) {
        table::ENCODED_TWICE.found()
    } else if is_quoted {
        table::QUOTED.found()
    } else if text.starts_with("eyJ") && text.matches('.').count() == 2 {
        table::IS_JWT.found()
    } else if text.starts_with("j:") {
        table::IS_JSON.found()
    } else {
        table::UNSIGNED.found()
    }
}

/// Decides which key signed a text, and returns the id.
fn by_which<'a>(signed: &'a str, secrets: &Secrets) -> Result<(Finding, &'a str), Finding> {
    let (id, signature) = signed.rsplit_once('.').unwrap_or((signed, ""));
    if let Some(at) = secrets
        .rings()
        .position(|ring| unsign(signed, &ring).is_some())
    {
        let keys = secrets.count();
        let finding = match at {
            0 => table::NEWEST_KEY.found(),
            at => table::OLD_KEY.with("key", at + 1).with("keys", keys),
        };
        return Ok((finding, id));
    }
    if signature.contains(' ') {
        return Err(table::PLUS_TO_BLANK.found());
    }
    let bare = signature.trim_end_matches('=');
    if bare.len() == SIGNATURE_LEN && (bare != signature || bare.contains(['-', '_'])) {
        return Err(table::BASE64URL.found());
    }
    if signature.len() != SIGNATURE_LEN {
        return Err(table::CUT_OFF.with("length", signature.len()));
    }
    if secrets.is_empty() {
        return Ok((table::NOT_VERIFIED.found(), id));
    }
    let is_by = |ring: KeyRing| unsign(signed, &ring).is_some();
    let is_miscopied = secrets.miscopied().any(is_by);
    Err(if is_miscopied {
        table::MISCOPIED_KEY.found()
    } else {
        table::NO_KEY.with("keys", secrets.count())
    })
}

#[cfg(test)]
mod tests;
