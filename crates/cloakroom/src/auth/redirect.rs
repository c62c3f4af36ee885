//! The redirect after a login, which cannot lead out of the site (open redirect).

/// Returns the path on this site that `next` names, with its query if any; `None` for anything that a browser
/// might take for another site, or for no path at all.
///
/// It is accepted unchanged or refused, never repaired: RFC 3986 resolves `//host` and, as browsers read it,
/// `/\host` to another host (WHATWG URL, "special authority"), and browsers drop tabs and line ends before
/// they parse.
///
/// ```
/// use cloakroom::auth::safe_redirect_path;
///
/// assert_eq!(safe_redirect_path("/cart?step=2"), Some("/cart?step=2"));
/// assert_eq!(safe_redirect_path("//evil.example"), None);
/// assert_eq!(safe_redirect_path("/\t/evil.example"), None);
/// ```
pub fn safe_redirect_path(next: &str) -> Option<&str> {
    let path = next.split(['?', '#']).next().unwrap_or_default();
    let is_plain = next
        .bytes()
        .all(|byte| matches!(byte, b'!'..=b'~') && byte != b'\\');
    let is_local = path.starts_with('/') && !path.contains("//");
    (is_plain && is_local && !hides_a_slash(path)).then_some(next)
}

/// Returns `true` if a path holds an escaped slash or backslash: a handler that decodes it may redirect once
/// more.
fn hides_a_slash(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    ["%2f", "%5c", "%0d", "%0a", "%09", "%00"]
        .iter()
        .any(|escaped| path.contains(escaped))
}

#[cfg(test)]
mod tests {
    use super::safe_redirect_path;

    #[test]
    fn paths_of_this_site_are_accepted_unchanged() {
        for next in [
            "/",
            "/cart",
            "/cart?next=/a%2Fb&x=1#top",
            "/a/b.html",
            "/%E2%82%AC",
            "/user@home",
        ] {
            assert_eq!(safe_redirect_path(next), Some(next));
        }
    }

    #[test]
    fn redirects_to_other_sites_are_refused() {
        for next in [
            "",
            "cart",
            "evil.example",
            ".evil.example",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "https:evil.example",
            "https:/evil.example",
            "HTTPS://evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "/%2f/evil.example",
            "/%2F%2fevil.example",
            "/%5cevil.example",
            "/%0d%0aSet-Cookie:x=y",
            "/\r\nSet-Cookie: x=y",
            "/\t/evil.example",
            "\t//evil.example",
            " //evil.example",
            "/cart\n",
            "/cart\0",
            "/.//evil.example",
            "/..//evil.example",
            "/cart//evil.example",
            "/\u{2044}/evil.example",
            "/\u{ff0f}evil.example",
            "/cart\u{202e}",
            "?next=/",
            "#/",
        ] {
            assert_eq!(safe_redirect_path(next), None, "{next:?}");
        }
    }
}
