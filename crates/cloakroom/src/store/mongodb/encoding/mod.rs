//! The encodings of a session: a JSON text, a BSON document.

pub(super) mod document;
pub(super) mod format;
pub(super) mod json;
pub(super) mod parse;
