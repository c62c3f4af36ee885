//! The style sheet, the scripts and the icon, under names that change with their content.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;

/// A file that browsers may keep for ever.
pub(super) struct Asset {
    pub(super) path: String,
    media_type: &'static str,
    content: &'static str,
}

pub(super) static STYLES: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("shop", "css", "text/css", include_str!("assets/shop.css")));

pub(super) static ICON: LazyLock<Asset> = LazyLock::new(|| {
    let icon = include_str!("assets/ticket.svg");
    Asset::new("ticket", "svg", "image/svg+xml", icon)
});

pub(super) static LIVE: LazyLock<Asset> = LazyLock::new(|| {
    let script = include_str!("assets/live.js");
    Asset::new("live", "js", "text/javascript", script)
});

pub(super) static TIMES: LazyLock<Asset> = LazyLock::new(|| {
    let script = include_str!("assets/times.js");
    Asset::new("times", "js", "text/javascript", script)
});

impl Asset {
    fn new(name: &str, extension: &str, media_type: &'static str, content: &'static str) -> Self {
        Self {
            path: format!("/assets/{name}-{:016x}.{extension}", fingerprint(content)),
            media_type,
            content,
        }
    }
}

/// The routes of all assets.
pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    [&*STYLES, &*ICON, &*LIVE, &*TIMES]
        .into_iter()
        .fold(Router::new(), |router, asset| {
            let head = [
                (CONTENT_TYPE, asset.media_type),
                (CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            router.route(
                &asset.path,
                get(move || async move { (head, asset.content) }),
            )
        })
}

/// FNV-1a: tells versions apart, no more.
fn fingerprint(content: &str) -> u64 {
    content.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn the_fingerprint_is_fnv_1a() {
        assert_eq!(fingerprint(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint("a"), 0xaf63_dc4c_8601_ec8c);
    }
}
