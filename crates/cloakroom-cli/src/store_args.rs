//! The store that a command works on: its URL and what the URL does not carry.

use cloakroom::store::{AnyStore, StoreOptions};

use crate::problem::Problem;

/// The flags that name a store; without `Debug`, because a URL may hold a password.
#[derive(clap::Args)]
pub(crate) struct StoreArgs {
    /// Store of the sessions: sqlite:PATH, redis://…, postgres://…, mongodb://…
    ///
    /// The environment's `CLOAKROOM_STORE` is the better place for a URL with a password: other users of the
    /// machine can see flags.
    #[arg(
        long,
        help_heading = "Store",
        value_name = "URL",
        env = "CLOAKROOM_STORE",
        hide_env_values = true
    )]
    pub(crate) store: Option<String>,

    /// Prefix of the keys in Redis [default: sess:]
    #[arg(long, help_heading = "Store", value_name = "PREFIX")]
    pub(crate) prefix: Option<String>,

    /// Table in PostgreSQL, collection in MongoDB [default: session, sessions]
    #[arg(long, help_heading = "Store", value_name = "NAME")]
    pub(crate) table: Option<String>,

    /// Schema of the table in PostgreSQL [default: by the role's `search_path`]
    #[arg(long, help_heading = "Store", value_name = "NAME")]
    pub(crate) schema: Option<String>,

    /// Express writes to the store as well
    #[arg(long, help_heading = "Store")]
    pub(crate) mixed_fleet: bool,

    /// Keys under which a session names its user, by comma [default: userId,passport.user]
    #[arg(
        long,
        help_heading = "Store",
        value_name = "KEYS",
        value_delimiter = ','
    )]
    pub(crate) user_keys: Vec<String>,
}

impl StoreArgs {
    /// Returns the URL.
    ///
    /// # Errors
    ///
    /// A usage error if none was given.
    pub(crate) fn url(&self) -> Result<&str, Problem> {
        self.store.as_deref().ok_or_else(|| {
            let known = AnyStore::SCHEMES[1..].join(", ");
            Problem::usage(format!(
                "no store: give --store URL or set CLOAKROOM_STORE, one of {known}"
            ))
        })
    }

    /// Returns the options that the URL does not carry.
    pub(crate) fn options(&self) -> StoreOptions {
        let mut options = StoreOptions::new().mixed_fleet(self.mixed_fleet);
        options.prefix.clone_from(&self.prefix);
        options.table.clone_from(&self.table);
        options.schema.clone_from(&self.schema);
        options
    }

    /// Returns the keys under which records name their user.
    pub(crate) fn keys(&self) -> cloakroom::record::UserKeys {
        match &self.user_keys[..] {
            [] => cloakroom::record::UserKeys::default(),
            keys => cloakroom::record::UserKeys::new(keys),
        }
    }
}
