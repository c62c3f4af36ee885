//! The whole session as one struct of the application's own.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::fields::read_struct;
use super::{Session, SessionError};
use crate::record::{ValueError, stringify};

/// A session as a value of `T`: each field is a key, and fields that changed are saved.
///
/// A key that is missing, or `null`, takes the field's serde default; keys that `T` does not name are
/// left alone. What was changed goes into the session when this is dropped, or, to learn of errors, by
/// [`Typed::commit`]: in a body that streams, say, where only [`Session::save`] stores it.
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
}

type FieldMap = BTreeMap<String, Box<RawValue>>;

impl Session {
    /// The session as a value of `T`, a struct whose fields are its keys.
    ///
    /// # Errors
    ///
    /// [`SessionError::Value`] where a key's value is of another type than its field, or `T` is no
    /// struct; [`SessionError::Ended`].
    pub fn typed<T: Serialize + DeserializeOwned>(&self) -> Result<Typed<T>, SessionError> {
        let value: T = self.live(|held| read_struct(&held.patch.data(held.base.as_deref())))??;
        let before = fields(&value)?;
        Ok(Typed {
            session: self.clone(),
            value,
            before,
        })
    }
}

impl<T: Serialize> Typed<T> {
    /// Puts the fields that changed into the session: all of them or, where one is refused, none.
    ///
    /// # Errors
    ///
    /// As for [`Session::insert`].
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
            self.session.set_all(&mut changes)?;
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
            tracing::error!(%error, "a typed session could not be kept");
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
