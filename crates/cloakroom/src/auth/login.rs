//! Login and logout: the steps at which a session changes hands.

use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

use super::csrf::{SECRET, drawn};
use crate::record::{DeviceNote, ValueError, named_by, stringify, user_at};
use crate::session::{Session, SessionError};

/// Where the roles of whoever is signed in are kept.
pub(super) const ROLES: &str = "roles";

impl Session {
    /// Makes the session its user's: under a new id, so that an id planted before is worth nothing
    /// after, and with the time and the device of this login noted.
    ///
    /// The data stays, unless the policy's
    /// [`clear_on_login`](crate::policy::PolicyBuilder::clear_on_login) says otherwise; that of
    /// another user who was signed in goes. The user is stored under the first of the policy's
    /// [`user_keys`](crate::policy::PolicyBuilder::user_keys), `userId`, where Express and the index
    /// of users look. Nothing is stored before the end of the request: record, id and index change in
    /// one operation where the store can. Only where the policy bounds a user's sessions
    /// ([`max_sessions`](crate::policy::PolicyBuilder::max_sessions)) is the store asked at once.
    ///
    /// ```
    /// # use cloakroom::session::{Session, SessionError};
    /// # async fn f(session: Session) -> Result<(), SessionError> {
    /// session.login("ada").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] after `destroy` or `unset`; [`SessionError::Value`] for a user that is
    /// neither a text nor a number, nor an object with such an `id`; [`SessionError::Store`] where the
    /// store did not give this request its session, and the policy let it go on;
    /// [`SessionError::TooManySessions`], and what [`save`](Self::save) says, where the policy bounds
    /// a user's sessions; [`SessionError::HeadersSent`] once the response's head is on its way.
    #[doc(alias = "cycle_id")]
    pub fn login(
        &self,
        user: impl Serialize,
    ) -> impl Future<Output = Result<(), SessionError>> + Send {
        let user = serde_json::to_value(user);
        let user = user.map_err(|error| ValueError::write::<Value>("user", error));
        let session = self.clone();
        async move {
            let user = user?;
            let name = name_of(&user)?;
            session.must_be_attached()?;
            session.must_precede_head()?;
            session.may_be_one_more(&name).await?;
            session.become_of(&name, user)?;
            session.keep_within_limit(&name).await
        }
    }

    fn become_of(&self, name: &str, user: Value) -> Result<(), SessionError> {
        let keys = self.user_keys();
        let is_anothers = keys.paths().any(|path| self.names_another(path, name));
        if is_anothers || self.backend().policy.settings().clear_on_login {
            self.leave_data(!is_anothers)?;
        }
        self.renew_login(!is_anothers)?;
        let path = keys.paths().next().unwrap_or("userId").to_owned();
        self.store_user(&path, user)
    }

    /// Whether the user at this path is another: Express may have moved one of them and kept the rest.
    pub(super) fn names_another(&self, path: &str, name: &str) -> bool {
        let other = self.find(|held| user_at(path, |key| held.data(key)));
        other.is_some_and(|other| other != name)
    }

    /// Gives the session of a user another id, and notes that the user proved who they are just now.
    pub(super) fn renew_login(&self, is_same_user: bool) -> Result<(), SessionError> {
        // Tokens of forms from before the login are of no more use.
        self.remove(SECRET)?;
        self.hand_over()?;
        let known = self.device_note().filter(|_| is_same_user);
        let device = self.device(known.map(|note| note.handle))?;
        self.note_login(device.as_ref())
    }

    /// Where this request comes from, if the policy wants it noted.
    fn device(&self, handle: Option<String>) -> Result<Option<DeviceNote>, SessionError> {
        if !self.backend().policy.settings().note_devices {
            return Ok(None);
        }
        let handle = match handle {
            Some(handle) => handle,
            None => BASE64_URL_SAFE_NO_PAD.encode(drawn::<16>()?),
        };
        Ok(Some(DeviceNote {
            handle,
            agent: self.request().user_agent.clone(),
            address: self.request().address,
        }))
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
    /// [`SessionError::Ended`] after `destroy` or `unset`; [`SessionError::Store`] where the store did
    /// not give this request its session, and the policy let it go on; [`SessionError::HeadersSent`]
    /// once the response's head is on its way: nobody is signed out then, and
    /// [`logout`](Self::logout) still does it.
    pub fn logout_keeping(&self, keys: &[&str]) -> Result<(), SessionError> {
        if self.is_ended() {
            return Err(SessionError::Ended);
        }
        self.must_be_attached()?;
        self.must_precede_head()?;
        let mut kept = Vec::with_capacity(keys.len());
        for &key in keys {
            if let Some(value) = self.get_raw(key)? {
                kept.push((key, value));
            }
        }
        self.reset()?;
        for (key, value) in kept {
            self.insert_raw(key, &value)?;
        }
        Ok(())
    }

    /// Who is signed in, as the index of users calls them: by the first of the policy's
    /// [`user_keys`](crate::policy::PolicyBuilder::user_keys) that the session has. What Express or
    /// Passport wrote counts as well.
    pub fn user(&self) -> Option<String> {
        let keys = self.user_keys();
        self.find(|held| keys.user_by(|key| held.data(key)))
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

/// What the index will call a user, so that both mean the same.
fn name_of(user: &Value) -> Result<String, SessionError> {
    let json = stringify(user).map_err(|error| ValueError::write::<Value>("user", error))?;
    named_by(&json).ok_or_else(no_user)
}

fn no_user() -> SessionError {
    ValueError::no_user("a text, a number, or an object with such an `id`").into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::name_of;
    use crate::record::{UserKeys, stringify};

    #[test]
    fn a_login_calls_its_user_as_the_index_does() {
        #[rustfmt::skip]
        let table = [
            (json!("ada"),              Some("ada")),
            (json!("a \"b\" \\ \n"),    Some("a \"b\" \\ \n")),
            (json!(7),                  Some("7")),
            (json!(1.0),                Some("1")),
            (json!(1e21),               Some("1e+21")),
            (json!({ "id": "ada" }),    Some("ada")),
            (json!({ "id": 2.0 }),      Some("2")),
            (json!({ "name": "ada" }),  None),
            (json!(""),                 None),
            (json!(null),               None),
            (json!(true),               None),
            (json!(["ada"]),            None),
        ];
        for (user, name) in table {
            assert_eq!(name_of(&user).ok().as_deref(), name, "{user}");
            let record = stringify(&json!({ "cookie": {}, "userId": user })).unwrap();
            assert_eq!(UserKeys::default().user_of(&record).as_deref(), name);
        }
    }
}
