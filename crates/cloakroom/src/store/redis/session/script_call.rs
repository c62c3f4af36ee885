//! The call of a script: keys by their names in the script, and arguments.

use std::borrow::Cow;

use super::scripts::Script;
use super::ttl::index_ttl;
use crate::id::SessionId;
use crate::store::NewRecord;
use crate::store::redis::connection::command::Request;

/// A script with its keys and arguments: the first argument names the keys.
pub(crate) struct Call<'a> {
    script: &'a Script,
    names: String,
    keys: Vec<String>,
    arguments: Vec<Cow<'a, str>>,
}

impl<'a> Call<'a> {
    pub(crate) fn of(script: &'a Script) -> Self {
        // The first argument holds the names of the keys, which are not known yet.
        let mut arguments = Vec::with_capacity(8);
        arguments.push(Cow::Borrowed(""));
        Self {
            script,
            names: String::new(),
            keys: Vec::with_capacity(2),
            arguments,
        }
    }

    pub(crate) fn key(mut self, name: char, key: String) -> Self {
        self.names.push(name);
        self.keys.push(key);
        self
    }

    pub(crate) fn maybe_key(self, name: char, key: Option<String>) -> Self {
        match key {
            Some(key) => self.key(name, key),
            None => self,
        }
    }

    /// Adds a session to be stored: its id, its remaining time, its text, the time of its index.
    pub(crate) fn session(self, id: &'a SessionId, entry: &'a NewRecord, ttl: i64) -> Self {
        self.session_until(id, entry, ttl, ttl)
    }

    /// Adds a session as [`session`](Self::session) does; `least` is the time that its index has at least.
    pub(crate) fn session_until(
        self,
        id: &'a SessionId,
        entry: &'a NewRecord,
        ttl: i64,
        least: i64,
    ) -> Self {
        self.argument(id.expose())
            .argument(ttl.to_string())
            .argument(&*entry.text)
            .argument(index_ttl(least).to_string())
    }

    pub(crate) fn argument(mut self, argument: impl Into<Cow<'a, str>>) -> Self {
        self.arguments.push(argument.into());
        self
    }
}

impl<'a> From<Call<'a>> for Request<'a> {
    fn from(call: Call<'a>) -> Self {
        let mut arguments = call.arguments;
        arguments[0] = call.names.into();
        Self::Script {
            script: call.script,
            keys: call.keys,
            arguments,
        }
    }
}
