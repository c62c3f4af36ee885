//! The decision if a request may reach the console at all, by what its browser says of where it comes from.

use axum::extract::Request;
use axum::http::uri::Authority;

/// The facts of a request that decide.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head<'a> {
    /// `true` for GET and HEAD, which change nothing.
    pub(crate) is_safe: bool,
    pub(crate) host: Option<&'a str>,
    pub(crate) origin: Option<&'a str>,
    /// `Sec-Fetch-Site`
    pub(crate) site: Option<&'a str>,
    /// `Sec-Fetch-Mode`
    pub(crate) mode: Option<&'a str>,
    /// `Sec-Fetch-Dest`
    pub(crate) dest: Option<&'a str>,
}

/// The reason for which a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A name that the console does not have: DNS rebinding leads foreign names here.
    Host,
    /// Another site, or another port of this machine, made the browser send it.
    Origin,
    /// It is to be shown inside another page.
    Frame,
}

impl Refusal {
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Host => "The console is not known by this host name.",
            Self::Origin => "This request came from another site.",
            Self::Frame => "The console is not shown inside another page.",
        }
    }
}

impl<'a> Head<'a> {
    pub(crate) fn of(request: &'a Request) -> Self {
        let fields = request.headers();
        let field = |name: &str| fields.get(name).and_then(|value| value.to_str().ok());
        // HTTP/2 has `:authority` in the place of Host.
        let authority = request.uri().authority().map(Authority::as_str);
        Self {
            is_safe: request.method().is_safe(),
            host: field("host").or(authority),
            origin: field("origin"),
            site: field("sec-fetch-site"),
            mode: field("sec-fetch-mode"),
            dest: field("sec-fetch-dest"),
        }
    }

    /// Decides; without `hosts` any name is the console's.
    pub(crate) fn judge(&self, hosts: &[String]) -> Result<(), Refusal> {
        if !self.is_known(hosts) {
            return Err(Refusal::Host);
        }
        if matches!(
            self.dest,
            Some("iframe" | "frame" | "embed" | "object" | "fencedframe")
        ) {
            return Err(Refusal::Frame);
        }
        if self.is_own() {
            Ok(())
        } else {
            Err(Refusal::Origin)
        }
    }

    fn is_known(&self, hosts: &[String]) -> bool {
        hosts.is_empty()
            || self
                .host
                .is_some_and(|host| hosts.iter().any(|own| own.eq_ignore_ascii_case(host)))
    }

    fn is_own(&self) -> bool {
        match self.site {
            // Under `no-referrer` a form of the console's own comes with `Origin: null`.
            Some("same-origin") => {
                matches!(self.origin, None | Some("null")) || self.has_own_origin()
            }
            // Typed into the address bar, or a bookmark.
            Some("none") => self.is_safe,
            // A link elsewhere may lead here: a page that the visitor sees, and the strict cookie stays behind.
            Some(_) => {
                self.is_safe && self.mode == Some("navigate") && self.dest == Some("document")
            }
            None if self.is_safe => self.origin.is_none() || self.has_own_origin(),
            None => self.has_own_origin(),
        }
    }

    fn has_own_origin(&self) -> bool {
        let (Some(origin), Some(host)) = (self.origin, self.host) else {
            return false;
        };
        let place = origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"));
        place.is_some_and(|place| place.eq_ignore_ascii_case(host))
    }
}

#[cfg(test)]
mod tests {
    use super::{Head, Refusal};

    const OWN: &str = "127.0.0.1:7000";

    #[test]
    fn requests_of_the_console_s_own_pages_pass_and_all_others_do_not() {
        let hosts = [OWN.to_owned(), "localhost:7000".to_owned()];
        let (own, other) = (Some("http://127.0.0.1:7000"), Some("http://127.0.0.1:3000"));
        let (host, site, frame) = (
            Err(Refusal::Host),
            Err(Refusal::Origin),
            Err(Refusal::Frame),
        );
        #[rustfmt::skip]
        let table = [
            // safe, host,                     origin,       site,                mode,             dest,             decision
            (true,  Some(OWN),                 None,         Some("none"),        Some("navigate"), Some("document"), Ok(())),
            (true,  Some("LOCALHOST:7000"),    None,         Some("none"),        Some("navigate"), Some("document"), Ok(())),
            (true,  Some("evil.example:7000"), None,         Some("none"),        Some("navigate"), Some("document"), host),
            (true,  Some("127.0.0.1"),         None,         None,                None,             None,             host),
            (true,  Some("127.0.0.1:7000."),   None,         None,                None,             None,             host),
            (true,  None,                      None,         None,                None,             None,             host),
            (true,  Some(OWN),                 None,         Some("cross-site"),  Some("navigate"), Some("document"), Ok(())),
            (true,  Some(OWN),                 None,         Some("cross-site"),  Some("navigate"), Some("iframe"),   frame),
            (true,  Some(OWN),                 None,         Some("same-origin"), Some("navigate"), Some("iframe"),   frame),
            (true,  Some(OWN),                 None,         Some("cross-site"),  Some("no-cors"),  Some("image"),    site),
            (true,  Some(OWN),                 other,        Some("same-site"),   Some("cors"),     Some("empty"),    site),
            (true,  Some(OWN),                 None,         Some("same-origin"), Some("cors"),     Some("empty"),    Ok(())),
            (true,  Some(OWN),                 None,         None,                None,             None,             Ok(())),
            (true,  Some(OWN),                 other,        None,                None,             None,             site),
            (false, Some(OWN),                 Some("null"), Some("same-origin"), Some("navigate"), Some("document"), Ok(())),
            (false, Some(OWN),                 own,          Some("same-origin"), Some("navigate"), Some("document"), Ok(())),
            (false, Some(OWN),                 other,        Some("same-origin"), Some("navigate"), Some("document"), site),
            (false, Some(OWN),                 other,        Some("same-site"),   Some("navigate"), Some("document"), site),
            (false, Some(OWN),                 None,         Some("cross-site"),  Some("navigate"), Some("document"), site),
            (false, Some(OWN),                 None,         Some("none"),        Some("navigate"), Some("document"), site),
            (false, Some(OWN),                 own,          None,                None,             None,             Ok(())),
            (false, Some(OWN),                 Some("null"), None,                None,             None,             site),
            (false, Some(OWN),                 None,         None,                None,             None,             site),
            (false, Some(OWN),                 other,        None,                None,             None,             site),
        ];
        for (is_safe, host, origin, site, mode, dest, expected) in table {
            let head = Head {
                is_safe,
                host,
                origin,
                site,
                mode,
                dest,
            };
            assert_eq!(head.judge(&hosts), expected, "{head:?}");
        }
    }

    #[test]
    fn without_a_list_any_host_is_the_application_s_own() {
        let head = Head {
            is_safe: true,
            host: Some("shop.example"),
            ..Head::default()
        };
        assert_eq!(head.judge(&[]), Ok(()));
    }
}
