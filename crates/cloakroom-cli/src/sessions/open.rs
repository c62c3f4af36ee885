//! The store that a subcommand works on, and the secrets of the handles.

use std::path::Path;

use cloakroom::KeyRing;
use cloakroom::record::UserKeys;
use cloakroom::store::{AnyStore, Store as _};

use super::Common;
use crate::problem::{Problem, with_causes};
use crate::store_args::StoreArgs;

/// The rights that a subcommand needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// It only looks: beside a writer that holds a lock, and with credentials that may not write.
    Read,
    /// It changes sessions.
    Write,
}

/// A store that is open.
pub(crate) struct Opened {
    pub(crate) store: AnyStore,
    pub(crate) secrets: KeyRing,
    pub(crate) user_keys: UserKeys,
}

impl Opened {
    /// Opens the store for what shows no handles; without secrets they are of this run alone.
    pub(super) async fn open(common: &Common, access: Access) -> Result<Self, Problem> {
        let secrets = match secrets(common.secret_file.as_deref())? {
            Some(secrets) => secrets,
            None => of_this_run()?,
        };
        Self::connect(&common.store, secrets, access).await
    }

    /// Opens the store for what shows or takes handles.
    pub(super) async fn with_secrets(common: &Common, access: Access) -> Result<Self, Problem> {
        Self::by(&common.store, common.secret_file.as_deref(), access).await
    }

    /// Opens a store with the secrets of a file, or of the environment.
    pub(crate) async fn by(
        store: &StoreArgs,
        secret_file: Option<&Path>,
        access: Access,
    ) -> Result<Self, Problem> {
        let secrets = secrets(secret_file)?.ok_or_else(|| {
            Problem::usage(
                "handles are made with the secret of the application: set SESSION_SECRET, or give --secret-file",
            )
        })?;
        Self::connect(store, secrets, access).await
    }

    async fn connect(args: &StoreArgs, secrets: KeyRing, access: Access) -> Result<Self, Problem> {
        let (url, user_keys) = (args.url()?, args.keys());
        let options = args.options().must_exist(true);
        let options = options.read_only(access == Access::Read);
        let store = AnyStore::connect_with(url, &options).await;
        let store = store
            .map_err(|error| Problem::failed(format!("{}: see --store", with_causes(&error))))?;
        store.set_user_keys(&user_keys);
        Ok(Self {
            store,
            secrets,
            user_keys,
        })
    }
}

/// Reads the secrets; `None` if there are none.
pub(crate) fn secrets(file: Option<&Path>) -> Result<Option<KeyRing>, Problem> {
    let text = match file {
        None => std::env::var("SESSION_SECRET").ok(),
        Some(file) => Some(std::fs::read_to_string(file).map_err(|error| {
            Problem::usage(format!(
                "--secret-file {} cannot be read ({error}): give a file that can",
                file.display()
            ))
        })?),
    };
    let ring = text.map(|text| KeyRing::from_text(&text)).transpose();
    ring.map_err(|error| {
        Problem::usage(format!(
            "the secret cannot be used: {}",
            with_causes(&error)
        ))
    })
}

/// Returns a secret of which nothing remains.
pub(crate) fn of_this_run() -> Result<KeyRing, Problem> {
    let mut secret = [0; 32];
    let drawn = getrandom::fill(&mut secret).map_err(|error| error.to_string());
    let ring = drawn.and_then(|()| KeyRing::new(secret).map_err(|error| error.to_string()));
    ring.map_err(|error| Problem::failed(format!("no random numbers: {error}")))
}

/// Returns the problem that a store's error is.
pub(crate) fn failed(error: &cloakroom::store::StoreError) -> Problem {
    Problem::failed(format!(
        "{}: try again, or run `cloakroom doctor`",
        with_causes(error)
    ))
}
