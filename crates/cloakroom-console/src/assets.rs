//! The style sheet, the scripts and the icon, under names that change with their content.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;

/// A file that browsers may keep for ever.
pub(crate) struct Asset {
    /// The path below the console's own.
    pub(crate) path: String,
    media_type: &'static str,
    content: &'static [u8],
}

pub(crate) static STYLES: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "console",
        "css",
        "text/css",
        include_bytes!("assets/console.css"),
    )
});

pub(crate) static ICON: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "icon",
        "svg",
        "image/svg+xml",
        include_bytes!("assets/icon.svg"),
    )
});

pub(crate) static LIVE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "live",
        "js",
        "text/javascript",
        include_bytes!("assets/live.js"),
    )
});

pub(crate) static ENTER: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "enter",
        "js",
        "text/javascript",
        include_bytes!("assets/enter.js"),
    )
});

impl Asset {
    fn new(name: &str, extension: &str, media_type: &'static str, content: &'static [u8]) -> Self {
        let path = format!("/assets/{name}-{:016x}.{extension}", fingerprint(content));
        Self {
            path,
            media_type,
            content,
        }
    }
}

/// Returns the routes of all assets.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    [&*STYLES, &*ICON, &*LIVE, &*ENTER]
        .into_iter()
        .fold(Router::new(), |router, asset| {
            let head = [
                (CONTENT_TYPE, asset.media_type),
                (CACHE_CONTROL, "private, max-age=31536000, immutable"),
            ];
            router.route(
                &asset.path,
                get(move || async move { (head, asset.content) }),
            )
        })
}

/// FNV-1a: tells versions apart, no more.
fn fingerprint(content: &[u8]) -> u64 {
    content.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn the_fingerprint_is_fnv_1a() {
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
