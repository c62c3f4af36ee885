//! Where a visitor may be sent after signing in: to a page of this shop, and nowhere else.

/// The pages that somebody may have been on their way to.
const PAGES: [&str; 5] = ["/", "/cart", "/profile", "/admin", "/how"];

/// The page that `next` names, or the front page.
///
/// It is looked up, not mended: whatever a browser may make of another spelling, none gets through.
pub(super) fn after_sign_in(next: Option<&str>) -> &'static str {
    let known = PAGES.into_iter().find(|page| Some(*page) == next);
    known.unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::{PAGES, after_sign_in};

    #[test]
    fn a_page_of_the_shop_is_gone_to() {
        for page in PAGES {
            assert_eq!(after_sign_in(Some(page)), page);
        }
        assert_eq!(after_sign_in(None), "/");
    }

    #[test]
    fn nothing_leads_out_of_the_shop() {
        for next in [
            "",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "https:evil.example",
            "https:/evil.example",
            "HTTPS://evil.example",
            "http://127.0.0.1:3000@evil.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "/%2f/evil.example",
            "/%2f%2fevil.example",
            "/%5cevil.example",
            "/%0d%0aSet-Cookie:x=y",
            "/\r\nSet-Cookie: x=y",
            "/\t/evil.example",
            "\t//evil.example",
            " //evil.example",
            "\n/cart",
            "/cart\n",
            "/cart\0",
            "/.//evil.example",
            "/..//evil.example",
            "/cart/../../evil",
            "/cart//evil.example",
            "/cart?next=//evil.example",
            "/@evil.example",
            ".evil.example",
            "evil.example",
            "cart",
            "/\u{2044}/evil.example",
            "/\u{ff0f}evil.example",
            "/cart\u{202e}",
        ] {
            assert_eq!(after_sign_in(Some(next)), "/", "{next:?}");
        }
    }
}
