//! The wire of one middleware: its cookie's name and its secrets.

use cloakroom::KeyRing;
use cloakroom::cookie::{CookieName, cookie_value, unsign, valid_tickets};
use cloakroom::id::{IdGrammar, SessionId};
use napi::bindgen_prelude::{Buffer, Either, External};
use napi::{Error, Result, Status};
use napi_derive::napi;

/// A cookie's name, and the secrets that sign its value.
pub struct Layer {
    pub(crate) name: CookieName,
    pub(crate) keys: KeyRing,
    grammar: IdGrammar,
}

/// Makes the wire of a middleware: `secrets` are texts or bytes, the first signs, all of them verify.
///
/// `strict` asks for secrets of 32 bytes that cannot be guessed, and for ids of 20 to 128 characters of
/// `[A-Za-z0-9_-]`; without it any secret but an empty one is taken, and any id.
#[napi(catch_unwind)]
pub fn layer(
    name: String,
    secrets: Vec<Either<String, Buffer>>,
    strict: bool,
) -> Result<External<Layer>> {
    let secrets = secrets.iter().map(bytes);
    let keys = if strict {
        KeyRing::from_secrets(secrets)
    } else {
        KeyRing::with_insecure_short_secrets(secrets)
    };
    Ok(External::new(Layer {
        name: CookieName::parse(&name).map_err(refused)?,
        keys: keys.map_err(refused)?,
        grammar: if strict {
            IdGrammar::default()
        } else {
            IdGrammar::any()
        },
    }))
}

/// Returns the ids whose signed cookies a Cookie field brought: none, one, or the first two that differ.
/// Each has a `+` before it, or a `-` where an older secret signed it.
#[napi(catch_unwind)]
pub fn open(layer: &External<Layer>, field: String) -> Option<Either<String, Vec<String>>> {
    let Layer {
        name,
        keys,
        grammar,
    } = &**layer;
    let tickets = valid_tickets([field.as_bytes()], name, keys, grammar);
    let mut ids = tickets.iter().map(|ticket| {
        let mark = if ticket.is_outdated() { "-" } else { "+" };
        [mark, ticket.id().expose()].concat()
    });
    let first = ids.next()?;
    Some(match ids.next() {
        None => Either::A(first),
        Some(second) => Either::B(vec![first, second]),
    })
}

/// Returns the id of a cookie's decoded value, `s:<id>.<signature>`, if one of the secrets signed it.
#[napi(catch_unwind)]
pub fn unsigned(layer: &External<Layer>, value: String) -> Option<String> {
    let id = unsign(value.strip_prefix("s:")?, &layer.keys)?;
    layer.grammar.allows(id).then(|| id.to_owned())
}

/// Returns the signed value that gives a client this id, escaped as it stands in the field.
#[napi(catch_unwind)]
pub fn signed(layer: &External<Layer>, id: String) -> String {
    cookie_value(&SessionId::from_store(&id), &layer.keys)
}

/// Generates an id: 24 random bytes in base64url.
#[napi(catch_unwind)]
pub fn random_id() -> String {
    SessionId::random().expose().to_owned()
}

fn bytes(secret: &Either<String, Buffer>) -> &[u8] {
    match secret {
        Either::A(text) => text.as_bytes(),
        Either::B(bytes) => bytes,
    }
}

/// Converts an error into JavaScript's: the message alone.
pub(crate) fn refused(error: impl std::fmt::Display) -> Error {
    Error::new(Status::InvalidArg, error.to_string())
}
