//! A middleware's options as a policy of the library.

use std::collections::BTreeMap;
use std::time::Duration;

use cloakroom::policy::{CookieLife, CookieMut, PolicyBuilder, Unset};
use cloakroom::{KeyRing, Policy};
use napi::Result;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::layer::refused;

/// express-session's options, as far as a store is concerned; `strict` asks for the library's own
/// defaults in the place of Express's.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "express-session's options, as they are named"
)]
pub(crate) struct Options {
    strict: bool,
    resave: bool,
    save_uninitialized: bool,
    rolling: bool,
    unset_destroys: bool,
    /// Attributes of new cookies, as `session.cookie` takes them.
    cookie: BTreeMap<String, Box<RawValue>>,
    user_keys: Option<Vec<String>>,
    store_timeout_ms: Option<u64>,
    absolute_timeout_ms: Option<u64>,
    renewal_timeout_ms: Option<u64>,
    idle_timeout_ms: Option<u64>,
}

/// Makes the policy of a middleware of this cookie name and these secrets.
pub(crate) fn policy(name: &str, keys: &KeyRing, options: &str) -> Result<Policy> {
    let options: Options = serde_json::from_str(options).map_err(refused)?;
    let keys = keys.clone();
    let mut builder = if options.strict {
        Policy::builder(keys)
    } else {
        Policy::express(keys)
    };
    builder = builder
        .name(name)
        .no_realm()
        // JavaScript has looked at the path, in Express's way.
        .match_path("/")
        .resave(options.resave)
        .save_uninitialized(options.save_uninitialized)
        .rolling(options.rolling)
        .unset(if options.unset_destroys { Unset::Destroy } else { Unset::Keep });
    builder = timeouts(builder, &options);
    if let Some(keys) = options.user_keys {
        builder = builder.user_keys(keys);
    }
    let attributes = options.cookie;
    builder
        .cookie_with(move |_, cookie| assign(cookie, &attributes))
        .build()
        .map_err(refused)
}

fn timeouts(mut builder: PolicyBuilder, options: &Options) -> PolicyBuilder {
    if let Some(ms) = options.store_timeout_ms {
        builder = builder.store_timeout(Duration::from_millis(ms));
    }
    if let Some(ms) = options.idle_timeout_ms.filter(|_| options.strict) {
        builder = builder.idle_timeout(Duration::from_millis(ms));
    }
    if let Some(ms) = options.absolute_timeout_ms {
        builder = builder
            .absolute_timeout(Duration::from_millis(ms))
            .cookie_life(CookieLife::Session);
    }
    if let Some(ms) = options.renewal_timeout_ms {
        builder = builder.renewal_timeout(Duration::from_millis(ms));
    }
    builder
}

/// Gives a cookie attributes, as assignments to `session.cookie` would. What it cannot say was refused
/// when the application set it.
pub(crate) fn assign(cookie: &mut CookieMut<'_>, attributes: &BTreeMap<String, Box<RawValue>>) {
    for (name, value) in attributes {
        let _ = cookie.assign_json(name, value.get());
    }
}
