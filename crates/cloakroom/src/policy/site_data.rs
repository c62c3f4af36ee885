//! Data that a browser is asked to clear at a logout (Clear Site Data, W3C).

use super::PolicyBuilder;

/// A kind of data that a browser keeps of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteData {
    /// Fetched resources: pages that the back button would show to the next person.
    Cache,
    /// All cookies, those of other applications of the site and of its subdomains as well.
    Cookies,
    /// `localStorage`, `IndexedDB`, service workers.
    Storage,
    /// Open pages: they are reloaded.
    ExecutionContexts,
}

impl SiteData {
    fn as_str(self) -> &'static str {
        match self {
            Self::Cache => "\"cache\"",
            Self::Cookies => "\"cookies\"",
            Self::Storage => "\"storage\"",
            Self::ExecutionContexts => "\"executionContexts\"",
        }
    }
}

impl PolicyBuilder {
    /// Asks browsers to clear these, by `Clear-Site-Data`, in the response that clears a session's cookie:
    /// after a logout (OWASP ASVS 14.3.1).
    ///
    /// Default: nothing, because it takes a browser up to seconds, and another application of the same origin
    /// loses its data as well. Browsers obey it over TLS only.
    ///
    /// ```
    /// use cloakroom::policy::SiteData;
    /// # use cloakroom::{KeyRing, Policy};
    /// # fn f(keys: KeyRing) {
    /// let policy = Policy::builder(keys).clear_site_data([SiteData::Cache, SiteData::Storage]);
    /// # let _ = policy;
    /// # }
    /// ```
    pub fn clear_site_data(mut self, kinds: impl IntoIterator<Item = SiteData>) -> Self {
        let kinds: Vec<&str> = kinds.into_iter().map(SiteData::as_str).collect();
        self.settings.clear_site_data = (!kinds.is_empty()).then(|| kinds.join(", "));
        self
    }
}
