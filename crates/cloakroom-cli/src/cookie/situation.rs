//! A situation in which a cookie is lost, or not: its sentence, and what to do about it.

/// The way of a cookie, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Stage {
    /// The server's response carries it.
    Sent,
    /// The browser stores it.
    Stored,
    /// The browser sends it with the request in question.
    SentBack,
    /// Its name, its signature and its id are those of the server.
    Accepted,
    /// The store has its session.
    Session,
}

impl Stage {
    pub(super) const ALL: [Self; 5] = [
        Self::Sent,
        Self::Stored,
        Self::SentBack,
        Self::Accepted,
        Self::Session,
    ];

    /// Returns the question that the stage answers.
    pub(super) fn question(self) -> &'static str {
        match self {
            Self::Sent => "sent by the server?",
            Self::Stored => "stored by the browser?",
            Self::SentBack => "sent back?",
            Self::Accepted => "accepted?",
            Self::Session => "session?",
        }
    }
}

/// The consequence of a situation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Weight {
    /// The cookie goes on, and this is worth knowing.
    Note,
    /// The cookie goes on here, and not in every browser or not as it was meant.
    Warning,
    /// The cookie ends here.
    Fault,
}

/// One row of the table: sentences with the names of their values in braces.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Situation {
    pub(super) id: &'static str,
    pub(super) stage: Stage,
    pub(super) weight: Weight,
    /// The name that Chromium's protocol has for it.
    pub(super) chromium: Option<&'static str>,
    pub(super) sentence: &'static str,
    pub(super) mend: &'static str,
}

impl Situation {
    /// A place where the cookie ends.
    pub(super) const fn fault(
        stage: Stage,
        id: &'static str,
        sentence: &'static str,
        mend: &'static str,
    ) -> Self {
        Self {
            id,
            stage,
            weight: Weight::Fault,
            chromium: None,
            sentence,
            mend,
        }
    }

    /// A place that some browsers treat otherwise, or nobody meant.
    pub(super) const fn warning(
        stage: Stage,
        id: &'static str,
        sentence: &'static str,
        mend: &'static str,
    ) -> Self {
        let mut warning = Self::fault(stage, id, sentence, mend);
        warning.weight = Weight::Warning;
        warning
    }

    /// A fact that helps to read the rest.
    pub(super) const fn note(stage: Stage, id: &'static str, sentence: &'static str) -> Self {
        let mut note = Self::fault(stage, id, sentence, "");
        note.weight = Weight::Note;
        note
    }

    /// Adds the name of Chromium's protocol.
    pub(super) const fn named(mut self, chromium: &'static str) -> Self {
        self.chromium = Some(chromium);
        self
    }

    /// Returns what was found, without values.
    pub(super) fn found(&'static self) -> Finding {
        Finding {
            situation: self,
            values: Vec::new(),
        }
    }

    /// Returns what was found, with the first value of its sentence.
    pub(super) fn with(&'static self, name: &'static str, value: impl ToString) -> Finding {
        self.found().with(name, value)
    }
}

/// A situation that the facts are in, with the values of its sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) situation: &'static Situation,
    values: Vec<(&'static str, String)>,
}

impl Finding {
    /// Adds a value; control characters, which a terminal would obey, become question marks.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "texts and numbers as they are at hand"
    )]
    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        let shown = |c: char| if c.is_control() { '?' } else { c };
        let value = value.to_string().chars().map(shown).take(120).collect();
        self.values.push((name, value));
        self
    }

    pub(super) fn is_fault(&self) -> bool {
        self.situation.weight == Weight::Fault
    }

    pub(super) fn sentence(&self) -> String {
        self.fill(self.situation.sentence)
    }

    pub(super) fn mend(&self) -> String {
        self.fill(self.situation.mend)
    }

    fn fill(&self, template: &str) -> String {
        let mut text = String::with_capacity(template.len() + 32);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            let value = self.values.iter().find(|(known, _)| *known == name);
            text.push_str(before);
            // A sentence without its value is a fault of this program, which tests look for.
            text.push_str(value.map_or("{missing}", |(_, value)| value));
            rest = after;
        }
        text + rest
    }
}

#[cfg(test)]
mod tests {
    use super::{Situation, Stage};

    static SAMPLE: Situation =
        Situation::warning(Stage::Sent, "sample", "{a} is not {b}.", "Make {a} {b}.");

    #[test]
    fn values_are_filled_in_and_never_read_as_names() {
        let finding = SAMPLE.with("a", "{b}").with("b", "x\u{1b}[31m");
        assert_eq!(finding.sentence(), "{b} is not x?[31m.");
        assert_eq!(finding.mend(), "Make {b} x?[31m.");
        assert!(SAMPLE.found().sentence().contains("{missing}"));
    }
}
