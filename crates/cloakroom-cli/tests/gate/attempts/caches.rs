//! Caches in the proxies themselves, with the printed configuration in force.

use super::Site;
use crate::running::Proxy;
use crate::wire::Answer;

/// Returns the lines by which a proxy keeps what it may, by the path alone.
fn cache(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => "proxy_cache one; proxy_cache_valid any 10m; proxy_cache_key $uri;",
        Proxy::Caddy => "",
        Proxy::Haproxy => "http-request cache-use one\nhttp-response cache-store one",
        Proxy::Apache => {
            "CacheRoot FOLDER\nCacheEnable disk /\nCacheIgnoreNoLastMod On\nCacheDefaultExpire 600"
        }
    }
}

fn words(answer: &Answer, name: &str) -> Vec<String> {
    let value = answer.field(name).unwrap_or_default().to_lowercase();
    value
        .split(',')
        .map(|word| word.trim().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cache_of_a_proxy_serves_one_person_s_page_to_another() {
    let site = Site::with(cache).await;
    let users = [(&*site.linus, "linus"), (&*site.ada, "ada")];
    for door in &site.doors {
        for target in ["/x/cacheable", "/x/plain", "/x/private"] {
            for (cookie, user) in [users, users].concat() {
                let answer = door.get(target, &[("Cookie", cookie)]).await;
                let says = format!("{} {target} {user}: {answer:?}", door.name);
                assert!(answer.status == 200 && answer.body.contains(user), "{says}");
                let cache = words(&answer, "cache-control");
                assert!(cache.contains(&"private".to_owned()), "{says}");
                assert!(!cache.contains(&"public".to_owned()), "{says}");
                assert!(
                    words(&answer, "vary").contains(&"cookie".to_owned()),
                    "{says}"
                );
                assert_eq!(answer.field("surrogate-control"), None, "{says}");
            }
            let answer = door.get(target, &[]).await;
            assert_eq!(answer.status, 401, "{} {target} {answer:?}", door.name);
        }
        // The control: what is public stays so, and those that have a cache keep it.
        door.upstream.take();
        for _ in 0..3 {
            let answer = door.get("/public/cacheable", &[]).await;
            let says = format!("{} {answer:?}", door.name);
            assert_eq!(
                answer.field("cache-control"),
                Some("public, max-age=3600"),
                "{says}"
            );
        }
        let has_cache = !matches!(&*door.name, "Caddy" | "proxy mode");
        let asked = if has_cache { 1 } else { 3 };
        assert_eq!(door.upstream.take().len(), asked, "{}", door.name);
    }
}
