//! The parameters of statements.

use std::error::Error as StdError;
use std::fmt;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

pub(crate) type Params<'a> = &'a [&'a dyn Param];

/// A parameter, whose type must be given with an unnamed statement.
pub(crate) trait Param: Sync {
    fn kind(&self) -> Type;
    fn value(&self) -> &(dyn ToSql + Sync);
}

macro_rules! params {
    ($($of:ty => $kind:ident),* $(,)?) => {
        $(impl Param for $of {
            fn kind(&self) -> Type {
                Type::$kind
            }

            fn value(&self) -> &(dyn ToSql + Sync) {
                self
            }
        })*
    };
}

params! {
    Text<'_> => TEXT,
    Option<Text<'_>> => TEXT,
    Vec<Text<'_>> => TEXT_ARRAY,
    String => TEXT,
    Option<&str> => TEXT,
    i64 => INT8,
}

/// A text as a parameter: an id, a record, a user. The driver logs parameters at the level `debug`, and
/// cannot print this one.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

impl ToSql for Text<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.0.to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <&str as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}
