//! The type of the column `sid`, and the ids that a column of that type can hold.

use std::borrow::Cow;

/// The types that connect-pg-simple works with: ids are texts to it, and PostgreSQL converts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sid {
    /// `varchar` or `text`.
    Text,
    /// `char(n)`, whose values end with as many blanks as it takes.
    Char,
    Uuid,
}

impl Sid {
    /// Returns the type that the catalog calls `name`; `None` for one that holds no ids.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "varchar" | "text" => Some(Self::Text),
            "bpchar" => Some(Self::Char),
            "uuid" => Some(Self::Uuid),
            _ => None,
        }
    }

    /// Casts a text to a value of the type, so that the column's own index is used.
    pub(crate) fn value(self, text: &str) -> String {
        match self {
            Self::Text => format!("{text}::text"),
            Self::Char => format!("{text}::text::bpchar"),
            Self::Uuid => format!("{text}::text::uuid"),
        }
    }

    /// Casts an array of texts to one of values of the type.
    pub(crate) fn values(self, texts: &str) -> String {
        match self {
            Self::Text => format!("{texts}::text[]"),
            Self::Char => format!("{texts}::text[]::bpchar[]"),
            Self::Uuid => format!("{texts}::text[]::uuid[]"),
        }
    }

    /// Returns `true` if the column can hold an id unchanged: no text there holds a NUL.
    pub(crate) fn holds(self, id: &str) -> bool {
        match self {
            Self::Text => !id.contains('\0'),
            Self::Char => !id.contains('\0') && !id.ends_with(' '),
            Self::Uuid => is_uuid(id),
        }
    }

    /// Returns an id as the column returns it.
    pub(crate) fn after_round_trip(self, id: &str) -> Cow<'_, str> {
        match self {
            Self::Text | Self::Char => id.into(),
            Self::Uuid => id.to_ascii_lowercase().into(),
        }
    }
}

/// Returns `true` for the form that generators of UUIDs write: PostgreSQL accepts others as well.
fn is_uuid(id: &str) -> bool {
    id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::Sid::{self, Char, Text, Uuid};

    #[test]
    fn x13_column_holds_only_ids_of_its_type() {
        let uuid = "123e4567-e89b-42d3-a456-426614174000";
        #[rustfmt::skip]
        let table = [ // id,                           Text,  Char,  Uuid
            ("x",                                      true,  true,  false),
            ("x ",                                     true,  false, false),
            ("x\0",                                    false, false, false),
            (uuid,                                     true,  true,  true),
            ("123E4567-E89B-42D3-A456-426614174000",   true,  true,  true),
            ("123e4567e89b42d3a456426614174000",       true,  true,  false),
            ("{23e4567-e89b-42d3-a456-42661417400}",   true,  true,  false),
            ("123e4567-e89b-42d3-a456-42661417400g",   true,  true,  false),
            ("123e4567-e89b-42d3-a456-4266141740é",    true,  true,  false),
        ];
        for (id, text, char, in_uuid) in table {
            let holds = [Text, Char, Uuid].map(|sid| sid.holds(id));
            assert_eq!(holds, [text, char, in_uuid], "{id:?}");
        }
        assert_eq!(Uuid.after_round_trip(&uuid.to_uppercase()), uuid);
        let known = ["varchar", "text", "bpchar", "uuid", "int8", "citext"].map(Sid::named);
        let expected = [Some(Text), Some(Text), Some(Char), Some(Uuid), None, None];
        assert_eq!(known, expected);
    }
}
