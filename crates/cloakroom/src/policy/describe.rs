//! The effective settings of a policy as JSON, without secrets: for an operator, a check, a written policy.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    AtLimit, CachePolicy, CookieLife, DuplicateCookies, MatchPath, OnStoreError, Policy, Priority,
    SameSite, Secure, Settings, TrustedProxy, Unset,
};

impl Policy {
    /// Returns the effective settings as a JSON object, without secrets: what was set, and the defaults of what
    /// was not. It is what `cloakroom doctor --policy` reads, and the documented policy that OWASP ASVS 7.1.1
    /// asks for.
    ///
    /// Times are seconds, sizes bytes; a time-out that is off is `null`. The names are those of
    /// [`PolicyBuilder`](super::PolicyBuilder)'s methods and stay; `schema` changes when one is renamed or
    /// removed. Of a function of the application it says only that there is one.
    ///
    /// ```
    /// # fn f(policy: cloakroom::Policy) {
    /// let written = policy.describe();
    /// assert_eq!(written["idle_timeout"], 1800.0);
    /// # }
    /// ```
    #[expect(clippy::too_many_lines, reason = "one line for each setting")]
    pub fn describe(&self) -> Value {
        // Every field by its name: a new setting does not compile until it is described.
        let Settings {
            name,
            keys,
            resave,
            save_uninitialized,
            rolling,
            unset,
            trusted_proxy,
            id_generator,
            id_grammar,
            idle_timeout,
            browser_session_ttl,
            absolute_timeout,
            renewal_timeout,
            touch_after,
            secure,
            same_site,
            http_only,
            path,
            match_path,
            domain,
            priority,
            partitioned,
            edit_cookie,
            on_store_error,
            store_timeout,
            clear_cookie_on_destroy,
            cookie_life,
            duplicate_cookies,
            record_limit,
            limits_writes,
            hash_ids_at_rest,
            cache,
            user_keys,
            note_devices,
            clear_on_login,
            max_sessions,
            remember_at_most,
            clear_site_data,
            max_sockets_per_session,
            max_sockets_per_address,
            realm,
        } = self.settings();
        let grammar = id_grammar.lengths();
        let touched = idle_timeout.unwrap_or(*browser_session_ttl) / 20;
        let mut said = json!({
            "schema": 1,
            "name": name.as_str(),
            "realm": realm,
            "secrets": keys.keyed_hashes("").len(),
            "idle_timeout": seconds(*idle_timeout),
            "browser_session": idle_timeout.is_none().then_some(browser_session_ttl.as_secs_f64()),
            "absolute_timeout": seconds(*absolute_timeout),
            "renewal_timeout": seconds(*renewal_timeout),
            "touch_after": touch_after.unwrap_or(touched).as_secs_f64(),
            "remember_at_most": seconds(*remember_at_most),
            "resave": resave,
            "save_uninitialized": save_uninitialized,
            "rolling": rolling,
            "unset": unset_name(*unset),
            "trusted_proxy": proxies(trusted_proxy),
            "id_generator": id_generator.is_some(),
            "id_grammar": grammar.map(|(min, max)| json!({ "min": min, "max": max })),
            "hash_ids_at_rest": hash_ids_at_rest,
        });
        let rest = json!({
            "secure": secure_name(*secure),
            "same_site": same_site_name(*same_site),
            "http_only": http_only,
            "path": path,
            "match_path": match_path_name(match_path, path),
            "domain": domain,
            "priority": priority.map(priority_name),
            "partitioned": partitioned,
            "cookie_with": edit_cookie.is_some(),
            "cookie_life": cookie_life_name(*cookie_life),
            "clear_cookie_on_destroy": clear_cookie_on_destroy,
            "duplicate_cookies": duplicates_name(*duplicate_cookies),
            "clear_site_data": clear_site_data,
            "cache": cache_name(*cache),
            "on_store_error": on_store_error_name(*on_store_error),
            "store_timeout": store_timeout.as_secs_f64(),
            "record_limit": {
                "bytes": record_limit.bytes,
                "keys": record_limit.keys,
                "depth": record_limit.depth,
                "bounds_writes": limits_writes,
            },
            "user_keys": user_keys.paths().collect::<Vec<_>>(),
            "note_devices": note_devices,
            "clear_on_login": clear_on_login,
            "max_sessions": max_sessions.map(|(most, at_limit)| {
                json!({ "most": most, "at_limit": at_limit_name(at_limit) })
            }),
            "max_sockets_per_session": max_sockets_per_session,
            "max_sockets_per_address": max_sockets_per_address,
        });
        if let (Value::Object(said), Value::Object(rest)) = (&mut said, rest) {
            said.extend(rest);
        }
        said
    }
}

fn seconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64())
}

fn proxies(trusted: &TrustedProxy) -> Value {
    match trusted {
        TrustedProxy::None => json!("none"),
        TrustedProxy::Any => json!("any"),
        TrustedProxy::Networks(networks) => {
            json!(networks.iter().map(ToString::to_string).collect::<Vec<_>>())
        }
    }
}

fn match_path_name<'a>(matched: &'a MatchPath, path: &'a str) -> &'a str {
    match matched {
        MatchPath::Everywhere => "/",
        MatchPath::CookiePath => path,
        MatchPath::Under(prefix) => prefix,
    }
}

macro_rules! names {
    ($($function:ident: $type:ident { $($variant:ident => $name:literal),* $(,)? })*) => {
        $(fn $function(value: $type) -> &'static str {
            match value {
                $($type::$variant => $name,)*
            }
        })*
    };
}

names! {
    unset_name: Unset { Keep => "keep", Destroy => "destroy" }
    secure_name: Secure { Always => "always", Auto => "auto", Never => "never" }
    same_site_name: SameSite {
        Strict => "strict", Lax => "lax", None => "none", Auto => "auto", Unset => "unset",
    }
    priority_name: Priority { Low => "low", Medium => "medium", High => "high" }
    cookie_life_name: CookieLife { Session => "session", Express => "express" }
    duplicates_name: DuplicateCookies { First => "first", Reject => "reject" }
    cache_name: CachePolicy { NoStore => "no_store", Private => "private", Untouched => "untouched" }
    on_store_error_name: OnStoreError { Unavailable => "unavailable", Anonymous => "anonymous" }
    at_limit_name: AtLimit { EndOldest => "end_oldest", Refuse => "refuse" }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use crate::cookie::KeyRing;
    use crate::id::IdGrammar;
    use crate::policy::{
        AtLimit, CachePolicy, CookieLife, DuplicateCookies, OnStoreError, Policy, PolicyBuilder,
        Priority, SameSite, Secure, SiteData, TrustedProxy, Unset,
    };
    use crate::record::RecordLimit;

    const SECRET: &str = "the secret of these tests, long enough";

    fn builder() -> PolicyBuilder {
        Policy::builder(KeyRing::new(SECRET).unwrap())
    }

    fn described(builder: PolicyBuilder) -> Value {
        builder.build().unwrap().describe()
    }

    #[test]
    fn the_defaults_are_described_under_stable_names() {
        let expected = json!({
            "schema": 1, "name": "connect.sid", "realm": null, "secrets": 1,
            "idle_timeout": 1800.0, "browser_session": null, "absolute_timeout": 86400.0,
            "renewal_timeout": null, "touch_after": 90.0, "remember_at_most": null,
            "resave": false, "save_uninitialized": false, "rolling": false, "unset": "keep",
            "trusted_proxy": "none", "id_generator": false, "id_grammar": { "min": 20, "max": 128 },
            "hash_ids_at_rest": false, "secure": "always", "same_site": "lax", "http_only": true,
            "path": "/", "match_path": "/", "domain": null, "priority": null, "partitioned": false,
            "cookie_with": false, "cookie_life": "session", "clear_cookie_on_destroy": true,
            "duplicate_cookies": "first", "clear_site_data": null, "cache": "no_store",
            "on_store_error": "unavailable", "store_timeout": 2.0,
            "record_limit": { "bytes": 65536, "keys": 512, "depth": 64, "bounds_writes": true },
            "user_keys": ["userId", "passport.user"], "note_devices": true,
            "clear_on_login": false, "max_sessions": null, "max_sockets_per_session": 64,
            "max_sockets_per_address": 2048,
        });
        assert_eq!(described(builder()), expected);
    }

    #[test]
    fn each_option_is_described_where_it_is_set() {
        let (minute, limit) = (
            Duration::from_mins(1),
            RecordLimit {
                bytes: 9,
                keys: 8,
                depth: 7,
            },
        );
        let ring =
            KeyRing::from_secrets([SECRET, "another secret of these tests, as long"]).unwrap();
        let proxy = TrustedProxy::networks(["10.0.0.0/8"]).unwrap();
        #[rustfmt::skip]
        let table: Vec<(PolicyBuilder, &str, Value)> = vec![
            (Policy::builder(ring),                                    "secrets",                 json!(2)),
            (builder().name("sid"),                                    "name",                    json!("sid")),
            (builder().realm("shop"),                                  "realm",                   json!("shop")),
            (builder().idle_timeout(minute),                           "idle_timeout",            json!(60.0)),
            (builder().idle_timeout(minute),                           "touch_after",             json!(3.0)),
            (builder().browser_session(minute),                        "browser_session",         json!(60.0)),
            (builder().browser_session(minute),                        "idle_timeout",            json!(null)),
            (builder().absolute_timeout(minute * 60),                  "absolute_timeout",        json!(3600.0)),
            (builder().no_absolute_timeout(),                          "absolute_timeout",        json!(null)),
            (builder().renewal_timeout(minute),                        "renewal_timeout",         json!(60.0)),
            (builder().touch_after(minute),                            "touch_after",             json!(60.0)),
            (builder().remember_at_most(minute * 60 * 48),             "remember_at_most",        json!(172_800.0)),
            (builder().resave(true),                                   "resave",                  json!(true)),
            (builder().save_uninitialized(true),                       "save_uninitialized",      json!(true)),
            (builder().rolling(true),                                  "rolling",                 json!(true)),
            (builder().unset(Unset::Destroy),                          "unset",                   json!("destroy")),
            (builder().trusted_proxy(proxy),                           "trusted_proxy",           json!(["10.0.0.0/8"])),
            (builder().id_generator(|_| "x".repeat(32)),               "id_generator",            json!(true)),
            (builder().id_grammar(IdGrammar::token(8, 64)),            "id_grammar",              json!({ "min": 8, "max": 64 })),
            (builder().id_grammar(IdGrammar::any()),                   "id_grammar",              json!(null)),
            (builder().hash_ids_at_rest(true),                         "hash_ids_at_rest",        json!(true)),
            (builder().secure(Secure::Auto),                           "secure",                  json!("auto")),
            (builder().same_site(SameSite::Strict),                    "same_site",               json!("strict")),
            (builder().http_only(false),                               "http_only",               json!(false)),
            (builder().path("/app"),                                   "path",                    json!("/app")),
            (builder().match_path("/api"),                             "match_path",              json!("/api")),
            (builder().domain("example.com"),                          "domain",                  json!("example.com")),
            (builder().priority(Priority::High),                       "priority",                json!("high")),
            (builder().partitioned(true),                              "partitioned",             json!(true)),
            (builder().cookie_with(|_, _| {}),                         "cookie_with",             json!(true)),
            (builder().cookie_life(CookieLife::Express),               "cookie_life",             json!("express")),
            (builder().clear_cookie_on_destroy(false),                 "clear_cookie_on_destroy", json!(false)),
            (builder().duplicate_cookies(DuplicateCookies::Reject),    "duplicate_cookies",       json!("reject")),
            (builder().clear_site_data([SiteData::Cache]),             "clear_site_data",         json!("\"cache\"")),
            (builder().cache(CachePolicy::Private),                    "cache",                   json!("private")),
            (builder().on_store_error(OnStoreError::Anonymous),        "on_store_error",          json!("anonymous")),
            (builder().store_timeout(minute),                          "store_timeout",           json!(60.0)),
            (builder().record_limit(limit),                            "record_limit",            json!({ "bytes": 9, "keys": 8, "depth": 7, "bounds_writes": true })),
            (builder().user_keys(["uid"]),              "user_keys",               json!(["uid"])),
            (builder().note_devices(false),                            "note_devices",            json!(false)),
            (builder().clear_on_login(true),                           "clear_on_login",          json!(true)),
            (builder().max_sessions(3, AtLimit::Refuse),               "max_sessions",            json!({ "most": 3, "at_limit": "refuse" })),
            (builder().max_sockets_per_session(5),                     "max_sockets_per_session", json!(5)),
            (builder().max_sockets_per_address(6),                     "max_sockets_per_address", json!(6)),
        ];
        let defaults = described(builder());
        let mut seen: Vec<&str> = Vec::new();
        for (builder, name, expected) in table {
            let said = described(builder);
            assert_eq!(said[name], expected, "{name}");
            assert_ne!(said[name], defaults[name], "{name} by default");
            assert!(!said.to_string().contains("secret of"), "{name}");
            seen.push(name);
        }
        for name in defaults.as_object().unwrap().keys() {
            assert!(
                name == "schema" || seen.contains(&name.as_str()),
                "{name} has no row"
            );
        }
    }
}
