//! The steps that a request has taken with its session.

/// The availability of the session to the handler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Live,
    /// The handler unset it.
    Unset,
    /// The handler destroyed it, and so has the store.
    Destroyed,
    /// The handler destroyed it, and the store refused: the session is still stored.
    NotEnded,
    /// The store failed, and the policy lets the request go on without it: nothing of this session is ever
    /// saved.
    Detached,
}

/// The steps; none at the beginning of a request.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each read by name"
)]
pub(crate) struct Progress {
    pub(crate) phase: Phase,
    /// `true` if this request proved the user's identity.
    pub(crate) is_login: bool,
    /// `true` once observers were told of it.
    pub(crate) is_login_told: bool,
    /// `true` if this request began or ended an impersonation.
    pub(crate) is_handed: bool,
    /// `true` if this request asked for "remember me".
    pub(super) remembers: bool,
    /// `true` once this request has stored it.
    pub(crate) saved: bool,
    /// `true` if the handler asked for its expiry to be moved.
    pub(crate) touched: bool,
    /// `true` if this request is passive: it does not count as use of the session.
    pub(crate) is_passive: bool,
    /// Number of times that this request has begun another session.
    pub(super) resets: u32,
}

impl Progress {
    /// Begins another session: it takes over only what belongs to the request.
    pub(super) fn restart(&mut self) {
        *self = Self {
            saved: self.saved,
            is_passive: self.is_passive,
            resets: self.resets.wrapping_add(1),
            ..Self::default()
        };
    }

    /// Returns `true` if the handler has neither unset nor destroyed the session.
    #[inline]
    pub(super) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live | Phase::Detached)
    }
}
