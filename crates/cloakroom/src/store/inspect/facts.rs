//! Facts: flat values under names.

use std::collections::BTreeMap;

/// A value that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Something is so, or not.
    Flag(bool),
    /// A number; its unit is the end of its name.
    Number(i64),
    /// A setting or a name; never an id, a record or a secret.
    Text(String),
}

/// The facts about one store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    kind: &'static str,
    known: BTreeMap<&'static str, Fact>,
}

impl Facts {
    /// Creates facts about a store of this kind, the name of its feature, of which nothing is known.
    pub fn new(kind: &'static str) -> Self {
        Self {
            kind,
            known: BTreeMap::new(),
        }
    }

    /// Returns the kind of store: the name of its feature.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Returns these facts with another.
    #[must_use]
    pub fn with(mut self, name: &'static str, fact: impl Into<Fact>) -> Self {
        self.set(name, fact);
        self
    }

    /// Adds a fact, or replaces it.
    pub fn set(&mut self, name: &'static str, fact: impl Into<Fact>) {
        self.known.insert(name, fact.into());
    }

    /// Adds a fact if it was learned.
    pub fn note(&mut self, name: &'static str, fact: Option<impl Into<Fact>>) {
        if let Some(fact) = fact {
            self.set(name, fact);
        }
    }

    /// Returns a number; `None` if it could not be learned.
    pub fn number(&self, name: &str) -> Option<i64> {
        match self.known.get(name)? {
            Fact::Number(number) => Some(*number),
            Fact::Flag(_) | Fact::Text(_) => None,
        }
    }

    /// Returns a text; `None` if it could not be learned.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.known.get(name)? {
            Fact::Text(text) => Some(text),
            Fact::Flag(_) | Fact::Number(_) => None,
        }
    }

    /// Returns a flag; `None` if it could not be learned.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.known.get(name)? {
            Fact::Flag(flag) => Some(*flag),
            Fact::Number(_) | Fact::Text(_) => None,
        }
    }

    /// Keeps the worse of two servers' facts: the larger number, both texts where they differ, a flag that is
    /// set.
    #[cfg(feature = "redis")]
    pub(in crate::store) fn worse(&mut self, name: &'static str, fact: Option<impl Into<Fact>>) {
        let Some(fact) = fact.map(Into::into) else {
            return;
        };
        let worse = match (self.known.remove(name), fact) {
            (Some(Fact::Number(one)), Fact::Number(other)) => Fact::Number(one.max(other)),
            (Some(Fact::Flag(one)), Fact::Flag(other)) => Fact::Flag(one || other),
            (Some(Fact::Text(one)), Fact::Text(other)) if !one.contains(&other) => {
                Fact::Text(format!("{one}, {other}"))
            }
            (Some(known), _) => known,
            (None, fact) => fact,
        };
        self.set(name, worse);
    }
}

impl From<bool> for Fact {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for Fact {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for Fact {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Fact {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
