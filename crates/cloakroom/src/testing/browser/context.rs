//! The context of a request, on which `SameSite` and `Sec-Fetch-*` depend.

/// The initiator of a request, in the words of `Sec-Fetch-Site`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    /// The user: an address typed, a bookmark (`none`).
    User,
    /// A page of the same origin.
    SameOrigin,
    /// A page of another host or port of the same site.
    SameSite,
    /// A page of another site.
    CrossSite,
}

impl Initiator {
    /// Returns the value of `Sec-Fetch-Site`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "none",
            Self::SameOrigin => "same-origin",
            Self::SameSite => "same-site",
            Self::CrossSite => "cross-site",
        }
    }
}

/// The facts that decide whether a cookie may go with a request, and be set by its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    initiator: Initiator,
    is_navigation: bool,
    is_safe: bool,
}

impl Context {
    /// A page that the user opens.
    pub const OWN: Self = Self::new(Initiator::User, true, true);

    /// Creates the context of a request by `initiator`, with a method that is safe or not, that opens a page
    /// or does not.
    pub const fn new(initiator: Initiator, is_navigation: bool, is_safe: bool) -> Self {
        Self {
            initiator,
            is_navigation,
            is_safe,
        }
    }

    pub(super) fn is_same_site(self) -> bool {
        self.initiator != Initiator::CrossSite
    }

    pub(super) fn is_navigation(self) -> bool {
        self.is_navigation
    }

    pub(super) fn is_safe_navigation(self) -> bool {
        self.is_navigation && self.is_safe
    }

    /// Returns `true` if the response may set a cookie that is not `SameSite=None` (RFC 6265bis §5.7, step
    /// 18).
    pub(super) fn may_set_same_site(self) -> bool {
        self.is_same_site() || self.is_navigation
    }
}
