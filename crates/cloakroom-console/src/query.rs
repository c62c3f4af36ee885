//! The conditions of a listing, in the address of its page: the flags of `cloakroom sessions` by their names.

use std::time::Duration;

use cloakroom::manager::SessionFilter;

/// A condition that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryError {
    pub(crate) field: &'static str,
    pub(crate) mend: &'static str,
}

/// The parameters of a request, in their order; names may repeat.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn parse(text: &str) -> Self {
        Self(
            form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// Returns a parameter; `None` where it is absent or blank.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Returns a parameter as it is, a blank one as well: for names of users and keys.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns all values of a parameter that are not blank.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |(key, _)| key == name);
        named
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }
}

/// Reads the conditions; blank fields are none.
pub(crate) fn filter(params: &Params) -> Result<SessionFilter, QueryError> {
    let time = |field| {
        params
            .get(field)
            .map(|text| duration(field, text))
            .transpose()
    };
    let conditions = params.all("where").map(|text| {
        let mend = "write KEY=VALUE, such as role=admin";
        SessionFilter::condition(text).ok_or(QueryError {
            field: "where",
            mend,
        })
    });
    let filter = SessionFilter {
        user: params.get("user").map(str::to_owned),
        older: time("older")?,
        idle: time("idle")?,
        expires_before: time("expires-before")?,
        agent: params.get("agent").map(str::to_owned),
        conditions: conditions.collect::<Result<_, _>>()?,
        signed_in: params.get("signed-in").is_some(),
        anonymous: params.get("anonymous").is_some(),
        unreadable: params.get("unreadable").is_some(),
    };
    if filter.anonymous && filter.user.is_some() {
        return Err(QueryError {
            field: "anonymous",
            mend: "a session of nobody has no user: leave one of the two out",
        });
    }
    Ok(filter)
}

fn duration(field: &'static str, text: &str) -> Result<Duration, QueryError> {
    let mend = "write a length of time, such as 3d, 12h or 10m";
    humantime::parse_duration(text).map_err(|_| QueryError { field, mend })
}

/// Returns the fields of a form, or the parameters of an address, that [`filter`] reads as these conditions.
pub(crate) fn fields(filter: &SessionFilter) -> Vec<(&'static str, String)> {
    let time = |name, time: Option<Duration>| {
        time.map(|time| (name, humantime::format_duration(time).to_string()))
    };
    let flag = |name, is_set: bool| is_set.then(|| (name, "1".to_owned()));
    let single = [
        filter.user.clone().map(|user| ("user", user)),
        time("older", filter.older),
        time("idle", filter.idle),
        time("expires-before", filter.expires_before),
        filter.agent.clone().map(|agent| ("agent", agent)),
        flag("signed-in", filter.signed_in),
        flag("anonymous", filter.anonymous),
        flag("unreadable", filter.unreadable),
    ];
    let conditions = filter
        .conditions
        .iter()
        .map(|(key, value)| ("where", format!("{key}={value}")));
    single.into_iter().flatten().chain(conditions).collect()
}

/// Returns the conditions as they are typed at a terminal.
pub(crate) fn typed(filter: &SessionFilter) -> String {
    let words = fields(filter).into_iter().map(|(name, value)| match name {
        "signed-in" | "anonymous" | "unreadable" => format!("--{name}"),
        name => format!("--{name} {}", quoted(&value)),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Quotes a word for a shell, where it needs to be.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.,=:@%+/".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Returns the parameters of an address.
pub(crate) fn address(fields: &[(&'static str, String)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cloakroom::manager::SessionFilter;

    use super::{Params, address, fields, filter, typed};

    fn read(text: &str) -> Result<SessionFilter, &'static str> {
        filter(&Params::parse(text)).map_err(|error| error.field)
    }

    #[test]
    fn conditions_are_those_of_the_command() {
        let hour = Some(Duration::from_hours(1));
        let of = SessionFilter::default;
        #[rustfmt::skip]
        let table = [
            ("", Ok(of())),
            ("user=&older=&where=", Ok(of())),
            ("user=ada%20b&cursor=x", Ok(SessionFilter { user: Some("ada b".into()), ..of() })),
            ("older=1h&idle=60m&expires-before=3600s", Ok(SessionFilter { older: hour, idle: hour, expires_before: hour, ..of() })),
            ("where=role%3Dadmin&where=a.b%3D1%3D2", Ok(SessionFilter { conditions: vec![("role".into(), "admin".into()), ("a.b".into(), "1=2".into())], ..of() })),
            ("agent=firefox&unreadable=1", Ok(SessionFilter { agent: Some("firefox".into()), unreadable: true, ..of() })),
            ("anonymous=1", Ok(SessionFilter { anonymous: true, ..of() })),
            ("signed-in=1", Ok(SessionFilter { signed_in: true, ..of() })),
            ("anonymous=1&user=7", Err("anonymous")),
            ("where=role", Err("where")), ("where=%3Dx", Err("where")), ("older=soon", Err("older")),
        ];
        for (text, expected) in table {
            assert_eq!(read(text), expected, "{text}");
            if let Ok(filter) = expected {
                assert_eq!(read(&address(&fields(&filter))), Ok(filter), "{text}");
            }
        }
    }

    #[test]
    fn conditions_can_be_typed_at_a_terminal() {
        for (text, expected) in [
            ("user=ada&older=90m", "--user ada --older '1h 30m'"),
            ("user=o%27neil&anonymous=", r"--user 'o'\''neil'"),
            (
                "where=role%3Dadmin&unreadable=1",
                "--unreadable --where role=admin",
            ),
        ] {
            assert_eq!(typed(&read(text).unwrap()), expected);
        }
    }
}
