//! The encryption of sessions, as connect-mongo has it.

pub(super) mod crypto;
pub(super) mod encryptor;
pub(super) mod kruptein;
pub(super) mod webcrypto;

use self::kruptein::Kruptein;
use self::webcrypto::WebCrypto;

/// One of connect-mongo's two ways to encrypt sessions.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Encryption {
    /// Its option `crypto`, or `createKrupteinAdapter`.
    Kruptein(Kruptein),
    /// Its `createWebCryptoAdapter`.
    WebCrypto(WebCrypto),
}

impl From<Kruptein> for Encryption {
    fn from(kruptein: Kruptein) -> Self {
        Self::Kruptein(kruptein)
    }
}

impl From<WebCrypto> for Encryption {
    fn from(webcrypto: WebCrypto) -> Self {
        Self::WebCrypto(webcrypto)
    }
}
