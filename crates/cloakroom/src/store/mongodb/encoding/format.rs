//! The formats of the field `session`: a JSON text, a document, or an encrypted text.

use mongodb::bson::{Bson, RawDocument};

use super::document;
use crate::clock::Timestamp;
use crate::record::RecordText;
use crate::store::mongodb::encryption::encryptor::Encryptor;
use crate::store::mongodb::{MongoInner, MongoOptions, corrupt};
use crate::store::{StoreError, StoreErrorKind, StoredRecord};

pub(crate) enum SessionFormat {
    Text,
    Document,
    Sealed(Box<Encryptor>),
}

/// A session as it was read, and decoded.
pub(crate) struct DecodedSession {
    /// The field `session`, which a save compares with.
    pub(crate) session: Bson,
    pub(crate) text: RecordText,
    pub(crate) expires: Timestamp,
}

impl From<DecodedSession> for StoredRecord {
    fn from(held: DecodedSession) -> Self {
        Self {
            text: held.text,
            expires: held.expires,
        }
    }
}

/// MongoDB's bound on a document, less the fields beside the session.
const MOST_BYTES: usize = (16 << 20) - (16 << 10);

impl SessionFormat {
    pub(crate) fn of(options: &MongoOptions) -> Result<Self, StoreError> {
        Ok(match &options.encryption {
            Some(encryption) => Self::Sealed(Box::new(Encryptor::new(encryption)?)),
            None if options.stringify => Self::Text,
            None => Self::Document,
        })
    }

    /// Decodes the field `session` into a text.
    ///
    /// # Errors
    ///
    /// `Corrupt` for a session of another format. The caller checks that the text is a record.
    pub(crate) async fn text(&self, session: &Bson) -> Result<RecordText, StoreError> {
        match (self, session) {
            (Self::Text, Bson::String(text)) => Ok(text.as_str().into()),
            (Self::Document, Bson::Document(session)) => Ok(document::to_text(session).into()),
            (Self::Sealed(sealer), Bson::String(text)) => Ok(sealer.open(text).await?.into()),
            _ => Err(corrupt("the session is of another form")),
        }
    }

    /// Encodes a text as the field `session`, in place of `base`.
    pub(crate) async fn session(
        &self,
        text: &str,
        base: Option<&Bson>,
    ) -> Result<Bson, StoreError> {
        let session = match self {
            Self::Text => text.into(),
            Self::Document => document::from_text(text, base.and_then(Bson::as_document))?.into(),
            Self::Sealed(sealer) => sealer.seal(text).await?.into(),
        };
        // A save also sends what was read, in one document.
        if size(&session) + base.map_or(0, size) > MOST_BYTES {
            return Err(StoreError::new(
                StoreErrorKind::Invalid,
                "MongoDB takes no document beyond 16 MB",
            ));
        }
        Ok(session)
    }

    /// Returns `true` if a stored text is the one that was read.
    pub(crate) fn same(&self, stored: &str, read: &str) -> bool {
        match self {
            Self::Document => document::same_values(stored, read),
            Self::Text | Self::Sealed(_) => stored == read,
        }
    }
}

fn size(session: &Bson) -> usize {
    match session {
        Bson::String(text) => text.len(),
        Bson::Document(document) => {
            mongodb::bson::serialize_to_vec(document).map_or(usize::MAX / 4, |bytes| bytes.len())
        }
        _ => 0,
    }
}

impl MongoInner {
    pub(crate) async fn held(&self, found: &RawDocument) -> Result<DecodedSession, StoreError> {
        let session = session_in(found)?;
        let text = self.form.text(&session).await?;
        let expires = match found.get_datetime("expires") {
            Ok(expires) => Timestamp::from_millis(expires.timestamp_millis()),
            Err(_) => self.now().after(self.options.ttl),
        };
        Ok(DecodedSession {
            session,
            text,
            expires: self.time.outward(expires),
        })
    }
}

pub(crate) fn session_in(found: &RawDocument) -> Result<Bson, StoreError> {
    let session = found.get("session").ok().flatten();
    session
        .and_then(|session| Bson::try_from(session).ok())
        .ok_or_else(|| corrupt("the document has no session that can be read"))
}
