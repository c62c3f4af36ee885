//! A check: what it looks at, why that matters, and what it found.

use cloakroom::store::inspect::Facts;

/// The weight of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Worth knowing; nothing is lost.
    Note,
    /// Sessions or logouts may be lost under some condition.
    Warning,
    /// Sessions or logouts are lost, or anybody's session is open.
    Error,
}

impl Level {
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Note => "·",
            Self::Warning => "!",
            Self::Error => "✗",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The outcome of a check.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    Found(Finding),
}

/// A fault: what was measured, and the statement that mends it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// The weight where it differs from the check's own.
    pub(super) level: Option<Level>,
    pub(super) measured: String,
    pub(super) mend: String,
}

/// One check: a pure function of facts.
pub(super) struct Check {
    pub(super) id: &'static str,
    pub(super) level: Level,
    pub(super) title: &'static str,
    pub(super) why: &'static str,
    /// Judges the facts; `None` where one that it needs could not be learned.
    pub(super) look: fn(&Facts) -> Option<Verdict>,
}

impl Check {
    const fn at(
        level: Level,
        id: &'static str,
        title: &'static str,
        why: &'static str,
        look: fn(&Facts) -> Option<Verdict>,
    ) -> Self {
        Self {
            id,
            level,
            title,
            why,
            look,
        }
    }

    pub(super) const fn error(
        id: &'static str,
        title: &'static str,
        why: &'static str,
        look: fn(&Facts) -> Option<Verdict>,
    ) -> Self {
        Self::at(Level::Error, id, title, why, look)
    }

    pub(super) const fn warning(
        id: &'static str,
        title: &'static str,
        why: &'static str,
        look: fn(&Facts) -> Option<Verdict>,
    ) -> Self {
        Self::at(Level::Warning, id, title, why, look)
    }

    pub(super) const fn note(
        id: &'static str,
        title: &'static str,
        why: &'static str,
        look: fn(&Facts) -> Option<Verdict>,
    ) -> Self {
        Self::at(Level::Note, id, title, why, look)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is what a check returns")]
pub(super) fn found(measured: impl Into<String>, mend: impl Into<String>) -> Option<Verdict> {
    Some(Verdict::Found(Finding {
        level: None,
        measured: measured.into(),
        mend: mend.into(),
    }))
}

/// Returns the verdict of a check that finds a fault where `is_faulty`.
pub(super) fn when(
    is_faulty: bool,
    measured: impl Into<String>,
    mend: impl Into<String>,
) -> Option<Verdict> {
    if is_faulty {
        return found(measured, mend);
    }
    Some(Verdict::Fine)
}

/// Returns `part` of `whole` in percent; 0 of nothing.
pub(super) fn percent(part: i64, whole: i64) -> i64 {
    if whole == 0 {
        0
    } else {
        part.saturating_mul(100) / whole
    }
}
