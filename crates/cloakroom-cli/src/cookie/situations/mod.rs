//! The situations, a table for each stage.

pub(super) mod accepted;
pub(super) mod back;
pub(super) mod sent;
pub(super) mod session;
pub(super) mod stored;

#[cfg(test)]
use super::situation::Situation;

/// Lists all of them, in the order of the stages.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = &'static Situation> {
    let tables = [
        sent::ALL,
        stored::ALL,
        back::ALL,
        accepted::ALL,
        session::ALL,
    ];
    tables.into_iter().flatten().copied()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::situation::Weight;
    use super::all;

    #[test]
    fn each_has_an_id_of_its_own_one_sentence_and_a_way_out() {
        let mut ids = HashSet::new();
        for situation in all() {
            let id = situation.id;
            assert!(ids.insert(id), "{id} twice");
            let is_id = id
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit());
            assert!(is_id, "{id}");
            assert!(situation.sentence.ends_with('.'), "{id}");
            assert!(!situation.sentence.contains(". "), "{id} has two sentences");
            for text in [situation.sentence, situation.mend] {
                for part in text.split('{').skip(1) {
                    let name = part.split('}').next().unwrap_or_default();
                    assert!(
                        name.bytes().all(|byte| byte.is_ascii_lowercase()),
                        "{id}: {text}"
                    );
                }
            }
            if situation.weight != Weight::Note {
                assert!(situation.mend.ends_with('.'), "{id}");
            }
        }
        assert!(ids.len() >= 70, "{}", ids.len());
    }
}
