//! Login and logout as decisions: what becomes of a session whose user changes.

use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::csrf::{SECRET, drawn};
use crate::record::{LoginDevice, Owner, UserKeys, ValueError, stringify, user_id};
use crate::session::{Session, SessionError};

/// The key of the user's roles.
pub(crate) const ROLES: &str = "roles";

impl Session {
    /// Makes a user the session's, in memory.
    pub(crate) fn assign_user(&self, name: &str, user: Value) -> Result<(), SessionError> {
        let keys = self.user_keys();
        let (owner, own) = (self.owner_by(&keys), self.fingerprints_of(name));
        let is_anothers = self.is_anothers(&owner, name, &own);
        let begins_again = is_anothers || self.policy().settings().clear_on_login;
        if begins_again {
            self.discard_data(!is_anothers)?;
        }
        if begins_again || !owner.is(name) {
            self.forget()?;
        }
        // A right that was withdrawn does not outlive the next login.
        self.remove(ROLES)?;
        self.renew_login(own, !is_anothers)?;
        let mut paths = keys.paths();
        self.store_user(paths.next().unwrap_or("userId"), user)?;
        // An object that Passport left behind when it signed a user out would contradict it.
        if !self.owner_by(&keys).is(name) {
            for path in paths {
                self.remove(path.split('.').next().unwrap_or(path))?;
            }
        }
        Ok(())
    }

    /// Returns `true` if a session that is to be this user's was another's: by its keys, which name `owner`,
    /// or by its keys when it was last written here. `own` are the user's fingerprints.
    pub(super) fn is_anothers(&self, owner: &Owner, name: &str, own: &[String]) -> bool {
        let last = self.metadata();
        let last = last.as_ref().and_then(|metadata| metadata.last());
        let is_last = || last.is_none_or(|last| is_any_of(own, last));
        is_anothers(owner, last.is_some(), is_last, name)
    }

    /// Returns `true` if the session's roles are those of its user: not where another user signed in here
    /// last, and another program replaced that one.
    pub(super) fn has_own_roles(&self) -> bool {
        let metadata = self.metadata();
        let Some(last) = metadata.as_ref().and_then(|metadata| metadata.last()) else {
            return true;
        };
        let is_own = |user: String| self.is_fingerprint_of(last, &user);
        self.impersonator().is_some() || self.user().is_some_and(is_own)
    }

    /// Returns `true` if a record's fingerprint is that of this user, by any key of the ring.
    pub(super) fn is_fingerprint_of(&self, fingerprint: &str, name: &str) -> bool {
        is_any_of(&self.fingerprints_of(name), fingerprint)
    }

    /// Returns a user's fingerprints, by every key of the ring, the newest key's first.
    pub(super) fn fingerprints_of(&self, user: &str) -> Vec<String> {
        self.policy().keys().fingerprints_of(user)
    }

    /// Gives the session of a user another id, and notes that the user proved their identity just now. `own`
    /// are the user's fingerprints.
    pub(super) fn renew_login(
        &self,
        own: Vec<String>,
        is_same_user: bool,
    ) -> Result<(), SessionError> {
        // CSRF tokens from before the login become invalid.
        self.remove(SECRET)?;
        self.hand_over()?;
        let known = self.login_device().filter(|_| is_same_user);
        let device = self.device(known.map(|note| note.handle))?;
        self.note_login(device.as_ref(), own.into_iter().next())
    }

    /// Returns the device that this request comes from, if the policy wants it noted.
    fn device(&self, handle: Option<String>) -> Result<Option<LoginDevice>, SessionError> {
        if !self.policy().settings().note_devices {
            return Ok(None);
        }
        let handle = match handle {
            Some(handle) => handle,
            None => BASE64_URL_SAFE_NO_PAD.encode(drawn::<16>()?),
        };
        Ok(Some(LoginDevice {
            handle,
            agent: self.request().user_agent.clone(),
            address: self.request().address,
        }))
    }

    /// Signs the user out and keeps the values of some keys, such as a cart, in a new session: the old one
    /// ends, and with it every request that still runs under its id.
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] after `destroy` or `unset`; [`SessionError::Store`] where the store failed to
    /// return this request's session, and the policy let it go on; [`SessionError::HeadersSent`] once the
    /// response's head is on its way: the user is not signed out then, and [`logout`](Self::logout) still
    /// does it.
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

    /// Returns the user who is signed in, by the policy's
    /// [`user_keys`](crate::policy::PolicyBuilder::user_keys). Users that Express or Passport wrote count as
    /// well.
    ///
    /// `None` where the keys name two users, or Passport's object is left without its user beside a key that
    /// names one: one of them is out of date (`keepSessionInfo`). A warning is logged; see [`UserKeys`].
    pub fn user(&self) -> Option<String> {
        let owner = self.owner_by(&self.user_keys());
        if matches!(owner, Owner::Contradiction(_)) {
            tracing::warn!(
                "a session names two users, or one whom Passport has signed out: no user is signed in"
            );
        }
        if owner == Owner::Nobody {
            super::unseen::warn_of_unseen_user(self);
        }
        owner.user()
    }

    /// Returns the roles of the user who is signed in, as the session holds them under `key`: an array of
    /// strings, or one string. Guards read them under `roles`.
    ///
    /// None where nobody is signed in, where the value is of another kind, and where another program signed
    /// this user in after another, whose roles they would be.
    pub fn roles_in(&self, key: &str) -> Vec<String> {
        if self.is_ended() || self.user().is_none() || !self.has_own_roles() {
            return Vec::new();
        }
        match self.get(key).ok().flatten() {
            Some(Value::String(role)) => vec![role],
            Some(Value::Array(roles)) => {
                let names = roles.into_iter().map(|role| match role {
                    Value::String(role) => Some(role),
                    _ => None,
                });
                // One that is no role makes the value one of another kind, as it does for guards.
                names.collect::<Option<Vec<_>>>().unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the user who is signed in, by these keys.
    pub(super) fn owner_by(&self, keys: &UserKeys) -> Owner {
        let owner = self.find(|held| Some(keys.owner_by(|key| held.data.application_value(key))));
        owner.unwrap_or(Owner::Nobody)
    }

    /// Returns the time at which the user gave a password, or whatever else [`login`](Self::login) was called
    /// for; `None` for a session that another program signed in, whichever user was signed in before, and
    /// during an [impersonation](Self::impersonate).
    pub fn authenticated_at(&self) -> Option<SystemTime> {
        let metadata = self.metadata()?;
        let login = metadata.login()?;
        let is_own = |user: String| {
            self.is_fingerprint_of(metadata.last()?, &user)
                .then_some(login)
        };
        self.user().and_then(is_own).map(SystemTime::from)
    }

    /// Sets the value at the path of a user's key.
    pub(crate) fn store_user(&self, path: &str, user: Value) -> Result<(), SessionError> {
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

/// Returns `true` if a session's data is not that of the user who signs in: another user is signed in, or its
/// keys contradict each other, or a user was signed in and none is now.
fn is_anothers(
    owner: &Owner,
    was_signed_in: bool,
    is_last: impl FnOnce() -> bool,
    name: &str,
) -> bool {
    match owner {
        Owner::Nobody => was_signed_in,
        Owner::User(user) => user != name || !is_last(),
        Owner::Contradiction(_) => true,
    }
}

/// Returns `true` if a fingerprint is among those of a user.
fn is_any_of(own: &[String], fingerprint: &str) -> bool {
    own.iter().any(|own| is_same(own, fingerprint))
}

/// Compares fingerprints in constant time.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// Sets a value at the end of a path of keys, creating objects on the way.
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

/// Returns the JSON value of a user who is to sign in.
pub(crate) fn user_value(user: impl Serialize) -> Result<Value, ValueError> {
    serde_json::to_value(user).map_err(|error| ValueError::write::<Value>("user", error))
}

/// Returns the name of a user in the index, so that both mean the same user.
pub(crate) fn name_of(user: &Value) -> Result<String, SessionError> {
    let json = stringify(user).map_err(|error| ValueError::write::<Value>("user", error))?;
    user_id(&json).ok_or_else(no_user)
}

pub(super) fn no_user() -> SessionError {
    ValueError::no_user("a text, a number, or an object with such an `id`, `_id` or `sub`").into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{is_anothers, name_of};
    use crate::record::{Owner, UserKeys, stringify};

    #[test]
    fn w2_login_keeps_the_users_own_data_and_detects_anothers() {
        let two = || Owner::Contradiction(vec!["ada".into(), "eve".into()]);
        let user = |name: &str| Owner::User(name.into());
        #[rustfmt::skip]
        let table = [ // now,            before,       another's, when ada signs in
            (Owner::Nobody,   None,         false), // an anonymous cart
            (Owner::Nobody,   Some(false),  true),  // signed out by `delete req.session.userId`
            (Owner::Nobody,   Some(true),   true),
            (user("ada"),     None,         false), // Express signed her in
            (user("ada"),     Some(true),   false), // step-up
            (user("ada"),     Some(false),  true),  // Express put her in another's place
            (user("eve"),     None,         true),
            (user("eve"),     Some(true),   true),
            (two(),           None,         true),
            (two(),           Some(true),   true),
        ];
        for (owner, last, another) in table {
            let found = is_anothers(&owner, last.is_some(), || last.unwrap_or(true), "ada");
            assert_eq!(found, another, "{owner:?} {last:?}");
        }
    }

    #[test]
    fn a_login_names_its_user_as_the_index_does() {
        #[rustfmt::skip]
        let table = [
            (json!("ada"),              Some("ada")),
            (json!("a \"b\" \\ \n"),    Some("a \"b\" \\ \n")),
            (json!(7),                  Some("7")),
            (json!(1.0),                Some("1")),
            (json!(1e21),               Some("1e+21")),
            (json!({ "id": "ada" }),    Some("ada")),
            (json!({ "id": 2.0 }),      Some("2")),
            (json!({ "_id": "64b0" }),  Some("64b0")),
            (json!({ "sub": "s|1" }),   Some("s|1")),
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
