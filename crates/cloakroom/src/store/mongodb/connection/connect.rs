//! The connection, and the indexes that connect-mongo makes as well.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use mongodb::bson::doc;
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{
    ClientOptions, CollectionOptions, IndexOptions, ReadPreference, SelectionCriteria,
    ServerAddress, Tls,
};
use mongodb::{Client, Collection, IndexModel};

use super::error::write_failed;
use super::time;
use crate::store::mongodb::MongoInner;
use crate::store::mongodb::encoding::format::SessionFormat;
use crate::store::mongodb::options::{AutoRemove, MongoOptions};
use crate::store::mongodb::session::bson_cache::BsonCache;
use crate::store::mongodb::session::retired::Notes;
use crate::store::mongodb::session::tombstones::Tombstones;
use crate::store::{StoreError, StoreErrorKind, UserKeys, plaintext};

/// Time that a request waits for server selection, unless the URL sets another.
const SELECTION_TIMEOUT: Duration = Duration::from_secs(1);
/// Interval of the driver's server checks: the first request after an outage waits for one. The driver's own
/// default, ten seconds, would be long.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);
/// Greatest number of connections, unless the URL sets another: the Node driver's default. The Rust driver's
/// ten are soon used up by writes that wait for locked documents.
const MAX_CONNECTIONS: u32 = 100;
/// The database of a URL that names none, as in the Node driver.
pub(crate) const DATABASE: &str = "test";

impl MongoInner {
    pub(crate) async fn with_client(
        client: Client,
        options: MongoOptions,
    ) -> Result<Self, StoreError> {
        let form = SessionFormat::of(&options)?;
        let database = match &options.database {
            Some(name) => client.database(name),
            None => client
                .default_database()
                .unwrap_or_else(|| client.database(DATABASE)),
        };
        let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
        let reading = CollectionOptions::builder()
            .selection_criteria(primary)
            .build();
        let sessions = database.collection_with_options(&options.collection, reading.clone());
        let notes = [&options.collection, "_retired"].concat();
        let notes = Notes(database.collection_with_options(&notes, reading.clone()));
        let tombs = options.mixed_fleet.then(|| {
            let name = [&options.collection, "_tombs"].concat();
            Tombstones {
                collection: database.collection_with_options(&name, reading),
                database: database.clone(),
            }
        });
        let time = time::begin(&database, &options.clock).await?;
        if options.auto_remove == AutoRemove::Native {
            expire(&sessions).await.map_err(write_failed)?;
        } else {
            let ping = database.run_command(doc! { "ping": 1 });
            ping.await.map_err(write_failed)?;
        }
        if let Some(tombs) = &tombs {
            expire(&tombs.collection).await.map_err(write_failed)?;
        }
        let notes = allowed(notes).await?;
        Ok(Self {
            database,
            sessions,
            tombs,
            notes,
            form,
            options,
            time,
            heard: Mutex::new(Instant::now()),
            seen: Mutex::new(BsonCache::default()),
            user_keys: ArcSwap::from_pointee(UserKeys::default()),
            indexed: AtomicBool::new(false),
        })
    }

    /// Starts a task that deletes expired documents, for as long as the store lives.
    pub(crate) fn remove_at_intervals(self: &Arc<Self>) {
        let AutoRemove::Interval(interval) = self.options.auto_remove else {
            return;
        };
        let store = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                let Some(store) = store.upgrade() else { return };
                if let Err(error) = store.prune().await {
                    tracing::warn!(%error, "expired sessions could not be deleted");
                }
            }
        });
    }
}

/// Parses a URL, and sets the time-outs that it leaves open.
pub(crate) async fn parse(url: &str) -> Result<ClientOptions, StoreError> {
    let mut parsed = ClientOptions::parse(url).await.map_err(|error| {
        // The driver's text may repeat the URL, and with it a password.
        if let ErrorKind::InvalidArgument { message, .. } = &*error.kind {
            return unknown(url, message).unwrap_or_else(not_a_url);
        }
        match *error.kind {
            ErrorKind::DnsResolve { .. } => write_failed(error),
            _ => not_a_url(),
        }
    })?;
    if !matches!(parsed.tls, Some(Tls::Enabled(_))) {
        let hosts = parsed.hosts.iter().map(|host| match host {
            ServerAddress::Tcp { host, .. } => host.as_str(),
            _ => "",
        });
        plaintext::warn("mongodb", hosts, "add tls=true to the URL of MongoDB");
    }
    // A caller that waits for a document which a transaction holds keeps its connection.
    parsed.max_pool_size.get_or_insert(MAX_CONNECTIONS);
    parsed
        .server_selection_timeout
        .get_or_insert(SELECTION_TIMEOUT);
    parsed.connect_timeout.get_or_insert(SELECTION_TIMEOUT);
    parsed.heartbeat_freq.get_or_insert(HEARTBEAT_INTERVAL);
    Ok(parsed)
}

/// Builds the error for an option that the driver does not know, by its name: it contains no other part of
/// the URL.
fn unknown(url: &str, message: &str) -> Option<StoreError> {
    let (name, _) = message.split_once(" is an invalid option")?;
    let query = url.rsplit_once('@').map_or(url, |(_, rest)| rest);
    let (_, query) = query.split_once('?')?;
    let mut names = query.split('&').filter_map(|pair| pair.split('=').next());
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_there = is_name && names.any(|there| there.eq_ignore_ascii_case(name));
    is_there.then(|| {
        let text =
            format!("the URL has an option {name} that the driver does not know: take it out");
        StoreError::new(StoreErrorKind::Invalid, text)
    })
}

pub(crate) fn not_a_url() -> StoreError {
    StoreError::new(
        StoreErrorKind::Invalid,
        "it is no connection string of MongoDB",
    )
}

/// Creates the collection of retired ids with its index; `None` if the user may not use it, for the store
/// works without.
async fn allowed(notes: Notes) -> Result<Option<Notes>, StoreError> {
    match expire(&notes.0).await {
        Ok(()) => Ok(Some(notes)),
        Err(error) if is_unauthorized(&error) => {
            tracing::warn!(
                collection = notes.0.name(),
                "the user of MongoDB may not use the collection of retired ids: late requests of \
                 visitors who have just signed in or out may get sessions of their own; grant it the role \
                 readWrite there, and connect again"
            );
            Ok(None)
        }
        Err(error) => Err(write_failed(error)),
    }
}

fn is_unauthorized(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::Command(command) if command.code == 13)
}

/// Creates the TTL index, as connect-mongo does; if there is one, nothing happens.
#[expect(
    deprecated,
    reason = "connect-mongo says it: the index is the same to a server that compares"
)]
async fn expire<T: Send + Sync>(collection: &Collection<T>) -> mongodb::error::Result<()> {
    let options = IndexOptions::builder()
        .name("expires_1".to_owned())
        .background(true)
        .expire_after(Duration::ZERO)
        .build();
    let index = IndexModel::builder()
        .keys(doc! { "expires": 1 })
        .options(options)
        .build();
    match collection.create_index(index).await {
        Err(error) if is_conflict(&error) => {
            tracing::warn!("the index on `expires` has other options: expired sessions may stay");
            Ok(())
        }
        other => other.map(drop),
    }
}

/// Returns `true` if an index of that name or on that field exists with other options.
fn is_conflict(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::Command(command) if [85, 86].contains(&command.code))
}
