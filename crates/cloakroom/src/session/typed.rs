//! The whole session as one struct of the application's own.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{Session, SessionError, read};
use crate::record::stringify;

/// A session as a value of `T`: each field is a key, and fields that changed are saved.
///
/// A key that is missing takes the field's serde default; keys that `T` does not name are left
/// alone. What was changed goes into the session when this is dropped, or, to learn of errors, by
/// [`Typed::commit`].
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
    before: Fields,
}

type Fields = BTreeMap<String, Box<RawValue>>;

impl Session {
    /// The session as a value of `T`, a struct whose fields are its keys.
    ///
    /// # Errors
    ///
    /// [`SessionError::Value`] where a key's value is of another type than its field, or `T` is no
    /// struct; [`SessionError::Ended`].
    pub fn typed<T: Serialize + DeserializeOwned>(&self) -> Result<Typed<T>, SessionError> {
        let value: T = read(&self.to_json()?)?;
        let before = fields(&value)?;
        Ok(Typed {
            session: self.clone(),
            value,
            before,
        })
    }
}

impl<T: Serialize> Typed<T> {
    /// Puts the fields that changed into the session.
    ///
    /// # Errors
    ///
    /// As for [`Session::insert`].
    pub fn commit(&mut self) -> Result<(), SessionError> {
        let after = fields(&self.value)?;
        for (key, value) in &after {
            let unchanged = self
                .before
                .get(key)
                .is_some_and(|before| before.get() == value.get());
            if !unchanged {
                self.session.insert_raw(key, value.get())?;
            }
        }
        for key in self.before.keys().filter(|key| !after.contains_key(*key)) {
            self.session.remove(key)?;
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

fn fields<T: Serialize>(value: &T) -> Result<Fields, SessionError> {
    let json = stringify(value).map_err(SessionError::Value)?;
    serde_json::from_str(&json).map_err(SessionError::Value)
}
