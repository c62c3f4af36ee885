//! Passport's user: `passport.user`, read and written on both sides.

use std::future::Future;

use serde_json::Value;

use crate::record::{Owner, id_in, user_id};
use crate::session::{Session, SessionError};

/// The key of Passport's object: its `key` option, left at the default.
const PASSPORT: &str = "passport";

/// The counterpart of the application's `serializeUser` and `deserializeUser` in Passport: both sides have to
/// agree on the serialized value.
///
/// ```
/// use cloakroom::auth::Passport;
/// use serde_json::Value;
///
/// struct Accounts(Vec<Account>);
/// #[derive(Clone)]
/// struct Account { id: u64, name: String }
///
/// impl Passport for Accounts {
///     type User = Account;
///
///     fn serialize(&self, user: &Account) -> Value {
///         user.id.into()
///     }
///
///     async fn deserialize(&self, value: Value) -> Option<Account> {
///         let id = value.as_u64()?;
///         self.0.iter().find(|account| account.id == id).cloned()
///     }
/// }
///
/// # use cloakroom::session::{Session, SessionError};
/// async fn hello(session: Session, accounts: Accounts) -> Result<String, SessionError> {
///     let user = session.passport_user(&accounts).await?;
///     Ok(user.map_or("who is there?".into(), |user| format!("hello {}", user.name)))
/// }
/// ```
pub trait Passport: Send + Sync {
    /// An account of the application.
    type User: Send;

    /// Serializes a user for the session: a string, a number, or an object with such an `id`, `_id` or `sub`.
    fn serialize(&self, user: &Self::User) -> Value;

    /// Returns the user that a session's value stands for; `None` where there is no such account any more.
    ///
    /// Another program may have written any value. Where the lookup can fail, let `User` be a `Result`:
    /// `None` means that no user is signed in.
    fn deserialize(&self, value: Value) -> impl Future<Output = Option<Self::User>> + Send;
}

impl Session {
    /// Returns the value of Passport's user, where that is the user who is signed in.
    pub(crate) fn passport_value(&self) -> Result<Option<Value>, SessionError> {
        let kept: Option<Value> = self.get(PASSPORT)?;
        let user = kept.and_then(|mut kept| kept.get_mut("user").map(Value::take));
        let Some(user) = user.filter(is_somebody) else {
            return Ok(None);
        };
        match self.owner_by(&self.user_keys().and_passport()) {
            Owner::User(_) => Ok(Some(user)),
            Owner::Contradiction(_) => {
                tracing::warn!(
                    "a session names two users: set the policy's user_keys to passport.user"
                );
                Ok(None)
            }
            Owner::Nobody => {
                tracing::warn!(
                    "passport.user has no id, _id or sub: set the policy's user_keys to a path in it"
                );
                Ok(None)
            }
        }
    }

    /// Discards the data of another user than the one who is to sign in by Passport, and returns the id that
    /// signs that one in.
    pub(crate) fn prepare_passport_login<'a>(
        &self,
        value: &'a Value,
    ) -> Result<&'a Value, SessionError> {
        let id = id_in(value);
        let name = user_id(&id.to_string());
        // `login` reads the policy's keys, and Passport's need not be one of them.
        let owner = self.owner_by(&self.user_keys().and_passport());
        let is_anothers =
            |name: String| self.is_anothers(&owner, &name, &self.fingerprints_of(&name));
        if name.is_some_and(is_anothers) {
            self.discard_data(false)?;
        }
        Ok(id)
    }
}

/// Returns `true` if Passport takes a value for a user: if it is truthy in JavaScript, or 0.
fn is_somebody(user: &Value) -> bool {
    match user {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::is_somebody;

    #[test]
    fn truthy_values_and_zero_are_users_as_in_passport() {
        #[rustfmt::skip]
        let table = [
            (json!(null),            false),
            (json!(false),           false),
            (json!(""),              false),
            (json!(0),               true),
            (json!(7),               true),
            (json!("ada"),           true),
            (json!("0"),             true),
            (json!(true),            true),
            (json!({}),              true),
            (json!({ "id": "ada" }), true),
        ];
        for (value, expected) in table {
            assert_eq!(is_somebody(&value), expected, "{value}");
        }
    }
}
