//! `cloakroom demo`: a shop that shows the use of sessions.

mod accounts;
mod assets;
mod banner;
mod cart;
mod catalogue;
pub(crate) mod connections;
mod failure;
mod headers;
mod negotiate;
mod options;
mod pages;
mod routes;
mod secret;
mod sent;
mod serve;
mod timeouts;
mod visitor;
mod words;

use std::time::Duration;

use cloakroom::policy::TrustedProxy;
use cloakroom::store::AnyStore;
use cloakroom::{KeyRing, Manager, Policy, Secure};

pub(crate) use options::Options;

use crate::problem::{Problem, with_causes};
use accounts::Accounts;
use routes::Shop;

/// Time that the store may take for its remaining work after the last response.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves the shop until a signal ends it.
pub(crate) fn run(options: &Options) -> Result<(), Problem> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Problem::failed(format!("no threads to serve with: {error}")))?;
    let served = runtime.block_on(open_and_serve(options));
    runtime.shutdown_timeout(LAST_WORDS);
    served
}

async fn open_and_serve(options: &Options) -> Result<(), Problem> {
    let store = open_store(options).await?;
    let (keys, origin) = secret::keys(options, store.kind())?;
    let policy = policy(options, keys)?;
    let listener = serve::listen(options.addr).await?;
    let accounts = Accounts::seed().await;
    banner::print(options, &listener, store.kind(), &origin);
    let manager = Manager::new(policy, store);
    let shop = Shop::new(manager.clone(), accounts);
    serve::serve(listener, routes::router(shop), &manager).await
}

async fn open_store(options: &Options) -> Result<AnyStore, Problem> {
    let url = match &options.store {
        Some(url) => url.clone(),
        None => options.default_store()?,
    };
    AnyStore::connect(&url).await.map_err(|error| {
        Problem::failed(format!(
            "{}: see --store and --data-dir",
            with_causes(&error)
        ))
    })
}

/// The library's defaults, for a server that a developer reaches over plain HTTP.
fn policy(options: &Options, keys: KeyRing) -> Result<Policy, Problem> {
    let proxies = options.trusted_proxies.iter().map(String::as_str);
    let proxies = TrustedProxy::networks(proxies)
        .map_err(|text| Problem::usage(format!("--trusted-proxy {text} is no network")))?;
    let builder = Policy::builder(keys)
        .secure(Secure::Auto)
        .trusted_proxy(proxies);
    let built = options.timeouts.apply(builder)?.build();
    built.map_err(|error| Problem::failed(error.to_string()))
}
