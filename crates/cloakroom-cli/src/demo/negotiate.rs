//! Content negotiation: a page or JSON (RFC 9110 §12.5.1).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::request::Parts;

/// The media type that a client prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// A browser that shows pages, or one that sends a form.
    Page,
    /// Everything else, `*/*` included.
    Json,
}

impl Wants {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if is_form(headers) {
            return Self::Page;
        }
        let fields = headers.get_all(ACCEPT).iter();
        let ranges = fields
            .filter_map(|field| field.to_str().ok())
            .flat_map(|field| field.split(','))
            .filter_map(range);
        let none = (Self::Json, 0.0);
        // Of two that are wanted alike, the one that is named first.
        ranges
            .fold(none, |best, next| if next.1 > best.1 { next } else { best })
            .0
    }
}

/// Returns `true` if the body is form-encoded, as browsers send it.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let field = headers
        .get(CONTENT_TYPE)
        .and_then(|field| field.to_str().ok());
    let media_type = field.and_then(|field| field.split(';').next());
    media_type.is_some_and(|media_type| {
        media_type
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

/// Parses a media range and its weight.
fn range(text: &str) -> Option<(Wants, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let wants = match parts.next()?.to_ascii_lowercase().as_str() {
        "text/html" | "application/xhtml+xml" | "text/*" => Wants::Page,
        "application/json" | "application/*" => Wants::Json,
        _ => return None,
    };
    let weight = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.eq_ignore_ascii_case("q").then_some(value)
    });
    let weight = weight.map_or(Some(1.0), |value| value.parse().ok())?;
    Some((wants, weight))
}

impl<S: Sync> FromRequestParts<S> for Wants {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use axum::http::header::{ACCEPT, CONTENT_TYPE};

    use super::Wants::{self, Json, Page};

    #[test]
    fn browsers_get_pages_and_programs_get_json() {
        #[rustfmt::skip]
        let table = [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", Page), // Firefox, Chrome
            ("text/html, application/json", Page),
            ("text/*",                      Page),
            ("Text/HTML ; Q=0.5",           Page),
            ("application/json;q=0.5, text/html;q=0.9", Page),
            ("*/*",                         Json), // curl, fetch
            ("",                            Json),
            ("application/json",            Json),
            ("application/json, text/plain, */*", Json), // axios
            ("application/json, text/html", Json),
            ("text/html;q=0.5, application/json", Json),
            ("text/html;q=0",               Json),
            ("text/html;q=x",               Json),
            ("text/html;q=NaN",             Json),
            ("text/htmlx, text/plain",      Json),
            (";;,,;q=1",                    Json),
        ];
        for (accept, wants) in table {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(Wants::of(&headers), wants, "{accept}");
        }
        assert_eq!(Wants::of(&HeaderMap::new()), Json);
    }

    #[test]
    fn a_form_post_gets_a_page() {
        #[rustfmt::skip]
        let table = [
            ("application/x-www-form-urlencoded",                Page),
            ("Application/X-WWW-Form-Urlencoded; charset=utf-8", Page),
            ("application/json",                                 Json),
            ("multipart/form-data; boundary=x",                  Json),
        ];
        for (content_type, wants) in table {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, "*/*".parse().unwrap());
            headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
            assert_eq!(Wants::of(&headers), wants, "{content_type}");
        }
    }
}
