//! Login and logout: the steps at which a session changes hands.

use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Map, Value};

use super::csrf::SECRET;
use crate::record::UserKeys;
use crate::session::{Session, SessionError};

/// Where the roles of whoever is signed in are kept.
pub(super) const ROLES: &str = "roles";

impl Session {
    /// Makes the session its user's: under a new id, so that an id planted before is worth nothing
    /// after, and with the time of this login noted.
    ///
    /// The data stays; that of another user who was signed in goes. The user is stored under the
    /// first of the policy's [`user_keys`](crate::policy::PolicyBuilder::user_keys), `userId`, where
    /// Express and the index of users look. Nothing is stored before the end of the request: record,
    /// id and index change in one operation where the store can.
    ///
    /// ```
    /// # use cloakroom::session::{Session, SessionError};
    /// # fn f(session: Session) -> Result<(), SessionError> {
    /// session.login("ada")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] after `destroy` or `unset`; [`SessionError::Value`] for a user that is
    /// neither a text nor a number, nor an object with such an `id`.
    #[doc(alias = "cycle_id")]
    pub fn login(&self, user: impl Serialize) -> Result<(), SessionError> {
        let user = serde_json::to_value(user).map_err(SessionError::Value)?;
        // As the index will call them, so that both mean the same.
        let named = format!(r#"{{"user":{user}}}"#);
        let name = UserKeys::new(["user"])
            .user_of(&named)
            .ok_or_else(no_user)?;
        if self.user().is_some_and(|other| other != name) {
            self.clear()?;
        }
        // Tokens of forms from before the login are of no more use.
        self.remove(SECRET)?;
        self.regenerate()?;
        let keys = self.user_keys();
        let path = keys.paths().next().unwrap_or("userId").to_owned();
        self.store_user(&path, user)?;
        self.note_login()
    }

    /// Ends the session, on every server, and clears its cookie.
    ///
    /// # Errors
    ///
    /// As for [`destroy`](Self::destroy).
    pub async fn logout(&self) -> Result<(), SessionError> {
        self.destroy().await
    }

    /// Signs the user out and keeps the values of some keys, a cart for one, in a new session: the
    /// old one ends, and with it every request that still runs under its id.
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] after `destroy` or `unset`.
    pub fn logout_keeping(&self, keys: &[&str]) -> Result<(), SessionError> {
        if self.is_ended() {
            return Err(SessionError::Ended);
        }
        let mut kept = Vec::with_capacity(keys.len());
        for &key in keys {
            if let Some(value) = self.get_raw(key)? {
                kept.push((key, value));
            }
        }
        self.reset();
        for (key, value) in kept {
            self.insert_raw(key, &value)?;
        }
        Ok(())
    }

    /// Who is signed in, as the index of users calls them: by the first of the policy's
    /// [`user_keys`](crate::policy::PolicyBuilder::user_keys) that the session has. What Express or
    /// Passport wrote counts as well.
    pub fn user(&self) -> Option<String> {
        let json = self.to_json().ok()?;
        self.user_keys().user_of(&json)
    }

    /// When the user gave a password, or whatever [`login`](Self::login) was called for; `None` for
    /// a session that another program signed in.
    pub fn authenticated_at(&self) -> Option<SystemTime> {
        self.login_time().map(SystemTime::from)
    }

    pub(super) fn store_user(&self, path: &str, user: Value) -> Result<(), SessionError> {
        let mut steps = path.split('.');
        let key = steps.next().unwrap_or(path);
        let rest: Vec<&str> = steps.collect();
        if rest.is_empty() {
            return self.insert(key, user);
        }
        let value: Option<Value> = self.get(key)?;
        let mut root = value.filter(Value::is_object).unwrap_or_default();
        put(&mut root, &rest, user);
        self.insert(key, root)
    }
}

/// Puts a value at the end of a path of keys, making objects on the way.
fn put(root: &mut Value, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *root = value;
        return;
    };
    if !root.is_object() {
        *root = Value::Object(Map::new());
    }
    if let Some(object) = root.as_object_mut() {
        put(object.entry(*first).or_insert(Value::Null), rest, value);
    }
}

fn no_user() -> SessionError {
    use serde::de::Error as _;
    SessionError::Value(serde_json::Error::custom(
        "a user is a text, a number, or an object with such an `id`",
    ))
}
