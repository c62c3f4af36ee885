//! What may be fetched without a session: the files that a build of Next names by their content.

use axum::http::Method;

/// Whether anybody may have this path.
///
/// `/_next/static/` holds the scripts, sheets and fonts of the browser's side, the same for everyone;
/// their sources are readable, the data that pages are made of is not in them. Not so
/// `/_next/data/` and `/_next/image`: the one is rendered, the other fetches what its query names.
pub(crate) fn is_public(method: &Method, path: &str) -> bool {
    let is_file = matches!(path, "/favicon.ico" | "/robots.txt")
        || path
            .strip_prefix("/_next/static/")
            .is_some_and(|file| file.split('/').all(is_plain));
    matches!(*method, Method::GET | Method::HEAD) && is_file
}

/// Whether a part of a path means the same to whoever reads it: no dots that lead up, no escapes
/// but those of brackets, which Next writes in the names of its files.
fn is_plain(part: &str) -> bool {
    let bare = part.replace("%5B", "").replace("%5D", "");
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~@".contains(&byte);
    !part.is_empty() && !part.starts_with('.') && bare.bytes().all(is_word)
}

#[cfg(test)]
mod tests {
    use super::is_public;
    use axum::http::Method;

    #[test]
    fn files_of_the_build_are_public_and_nothing_else_is() {
        #[rustfmt::skip]
        let table = [
            ("/favicon.ico",                                true),
            ("/robots.txt",                                 true),
            ("/_next/static/chunks/main-0a1b.js",           true),
            ("/_next/static/chunks/app/%5Bslug%5D/page.js", true),
            ("/_next/static/chunks/0~x_9.-.css",            true),
            ("/",                                           false),
            ("/favicon.ico/",                               false),
            ("/favicon.ico/secret",                         false),
            ("/static/x.js",                                false),
            ("/_next/static",                               false),
            ("/_next/static/",                              false),
            ("/_next/static/../secret",                     false),
            ("/_next/static/chunks/../../../secret",        false),
            ("/_next/static/./x.js",                        false),
            ("/_next/static/%2e%2e/secret",                 false),
            ("/_next/static/..%2fsecret",                   false),
            ("/_next/static/%5b%2e%2e%5d",                  false),
            ("/_next/static/..\\secret",                    false),
            ("/_next/static/..;/secret",                    false),
            ("/_next/static//secret",                       false),
            ("//_next/static/x.js",                         false),
            ("/_NEXT/static/x.js",                          false),
            ("/_next/data/build/secret.json",               false),
            ("/_next/image",                                false),
            ("/_next/webpack-hmr",                          false),
            ("/secret?/_next/static/x.js",                  false),
            ("",                                            false),
            ("*",                                           false),
        ];
        for (path, expected) in table {
            assert_eq!(is_public(&Method::GET, path), expected, "{path}");
            assert_eq!(is_public(&Method::HEAD, path), expected, "{path}");
            assert!(!is_public(&Method::POST, path), "{path}");
        }
    }
}
