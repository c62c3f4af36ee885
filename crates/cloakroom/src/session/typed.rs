//! The whole session as one struct of the application.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::fields::read_struct;
use super::{Session, SessionError};
use crate::lifecycle::SessionState;
use crate::record::{Patch, Record, ValueError, is_reserved, stringify};

/// A session as a value of `T`: each field is a key, and fields that changed are saved.
///
/// A key that is missing, or `null`, takes the field's serde default; keys that `T` does not name are left
/// alone. Changes are written to the session when this is dropped or, to get errors, by [`Typed::commit`]; in
/// a streaming body, say, only [`Session::save`] stores them.
///
/// Several in one request, of the same struct or of others, each write what they changed. A field whose value
/// changed in the session meanwhile, by another of them, by [`insert`](Session::insert) or
/// [`update`](Session::update), or by another request that this one has read, is not overwritten: the first
/// value stays, and [`commit`](Self::commit) returns [`SessionError::Conflict`].
///
/// ```
/// # use cloakroom::session::{Session, SessionError};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// #[serde(default)]
/// struct Visit { views: u32, theme: String }
/// # impl Default for Visit { fn default() -> Self { Self { views: 0, theme: "light".into() } } }
///
/// fn visit(session: &Session) -> Result<(), SessionError> {
///     let mut visit = session.typed::<Visit>()?;
///     visit.views += 1;
///     Ok(())
/// }
/// ```
pub struct Typed<T: Serialize> {
    session: Session,
    value: T,
    before: FieldMap,
    /// The data that `before` was read from.
    found: Snapshot,
}

type FieldMap = BTreeMap<String, Box<RawValue>>;

impl Session {
    /// Returns the session as a value of `T`, a struct whose fields are its keys.
    ///
    /// # Errors
    ///
    /// [`SessionError::Value`] where a key's value is of another type than its field, or `T` is no
    /// struct; [`SessionError::ReservedKey`] where a field has a name that no key can have, `id` for one:
    /// `#[serde(rename = "…")]` gives it another; [`SessionError::Ended`].
    pub fn typed<T: Serialize + DeserializeOwned>(&self) -> Result<Typed<T>, SessionError> {
        let (value, found) = self.live(|held| {
            let value: Result<T, _> = read_struct(&held.data.fields());
            (value, Snapshot::of(held))
        })?;
        let value = value?;
        let before = fields(&value)?;
        if let Some(key) = before.keys().find(|key| is_reserved(key)) {
            return Err(SessionError::ReservedKey(key.clone()));
        }
        Ok(Typed {
            session: self.clone(),
            value,
            before,
            found,
        })
    }
}

/// A session's data at one time.
struct Snapshot {
    base: Option<Arc<Record>>,
    patch: Patch,
}

impl Snapshot {
    fn of(held: &SessionState) -> Self {
        Self {
            base: held.data.base.clone(),
            patch: held.data.patch.clone(),
        }
    }

    fn get(&self, key: &str) -> Option<&str> {
        match self.patch.get(key) {
            Some(change) => change,
            None => self.base.as_ref()?.get(key),
        }
    }
}

impl<T: Serialize> Typed<T> {
    /// Writes the fields that changed to the session: all of them or, where one is refused, none.
    ///
    /// # Errors
    ///
    /// As for [`Session::insert`]; [`SessionError::Conflict`] where a field that changed here was set to
    /// something else meanwhile.
    pub fn commit(&mut self) -> Result<(), SessionError> {
        let after = fields(&self.value)?;
        let is_new = |key: &str, value: &RawValue| {
            let before = self.before.get(key);
            before.is_none_or(|before| before.get() != value.get())
        };
        let set = after.iter().filter(|(key, value)| is_new(key, value));
        let mut changes: Vec<(&str, Option<String>)> = set
            .map(|(key, value)| (key.as_str(), Some(value.get().to_owned())))
            .collect();
        let removed = self.before.keys().filter(|key| !after.contains_key(*key));
        changes.extend(removed.map(|key| (key.as_str(), None)));
        if !changes.is_empty() {
            let found = &self.found;
            let is_other = |held: &SessionState, (key, value): &(&str, Option<String>)| {
                let now = held.get(key);
                now != found.get(key) && now != value.as_deref()
            };
            let overwrites = self
                .session
                .live(|held| changes.iter().any(|change| is_other(held, change)))?;
            if overwrites {
                return Err(SessionError::Conflict);
            }
            self.session.set_all(&mut changes)?;
            self.found = self.session.live(|held| Snapshot::of(held))?;
        }
        self.before = after;
        Ok(())
    }
}

impl<T: Serialize> Deref for Typed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Serialize> DerefMut for Typed<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Serialize> Drop for Typed<T> {
    fn drop(&mut self) {
        if let Err(error) = self.commit()
            && !matches!(error, SessionError::Ended)
        {
            tracing::error!(%error, "a typed session could not be written back");
        }
    }
}

impl<T: Serialize + fmt::Debug> fmt::Debug for Typed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Typed").field(&self.value).finish()
    }
}

fn fields<T: Serialize>(value: &T) -> Result<FieldMap, SessionError> {
    let not_fields = |error| ValueError::write::<T>("", error);
    let json = stringify(value).map_err(not_fields)?;
    Ok(serde_json::from_str(&json).map_err(not_fields)?)
}
