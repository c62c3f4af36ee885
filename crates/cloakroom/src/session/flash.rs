//! Values that are read once: `take`, and messages for the next page in connect-flash's shape.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Session, SessionError};

/// The key that connect-flash has its messages under: `{"info": ["saved"]}`.
const FLASH: &str = "flash";

/// The messages of each kind, in order.
type Messages = BTreeMap<String, Vec<Value>>;

impl Session {
    /// Returns the value of `key` and removes it; `None` where it has none.
    ///
    /// Concurrent requests each find it: where only one may have it, such as a one-time code, remove it by
    /// [`try_update`](Self::try_update).
    ///
    /// ```
    /// # use cloakroom::session::{Session, SessionError};
    /// # fn f(session: &Session) -> Result<(), SessionError> {
    /// let back: Option<String> = session.take("return_to")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get), and the value stays; [`SessionError::ReservedKey`] for a key that no
    /// application can have.
    #[doc(alias = "pop")]
    pub fn take<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, SessionError> {
        let value = self.get(key)?;
        if value.is_some() {
            self.remove(key)?;
        }
        Ok(value)
    }

    /// Adds a message for the next page that the user sees, under a kind: `info`, `error`.
    ///
    /// Messages are stored under the key `flash`, as in connect-flash: messages of either side are shown by
    /// the other. Of two concurrent requests of one session that leave messages the later one's are kept.
    ///
    /// ```
    /// # use cloakroom::session::{Session, SessionError};
    /// async fn save(session: Session) -> Result<&'static str, SessionError> {
    ///     session.flash("info", "Your changes are saved.")?;
    ///     Ok("see /settings")
    /// }
    ///
    /// async fn settings(session: Session) -> Result<String, SessionError> {
    ///     Ok(session.take_flash("info")?.join("\n"))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`insert`](Self::insert); [`SessionError::Value`] where the application keeps something else
    /// under `flash`.
    #[doc(alias = "message")]
    pub fn flash(&self, kind: &str, message: impl Into<String>) -> Result<(), SessionError> {
        let mut messages = self.messages()?;
        let of_kind = messages.entry(kind.to_owned()).or_default();
        of_kind.push(Value::String(message.into()));
        self.insert(FLASH, messages)
    }

    /// Returns the messages of a kind, the oldest first, and removes them: each is seen once.
    ///
    /// Of a message of Node's that is an object its text, `msg`, is returned (express-validator, and
    /// applications that render `messages.info[0].msg`); any other that is no string is returned as JSON.
    /// Nothing is written where there is none.
    ///
    /// # Errors
    ///
    /// As for [`flash`](Self::flash).
    pub fn take_flash(&self, kind: &str) -> Result<Vec<String>, SessionError> {
        let mut messages = self.messages()?;
        let Some(taken) = messages.remove(kind) else {
            return Ok(Vec::new());
        };
        if messages.is_empty() {
            self.remove(FLASH)?;
        } else {
            self.insert(FLASH, messages)?;
        }
        Ok(taken.into_iter().map(text).collect())
    }

    /// Returns all messages with their kinds, in the kinds' alphabetical order, and removes them.
    ///
    /// # Errors
    ///
    /// As for [`flash`](Self::flash).
    pub fn take_flashes(&self) -> Result<Vec<(String, String)>, SessionError> {
        let messages: Messages = self.take(FLASH)?.unwrap_or_default();
        let pairs = messages.into_iter().flat_map(|(kind, messages)| {
            let of_kind = move |message| (kind.clone(), text(message));
            messages.into_iter().map(of_kind)
        });
        Ok(pairs.collect())
    }

    fn messages(&self) -> Result<Messages, SessionError> {
        Ok(self.get(FLASH)?.unwrap_or_default())
    }
}

fn text(message: Value) -> String {
    match message {
        Value::String(text) => text,
        Value::Object(ref fields) => match fields.get("msg") {
            Some(Value::String(text)) => text.clone(),
            _ => message.to_string(),
        },
        other => other.to_string(),
    }
}
