//! Cache fields of a response that depends on a session (RFC 9111).

use super::head::{HeaderMapExt, Name};
use crate::policy::CachePolicy;

/// Keeps shared caches from storing a response for one client.
pub(super) fn keep_private(fields: &mut impl HeaderMapExt, policy: CachePolicy) {
    if policy == CachePolicy::Untouched {
        return;
    }
    if !fields.add_first(Name::CacheControl, alone(policy))
        && let Some(value) = cache_control(&fields.joined(Name::CacheControl), policy)
    {
        fields.set(Name::CacheControl, &value);
    }
    vary(fields, policy);
}

/// Adds `Cookie` to `Vary`: the response is for clients that send equal cookies, or none.
pub(super) fn vary(fields: &mut impl HeaderMapExt, policy: CachePolicy) {
    if policy == CachePolicy::Untouched {
        return;
    }
    if !fields.add_first(Name::Vary, "Cookie") && !varies_by_cookie(&fields.joined(Name::Vary)) {
        fields.append(Name::Vary, "Cookie");
    }
}

/// Returns the value where the handler set none.
fn alone(policy: CachePolicy) -> &'static str {
    match policy {
        CachePolicy::NoStore => "no-store",
        CachePolicy::Private | CachePolicy::Untouched => "private",
    }
}

/// Returns the value to send, `None` where the handler's is sufficient.
fn cache_control(said: &str, policy: CachePolicy) -> Option<String> {
    let directives: Vec<&str> = said
        .split(',')
        .map(str::trim)
        .filter(|directive| !directive.is_empty())
        .collect();
    let says = |name: &str| {
        directives.iter().any(|directive| {
            // `private="field"` applies to that field only (RFC 9111 §5.2.2.7).
            directive.eq_ignore_ascii_case(name)
        })
    };
    if says("no-store") || says("private") {
        return None;
    }
    if directives.is_empty() {
        return Some(alone(policy).to_owned());
    }
    let shared = |directive: &&&str| {
        let name = directive.split('=').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case("public") || name.eq_ignore_ascii_case("s-maxage")
    };
    let kept = directives
        .iter()
        .filter(|directive| !shared(directive))
        .copied();
    let value: Vec<&str> = std::iter::once("private").chain(kept).collect();
    Some(value.join(", "))
}

fn varies_by_cookie(said: &str) -> bool {
    said.split(',')
        .map(str::trim)
        .any(|name| name == "*" || name.eq_ignore_ascii_case("cookie"))
}

#[cfg(test)]
#[cfg(feature = "tower")]
mod tests {
    use http::HeaderMap;
    use http::header::{CACHE_CONTROL, VARY};

    use super::keep_private;
    use crate::policy::CachePolicy;

    #[test]
    fn no_shared_cache_may_keep_it() {
        #[rustfmt::skip]
        let table = [
            (None,                               CachePolicy::NoStore,   Some("no-store")),
            (None,                               CachePolicy::Private,   Some("private")),
            (None,                               CachePolicy::Untouched, None),
            (Some("public, max-age=60"),         CachePolicy::NoStore,   Some("private, max-age=60")),
            (Some("max-age=60, s-maxage=9"),     CachePolicy::NoStore,   Some("private, max-age=60")),
            (Some("max-age=60"),                 CachePolicy::Private,   Some("private, max-age=60")),
            (Some("No-Store"),                   CachePolicy::NoStore,   Some("No-Store")),
            (Some("private, max-age=60"),        CachePolicy::NoStore,   Some("private, max-age=60")),
            (Some("private=\"x\", max-age=60"),  CachePolicy::NoStore,   Some("private, private=\"x\", max-age=60")),
            (Some("public"),                     CachePolicy::Untouched, Some("public")),
        ];
        for (said, policy, sent) in table {
            let mut headers = HeaderMap::new();
            if let Some(said) = said {
                headers.insert(CACHE_CONTROL, said.parse().unwrap());
            }
            keep_private(&mut headers, policy);
            assert_eq!(
                headers
                    .get(CACHE_CONTROL)
                    .map(|value| value.to_str().unwrap()),
                sent,
                "{said:?}"
            );
            assert_eq!(headers.contains_key(VARY), policy != CachePolicy::Untouched);
        }
    }

    #[test]
    fn vary_names_the_cookie_once() {
        for (said, fields) in [("Accept", 2), ("accept, COOKIE", 1), ("*", 1)] {
            let mut headers = HeaderMap::new();
            headers.insert(VARY, said.parse().unwrap());
            keep_private(&mut headers, CachePolicy::NoStore);
            assert_eq!(headers.get_all(VARY).iter().count(), fields, "{said}");
        }
    }
}
