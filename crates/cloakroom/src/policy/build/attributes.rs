//! The settings of the cookie's attributes.

use super::PolicyBuilder;
use crate::policy::{CookieMut, MatchPath, Priority, RequestInfo, SameSite, Secure};

impl PolicyBuilder {
    /// Sets the condition under which the cookie carries `Secure`. Default: [`Secure::Always`].
    ///
    /// For a server that is also used over plain HTTP, on a developer's machine say, [`Secure::Auto`] depends
    /// on the request.
    pub fn secure(mut self, secure: Secure) -> Self {
        self.settings.secure = secure;
        self
    }

    /// Sets `SameSite`. Default: [`SameSite::Lax`].
    #[doc(alias = "sameSite")]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.settings.same_site = same_site;
        self
    }

    /// Sets `HttpOnly`: scripts cannot read the cookie. Default: yes.
    #[doc(alias = "httpOnly")]
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.settings.http_only = http_only;
        self
    }

    /// Sets the path that the cookie is for, as the browser sees it: the attribute `Path`. Default:
    /// `/`.
    ///
    /// It is only sent: a proxy may have stripped a prefix from the paths of this server's requests.
    /// [`match_path`](Self::match_path) says which requests have a session; with [`Policy::express`](crate::Policy::express) it is
    /// this path, as in Express.
    pub fn path(mut self, path: &str) -> Self {
        self.settings.path = path.into();
        self
    }

    /// Sets the path under which requests have a session, as this server receives it, whatever router it is
    /// nested in; `/` is everywhere. Default: everywhere.
    ///
    /// A route elsewhere that extracts its session gets an error; it never gets that of an outer session
    /// layer.
    pub fn match_path(mut self, path: &str) -> Self {
        self.settings.match_path = MatchPath::Under(path.into());
        self
    }

    pub(super) fn match_cookie_path(mut self) -> Self {
        self.settings.match_path = MatchPath::CookiePath;
        self
    }

    /// Sets the domain whose hosts all get the cookie. Default: none, this host only.
    pub fn domain(mut self, domain: &str) -> Self {
        self.settings.domain = Some(domain.into());
        self
    }

    /// Sets the cookie's priority. Default: none.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.settings.priority = Some(priority);
        self
    }

    /// Sets `Partitioned`: each top-level site has a cookie jar of its own (CHIPS). Default: no.
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.settings.partitioned = partitioned;
        self
    }

    /// Sets a function that may change the cookie of each new session, by its request: Express's
    /// `cookie: function`. It runs after the settings above.
    #[doc(alias = "cookie")]
    pub fn cookie_with(
        mut self,
        edit: impl Fn(&RequestInfo, &mut CookieMut<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.settings.edit_cookie = Some(std::sync::Arc::new(edit));
        self
    }
}
