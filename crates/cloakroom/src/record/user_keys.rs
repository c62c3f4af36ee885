//! The owner of a record: the one rule for who is signed in, for requests, guards and indexes alike.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use super::json::{self, Member};
use super::{METADATA_KEY, name, unescape};

/// Passport's object in a session: where it has no user, Passport has signed the user out.
const PASSPORT: &str = "passport";
/// The path of Passport's user, its `key` option left at the default.
pub(crate) const PASSPORT_USER: &str = "passport.user";
/// The keys that name an object's user, the first found counts: Mongoose's `_id`, as its driver's extended
/// JSON writes it as well, and the `sub` of OIDC.
pub(crate) const OF_OBJECT: [&str; 4] = ["id", "_id", "_id.$oid", "sub"];
/// Separates the realm from the user in the names of an index; no realm holds it.
pub(crate) const DIVIDER: char = '\u{1f}';

/// The places in a record that name its user: keys, or paths of keys with dots.
///
/// `passport.user` is the key `user` inside `passport`, as Passport writes it. A number is its text; of an
/// object its `id` counts, else its `_id` (`{"$oid": …}` as well), else its `sub`. Where two keys name two
/// users, or Passport's object has no user beside another key that names one, no user is signed in: one of
/// the keys is out of date, and nothing says which. Default: `userId`, and `passport.user`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserKeys(Arc<[String]>);

/// The user who is signed in, by all the keys of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Nobody,
    User(String),
    /// The keys contradict each other: no user is signed in, and the session is listed and ended for each of
    /// these.
    Contradiction(Vec<String>),
}

impl Owner {
    /// Returns the user who is signed in.
    pub(crate) fn user(self) -> Option<String> {
        match self {
            Self::User(user) => Some(user),
            Self::Nobody | Self::Contradiction(_) => None,
        }
    }

    /// Returns `true` if this user is signed in.
    pub(crate) fn is(&self, name: &str) -> bool {
        matches!(self, Self::User(user) if user == name)
    }

    /// Returns all users that the record names.
    fn names(self) -> Vec<String> {
        match self {
            Self::Nobody => Vec::new(),
            Self::User(user) => vec![user],
            Self::Contradiction(names) => names,
        }
    }

    fn and(self, name: String) -> Self {
        match self {
            Self::Nobody => Self::User(name),
            Self::User(user) if user == name => Self::User(user),
            Self::User(user) => Self::Contradiction(vec![user, name]),
            Self::Contradiction(mut names) => {
                if !names.contains(&name) {
                    names.push(name);
                }
                Self::Contradiction(names)
            }
        }
    }
}

impl UserKeys {
    /// Creates the list of keys; a login writes the first.
    pub fn new(keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(keys.into_iter().map(Into::into).collect())
    }

    /// Returns the keys, each a path with steps separated by dots.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Returns the keys of the record in which the paths begin.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &str> {
        self.paths()
            .map(|path| path.split_once('.').map_or(path, |(first, _)| first))
    }

    /// Returns the user who is signed in by a record; `None` for one that names no user, or two, or is no
    /// JSON object.
    pub fn user_of(&self, record: &str) -> Option<String> {
        self.owner_of(record).user()
    }

    /// Returns the names under which an index has a record, as [`NewRecord::users`](super::NewRecord::users):
    /// of every user that it names, those whom it does not sign in included.
    pub fn users_of(&self, record: &str) -> Vec<String> {
        let Some(members) = members(record) else {
            return Vec::new();
        };
        let value_of = |key: &str| value(record, &members, key);
        let noted = |key| text(value_at(key, value_of(METADATA_KEY)?)?);
        let owner = self.owner_by(value_of);
        index_names(owner, noted("realm").as_deref(), noted("by").as_deref())
    }

    /// Returns the owner of a record's text.
    pub(crate) fn owner_of(&self, record: &str) -> Owner {
        match members(record) {
            Some(members) => self.owner_by(|key| value(record, &members, key)),
            None => Owner::Nobody,
        }
    }

    /// Returns the owner of a session whose keys have these values.
    pub(crate) fn owner_by<'a>(&self, value_of: impl Fn(&str) -> Option<&'a str>) -> Owner {
        let mut owner = Owner::Nobody;
        let (mut has_passport, mut passport_names) = (false, false);
        for path in self.paths() {
            let (first, rest) = path.split_once('.').map_or((path, None), split);
            let Some(root) = value_of(first) else {
                continue;
            };
            let is_passport = rest.is_some() && first == PASSPORT && root.starts_with('{');
            has_passport |= is_passport;
            let found = rest.map_or(Some(root), |rest| value_at(rest, root));
            if let Some(name) = found.and_then(user_id) {
                passport_names |= is_passport;
                owner = owner.and(name);
            }
        }
        match owner {
            Owner::User(user) if has_passport && !passport_names => {
                Owner::Contradiction(vec![user])
            }
            owner => owner,
        }
    }

    /// Returns these keys and Passport's, unless they already have a path in its object.
    pub(crate) fn and_passport(&self) -> Self {
        let looks = |path: &str| path.starts_with("passport.");
        if self.paths().any(looks) {
            return self.clone();
        }
        Self::new(self.paths().chain([PASSPORT_USER]))
    }
}

impl Default for UserKeys {
    fn default() -> Self {
        Self::new(["userId", PASSPORT_USER])
    }
}

fn split<'a>((first, rest): (&'a str, &'a str)) -> (&'a str, Option<&'a str>) {
    (first, Some(rest))
}

/// Returns the names by which an index finds a record of this owner: in its realm, and with the impersonator.
pub(crate) fn index_names(owner: Owner, realm: Option<&str>, by: Option<&str>) -> Vec<String> {
    let mut names = owner.names();
    if let Some(by) = by.filter(|by| !by.is_empty())
        && !names.iter().any(|name| name == by)
    {
        names.push(by.to_owned());
    }
    for name in &mut names {
        if let Cow::Owned(full) = index_name(realm, name) {
            *name = full;
        }
    }
    names
}

/// Returns the name of a user in an index that realms share: without a realm, as in Express, the user's own;
/// no user can have a name that is another realm's.
pub(crate) fn index_name<'a>(realm: Option<&str>, user: &'a str) -> Cow<'a, str> {
    match realm {
        None if !user.starts_with(DIVIDER) => Cow::Borrowed(user),
        realm => {
            let realm = realm.unwrap_or_default().replace(DIVIDER, "");
            Cow::Owned(format!("{DIVIDER}{realm}{DIVIDER}{user}"))
        }
    }
}

/// Returns the user that a value names: a string, a number, an object by the keys of [`OF_OBJECT`].
pub(crate) fn user_id(json: &str) -> Option<String> {
    let of_object = |path: &&str| scalar(value_at(path, json)?);
    scalar(json).or_else(|| {
        json.starts_with('{')
            .then(|| OF_OBJECT.iter().find_map(of_object))?
    })
}

/// Returns the part of a user's value that names the user; the value itself where it is no object.
pub(crate) fn id_in(user: &Value) -> &Value {
    let at = |path: &&str| {
        path.split('.')
            .try_fold(user, |value, step| value.get(step))
    };
    let names = |value: &&Value| match value {
        Value::String(text) => !text.is_empty(),
        value => value.is_number(),
    };
    let mut found = OF_OBJECT.iter().filter_map(at);
    found.find(names).unwrap_or(user)
}

/// Returns the value at a path of keys inside the object in `json`.
fn value_at<'a>(path: &str, json: &'a str) -> Option<&'a str> {
    path.split('.')
        .try_fold(json, |json, key| value(json, &members(json)?, key))
}

fn value<'a>(json: &'a str, members: &[Member], key: &str) -> Option<&'a str> {
    let mut named = members.iter().rev();
    let found = named.find(|member| name(json, member) == key)?;
    Some(&json[found.value.range()])
}

/// Returns the members of an object without limits: Express opens records that are refused here, and a logout
/// everywhere ends those as well.
fn members(json: &str) -> Option<Vec<Member>> {
    json::outermost(json)
}

fn scalar(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => text(json).filter(|user| !user.is_empty()),
        b'-' | b'0'..=b'9' => Some(json.to_owned()),
        _ => None,
    }
}

/// Parses a JSON string.
pub(super) fn text(json: &str) -> Option<String> {
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    Some(unescape(inside).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Owner, UserKeys, id_in, index_name, user_id};

    /// V9: a logout everywhere also signs out users whom Express signs in by a record that is refused here.
    #[test]
    fn v9_a_record_over_the_limits_names_its_user_too() {
        let (deep, many) = (100_000, 20_000);
        let keys: Vec<String> = (0..many).map(|key| format!(r#""k{key}":{key},"#)).collect();
        let keys = keys.concat();
        let (open, close) = ("[".repeat(deep), "]".repeat(deep));
        #[rustfmt::skip]
        let table = [
            ("deep arrays",  Some("ada"), format!(r#"{{"a":{open}{close},"userId":"ada"}}"#)),
            ("deep objects", Some("ada"), format!(r#"{{"a":{}1{},"userId":"ada"}}"#, r#"{"b":"#.repeat(deep), "}".repeat(deep))),
            ("deep beside",  Some("ada"), format!(r#"{{"passport":{{"x":{open}1 , "]" {close},"user":"ada"}}}}"#)),
            ("many keys",    Some("ada"), format!(r#"{{{keys}"userId":"ada"}}"#)),
            ("2 MiB",        Some("ada"), format!(r#"{{"a":"{}","userId":"ada"}}"#, "x".repeat(2 << 20))),
            ("no end",       None,        format!(r#"{{"userId":"ada","a":{open}"#)),
            ("too many ends", None,       r#"{"userId":"ada","a":[]]}"#.to_owned()),
            ("no value",     None,        r#"{"userId":"ada","a":}"#.to_owned()),
        ];
        for (what, user, record) in table {
            let named = UserKeys::default().users_of(&record);
            assert_eq!(named.first().map(String::as_str), user, "{what}");
        }
    }

    /// W1, W7: one rule for every adapter, guard, list and index.
    #[test]
    fn w1_two_names_sign_no_user_in_and_the_index_has_both() {
        #[rustfmt::skip]
        let table: [(&str, Option<&str>, &[&str]); 25] = [
            (r"{}",                                                              None,           &[]),
            (r#"{"userId":"ada"}"#,                                              Some("ada"),    &["ada"]),
            (r#"{"userId":7,"passport":{"user":"7"}}"#,                          Some("7"),      &["7"]),
            (r#"{"passport":{"user":"ada"}}"#,                                   Some("ada"),    &["ada"]),
            (r#"{"userId":"grace","passport":{"user":"ada"}}"#,                  None,           &["grace", "ada"]),
            (r#"{"userId":"grace","passport":{}}"#,                              None,           &["grace"]),
            (r#"{"userId":"grace","passport":{"user":null}}"#,                   None,           &["grace"]),
            (r#"{"userId":"grace","passport":{"user":{"name":"x"}}}"#,           None,           &["grace"]),
            (r#"{"userId":"grace","passport":null}"#,                            Some("grace"),  &["grace"]),
            (r#"{"userId":"grace","passport":[]}"#,                              Some("grace"),  &["grace"]),
            (r#"{"passport":{}}"#,                                               None,           &[]),
            (r#"{"userId":null,"passport":{"user":"ada"}}"#,                     Some("ada"),    &["ada"]),
            (r#"{"passport":{"user":{"_id":"64b0"}}}"#,                          Some("64b0"),   &["64b0"]),
            (r#"{"passport":{"user":{"_id":{"$oid":"64b0"}}}}"#,                 Some("64b0"),   &["64b0"]),
            (r#"{"passport":{"user":{"sub":"auth0|7"}}}"#,                       Some("auth0|7"), &["auth0|7"]),
            (r#"{"passport":{"user":{"sub":"s","_id":"i"}}}"#,                   Some("i"),      &["i"]),
            (r#"{"passport":{"user":{"_id":"i","id":7}}}"#,                      Some("7"),      &["7"]),
            (r#"{"passport":{"user":{"id":"","_id":"i"}}}"#,                     Some("i"),      &["i"]),
            (r#"{"userId":{"_id":"64b0"}}"#,                                     Some("64b0"),   &["64b0"]),
            (r#"{"userId":{"id":{"id":1}}}"#,                                    None,           &[]),
            (r#"{"userId":"7","_ck":{"created":1,"realm":"staff"}}"#,            Some("7"),      &["\u{1f}staff\u{1f}7"]),
            (r#"{"userId":"7","_ck":{"by":"root"}}"#,                            Some("7"),      &["7", "root"]),
            (r#"{"userId":"7","_ck":{"realm":5,"by":7}}"#,                       Some("7"),      &["7"]),
            (r#"{"userId":"\u001fstaff\u001f7"}"#,               Some("\u{1f}staff\u{1f}7"),      &["\u{1f}\u{1f}\u{1f}staff\u{1f}7"]),
            ("[1]",                                                              None,           &[]),
        ];
        let keys = UserKeys::default();
        for (record, user, users) in table {
            assert_eq!(keys.user_of(record).as_deref(), user, "{record}");
            assert_eq!(keys.users_of(record), users, "{record}");
        }
    }

    #[test]
    fn a_path_inside_passports_user_counts_as_passports() {
        let keys = UserKeys::new(["userId", "passport.user.uuid"]);
        assert_eq!(keys.and_passport(), keys);
        let owner = |record| keys.owner_of(record);
        let both = r#"{"userId":"a","passport":{"user":{"uuid":"a"}}}"#;
        assert!(owner(both).is("a"));
        let left = r#"{"userId":"a","passport":{"user":{}}}"#;
        assert_eq!(owner(left), Owner::Contradiction(vec!["a".into()]));
    }

    #[test]
    fn index_names_of_realms_never_collide() {
        let names = [
            index_name(None, "7"),
            index_name(Some("staff"), "7"),
            index_name(None, "\u{1f}staff\u{1f}7"),
            index_name(Some("shop"), "7"),
            index_name(Some("staff"), "\u{1f}7"),
        ];
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{name:?}");
        }
    }

    #[test]
    fn a_users_object_has_one_name_in_json_and_as_a_value() {
        for user in [
            json!("ada"),
            json!(7),
            json!({ "id": 7, "_id": "x" }),
            json!({ "id": null, "_id": { "$oid": "64b0" }, "sub": "s" }),
            json!({ "id": "", "sub": "s" }),
            json!({ "name": "ada" }),
            json!([1]),
        ] {
            let id = id_in(&user).to_string();
            assert_eq!(user_id(&user.to_string()), user_id(&id), "{user}");
        }
    }
}
