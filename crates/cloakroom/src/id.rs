//! Session ids: generated, parsed, never printed.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// Bytes of randomness in an id: 192 bits, as in express-session (uid-safe).
const RANDOM_BYTES: usize = 24;

/// The opaque name of a session (RFC 6265bis §8.4): its holder, with a signature, has the session.
///
/// `Debug` prints a fingerprint that is worth nothing outside this process; there is no `Display`.
/// [`SessionId::expose`] gives the text, for stores.
#[derive(Clone)]
pub struct SessionId {
    text: Arc<str>,
    /// `true` for the store's name of a session, hashed where ids are, which no client has. Comparisons
    /// ignore it.
    is_key: bool,
}

impl SessionId {
    /// Generates a new id: 24 random bytes from the operating system in base64url, 32 characters.
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers: a session with a guessable id would be worse than
    /// none (OWASP ASVS 7.2.3).
    pub fn random() -> Self {
        let mut bytes = [0; RANDOM_BYTES];
        fill(&mut bytes).expect("the operating system gives random numbers");
        let mut text = [0; RANDOM_BYTES / 3 * 4];
        BASE64_URL_SAFE_NO_PAD
            .encode_slice(bytes, &mut text)
            .expect("24 bytes are 32 characters of base64url");
        Self::new(std::str::from_utf8(&text).expect("base64url is ASCII"))
    }

    /// Parses `text` as an id if `grammar` allows it.
    pub fn parse(text: &str, grammar: &IdGrammar) -> Option<Self> {
        grammar.allows(text).then(|| Self::new(text))
    }

    /// Creates an id from a place that only ever held ids: a store's own key.
    pub fn from_store(text: &str) -> Self {
        Self::new(text)
    }

    fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            is_key: false,
        }
    }

    /// Returns the name under which a store keeps it where ids are hashed at rest: its SHA-256 in base64url.
    #[doc(hidden)]
    #[must_use]
    pub fn hashed_at_rest(&self) -> Self {
        Self::new(&BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(self.expose())))
    }

    /// Marks it as the store's own name of a session, which is not hashed again.
    pub(crate) fn into_key(mut self) -> Self {
        self.is_key = true;
        self
    }

    /// Returns `true` if it is the store's own name of a session.
    pub(crate) fn is_key(&self) -> bool {
        self.is_key
    }

    /// Returns the id itself.
    ///
    /// # Security
    ///
    /// The holder of this text and a signing secret has the session: never log it, never show it.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl PartialEq for SessionId {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for SessionId {}

impl Hash for SessionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl PartialOrd for SessionId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SessionId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId(#{:08x})", fingerprint(&self.text))
    }
}

/// The grammar of ids, checked after the signature and before any call of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdGrammar(Grammar);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Grammar {
    Token { min: usize, max: usize },
    Any,
}

impl IdGrammar {
    /// Creates a grammar of `min` to `max` characters of `A-Z a-z 0-9 - _`; the default is 20 to 128.
    pub const fn token(min: usize, max: usize) -> Self {
        Self(Grammar::Token { min, max })
    }

    /// Allows any text, as express-session does; for applications whose `genid` returns other ids.
    ///
    /// # Security
    ///
    /// An application that signs a client's own text with the same secret gives out ids of the client's
    /// choice; a grammar keeps those out of the store.
    pub const fn any() -> Self {
        Self(Grammar::Any)
    }

    /// Returns the least and the greatest length of an id; `None` if any text is one.
    pub(crate) fn lengths(&self) -> Option<(usize, usize)> {
        match self.0 {
            Grammar::Any => None,
            Grammar::Token { min, max } => Some((min, max)),
        }
    }

    /// Returns `true` if `text` may be an id; the empty text never is one.
    pub fn allows(&self, text: &str) -> bool {
        match self.0 {
            Grammar::Any => !text.is_empty(),
            Grammar::Token { min, max } => {
                (min.max(1)..=max).contains(&text.len()) && text.bytes().all(is_token)
            }
        }
    }
}

impl Default for IdGrammar {
    fn default() -> Self {
        Self::token(20, 128)
    }
}

fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut token = [false; 256];
        let mut byte = 0_u8;
        while byte < 128 {
            token[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            byte += 1;
        }
        token
    };
    TOKEN[usize::from(byte)]
}

/// Returns a number that stands for `text` in logs of this process and means nothing outside it.
fn fingerprint(text: &str) -> u32 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    (KEY.hash_one(text) >> 32) as u32
}

/// Fills `bytes` from a buffer of the operating system's random numbers: one call in 32 ids.
fn fill(bytes: &mut [u8; RANDOM_BYTES]) -> Result<(), getrandom::Error> {
    struct Pool {
        bytes: [u8; RANDOM_BYTES * 32],
        used: usize,
    }
    thread_local! {
        static POOL: RefCell<Pool> =
            const { RefCell::new(Pool { bytes: [0; RANDOM_BYTES * 32], used: RANDOM_BYTES * 32 }) };
    }
    POOL.with_borrow_mut(|pool| {
        if pool.used == pool.bytes.len() {
            getrandom::fill(&mut pool.bytes)?;
            pool.used = 0;
        }
        let drawn = &mut pool.bytes[pool.used..pool.used + RANDOM_BYTES];
        bytes.copy_from_slice(drawn);
        // Random bytes that were used do not stay in memory to be used or read again.
        drawn.fill(0);
        pool.used += RANDOM_BYTES;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{IdGrammar, SessionId};

    #[test]
    fn ids_are_32_characters_and_do_not_repeat() {
        let drawn: HashSet<_> = (0..10_000).map(|_| SessionId::random()).collect();
        assert_eq!(drawn.len(), 10_000);
        let grammar = IdGrammar::token(32, 32);
        assert!(drawn.iter().all(|id| grammar.allows(id.expose())));
    }

    #[test]
    fn ids_outside_the_grammar_never_reach_the_store() {
        let long = "x".repeat(129);
        #[rustfmt::skip]
        let table = [
            ("AbCdEfGhIjKlMnOpQrStUvWxYz0-_001", true,  true),
            ("apple",                            false, true),
            ("",                                 false, false),
            ("../../etc/passwd-0000000",         false, true),
            ("AbCdEfGhIjKlMnOpQrStUvWx\0z01234", false, true),
            ("日本語日本語日本語",                   false, true),
            (long.as_str(),                      false, true),
        ];
        for (text, token, any) in table {
            assert_eq!(IdGrammar::default().allows(text), token, "{text}");
            assert_eq!(IdGrammar::any().allows(text), any, "{text}");
        }
    }

    #[test]
    fn an_id_is_never_printed() {
        let id = SessionId::random();
        let printed = format!("{id:?} {:#?}", Some(&id));
        assert!(!printed.contains(id.expose()));
        assert_eq!(format!("{id:?}"), format!("{:?}", id.clone()));
    }
}
