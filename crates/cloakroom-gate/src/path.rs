//! The path of a request, judged once: it has one reading, or it is refused.

use std::fmt;

/// A path that every server reads alike, up to the case of its letters.
#[derive(Clone, PartialEq, Eq)]
pub struct JudgedPath {
    plain: String,
    folded: String,
}

/// The reason for which a path is refused: two servers might read it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathFault {
    /// It does not begin with `/`: `*`, an absolute URL, nothing.
    #[error("it is no path")]
    NoPath,
    /// It has a part of dots alone, one that ends with a dot, or one that begins or ends with white space.
    #[error("it has a part of dots, or one that ends with a dot or a blank")]
    Dots,
    /// It has an empty part: `//`.
    #[error("it has an empty part")]
    EmptyPart,
    /// It has a character that some servers cut, replace or end a path at: `\`, `;`, `#`, a control
    /// character, one that Unicode's normal forms make a separator of; as itself or escaped.
    #[error("it has a character that servers read differently")]
    Character,
    /// It has an escape that is none, or of a character that needs none: a second decoding would change it.
    #[error("it has an escape that is needless, incomplete or one of an escape")]
    Escape,
    /// Its escapes are not UTF-8.
    #[error("its escapes are no UTF-8")]
    Encoding,
}

impl JudgedPath {
    /// Judges the path of a request as it was sent, without its query.
    ///
    /// It is accepted unchanged or refused, never repaired, so that what was judged is what is forwarded. One
    /// slash at the end makes no difference to rules.
    ///
    /// # Errors
    ///
    /// [`PathFault`]: answer 400, before any rule is looked at.
    ///
    /// ```
    /// use cloakroom_gate::{JudgedPath, PathFault};
    ///
    /// assert!(JudgedPath::judge("/caf%C3%A9/").is_ok());
    /// assert_eq!(JudgedPath::judge("/public/..%2fadmin"), Err(PathFault::Character));
    /// ```
    pub fn judge(path: &str) -> Result<Self, PathFault> {
        let inner = path.strip_prefix('/').ok_or(PathFault::NoPath)?;
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let decoded = decode(inner)?;
        if path.len() > 1 {
            decoded.split('/').try_for_each(judge_part)?;
        }
        let plain = format!("/{decoded}");
        Ok(Self {
            folded: fold(&plain),
            plain,
        })
    }

    /// Returns the path with its escapes decoded, and without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.plain
    }

    /// Returns it as a server reads it to which capital letters are as small ones.
    pub(crate) fn folded(&self) -> &str {
        &self.folded
    }
}

impl fmt::Debug for JudgedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JudgedPath({:?})", self.plain)
    }
}

/// Returns a text in which letters that differ in case only are equal, whichever way a server folds them: the
/// Kelvin sign and the long s are letters then.
pub(crate) fn fold(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

/// Decodes escapes, where no second decoding could find another.
fn decode(text: &str) -> Result<String, PathFault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => bytes.push(escaped([rest.next(), rest.next()])?),
            // RFC 3986 §3.3: `pchar` and `/`, without `;`.
            b'/' | b':' | b'@' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b','
            | b'=' => bytes.push(byte),
            byte if is_unreserved(byte) => bytes.push(byte),
            // Browsers leave these as they are; they mean nothing in a path.
            b'|' | b'[' | b']' | b'{' | b'}' | b'^' | b'"' | b'`' => bytes.push(byte),
            _ => return Err(PathFault::Character),
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| PathFault::Encoding)?;
    if text.chars().any(is_unsettled) {
        return Err(PathFault::Character);
    }
    Ok(text)
}

fn escaped(digits: [Option<u8>; 2]) -> Result<u8, PathFault> {
    let digit = |digit: Option<u8>| char::from(digit?).to_digit(16);
    let [Some(high), Some(low)] = digits.map(digit) else {
        return Err(PathFault::Escape);
    };
    match u8::try_from(high * 16 + low).map_err(|_| PathFault::Escape)? {
        b'%' => Err(PathFault::Escape),
        byte if is_unreserved(byte) => Err(PathFault::Escape),
        b'/' | b'\\' | b';' | b'?' | b'#' | 0..=0x1f | 0x7f => Err(PathFault::Character),
        byte => Ok(byte),
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Returns `true` for characters that a normal form of Unicode, or a best fit to another character set, makes
/// a slash, a backslash, a dot, a percent sign or a semicolon of; and for invisible ones.
fn is_unsettled(character: char) -> bool {
    matches!(
        character,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2024}'..='\u{202e}' | '\u{2044}'
            | '\u{2060}'..='\u{206f}' | '\u{2215}' | '\u{2216}' | '\u{2571}' | '\u{29f5}' | '\u{29f8}'
            | '\u{29f9}' | '\u{3002}' | '\u{37e}' | '\u{fe52}' | '\u{fe54}' | '\u{fe68}' | '\u{fe6a}'
            | '\u{feff}' | '\u{ff01}'..='\u{ff5e}' | '\u{ff61}' | '\u{fff0}'..='\u{ffff}'
    )
}

fn judge_part(part: &str) -> Result<(), PathFault> {
    if part.is_empty() {
        return Err(PathFault::EmptyPart);
    }
    // Windows drops what stands there, and so do languages' functions that trim.
    if part.ends_with('.') || part.trim() != part {
        return Err(PathFault::Dots);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::JudgedPath;
    use super::PathFault::{self, Character, Dots, EmptyPart, Encoding, Escape, NoPath};
    use proptest::prelude::{Strategy as _, any, proptest};

    #[test]
    fn a_path_that_two_servers_might_read_differently_is_refused() {
        #[rustfmt::skip]
        let table: [(&str, PathFault); 69] = [
            ("",                          NoPath),
            ("*",                         NoPath),
            ("admin",                     NoPath),
            ("http://gate/admin",         NoPath),
            ("/public/../admin",          Dots),
            ("/public/..",                Dots),
            ("/..",                       Dots),
            ("/.",                        Dots),
            ("/./admin",                  Dots),
            ("/admin/.",                  Dots),
            ("/admin/./",                 Dots),
            ("/public/.../admin",         Dots),
            ("/admin.",                   Dots),
            ("/admin%20",                 Dots),
            ("/admin%20/x",               Dots),
            ("/%20admin",                 Dots),
            ("/admin%C2%A0",              Dots),
            ("/%E2%80%83admin",           Dots),
            ("/..%20/admin",              Dots),
            ("//",                        EmptyPart),
            ("//admin",                   EmptyPart),
            ("/public//admin",            EmptyPart),
            ("/admin//",                  EmptyPart),
            ("///",                       EmptyPart),
            ("/public/%2e%2e/admin",      Escape),
            ("/public/%2E%2E/admin",      Escape),
            ("/public/.%2e/admin",        Escape),
            ("/%61dmin",                  Escape),
            ("/adm%69n",                  Escape),
            ("/a%5Fb",                    Escape),
            ("/public/%252e%252e/admin",  Escape),
            ("/%2561dmin",                Escape),
            ("/%25",                      Escape),
            ("/%",                        Escape),
            ("/%4",                       Escape),
            ("/%zz",                      Escape),
            ("/%u0061dmin",               Escape),
            ("/% 61dmin",                 Escape),
            ("/%+1dmin",                  Escape),
            ("/public/..%2fadmin",        Character),
            ("/public%2fadmin",           Character),
            ("/public/..%2Fadmin",        Character),
            ("/public/%5cadmin",          Character),
            ("/public\\admin",            Character),
            ("/public/..;/admin",         Character),
            ("/admin;x=.css",             Character),
            ("/admin%3bx=.css",           Character),
            ("/admin%00.js",              Character),
            ("/admin%0a",                 Character),
            ("/admin%0d%0aX-A:1",         Character),
            ("/admin%09",                 Character),
            ("/admin%7f",                 Character),
            ("/admin%3f",                 Character),
            ("/admin%23",                 Character),
            ("/admin#/public",            Character),
            ("/admin?/public",            Character),
            ("/admin x",                  Character),
            ("/admin\t",                  Character),
            ("/admin\0",                  Character),
            ("/caf\u{e9}",                Character),
            ("/..%EF%BC%8Fadmin",         Character),
            ("/%EF%BC%8E%EF%BC%8E/admin", Character),
            ("/%E2%80%A5/admin",          Character),
            ("/a%E2%80%8Bdmin",           Character),
            ("/%EF%BD%81dmin",            Character),
            ("/%C0%AE%C0%AE/admin",       Encoding),
            ("/..%C0%AFadmin",            Encoding),
            ("/%FF",                      Encoding),
            ("/%ED%A0%80",                Encoding),
        ];
        for (path, fault) in table {
            assert_eq!(JudgedPath::judge(path).err(), Some(fault), "{path:?}");
        }
    }

    #[test]
    fn a_plain_path_has_one_reading() {
        #[rustfmt::skip]
        let table = [
            ("/",                          "/",                       "/"),
            ("/admin",                     "/admin",                  "/admin"),
            ("/admin/",                    "/admin",                  "/admin"),
            ("/ADMIN",                     "/ADMIN",                  "/admin"),
            ("/a/b.html",                  "/a/b.html",               "/a/b.html"),
            ("/.well-known/x",             "/.well-known/x",          "/.well-known/x"),
            ("/a..b",                      "/a..b",                   "/a..b"),
            ("/caf%C3%A9",                 "/café",                   "/café"),
            ("/CAF%c3%89",                 "/CAFÉ",                   "/café"),
            ("/adm%C4%B1n",                "/admın",                  "/admin"),
            ("/u%C5%BFer",                 "/u\u{17f}er",             "/user"),
            ("/%E2%84%AAey",               "/\u{212a}ey",             "/key"),
            ("/a%20b",                     "/a b",                    "/a b"),
            ("/a%3Ab",                     "/a:b",                    "/a:b"),
            ("/a:b@c,d=e+f&g!(h)*'$",      "/a:b@c,d=e+f&g!(h)*'$",   "/a:b@c,d=e+f&g!(h)*'$"),
            ("/_next/%5Bslug%5D/p.js",     "/_next/[slug]/p.js",      "/_next/[slug]/p.js"),
            ("/[slug]",                    "/[slug]",                 "/[slug]"),
        ];
        for (path, plain, folded) in table {
            let judged = JudgedPath::judge(path).unwrap_or_else(|fault| panic!("{path}: {fault}"));
            assert_eq!(
                (judged.as_str(), judged.folded()),
                (plain, folded),
                "{path}"
            );
        }
    }

    proptest! {
        /// Judging what was decoded, escaped once more or decoded once more never finds another path.
        #[test]
        fn an_accepted_path_cannot_be_decoded_twice(path in any::<String>().prop_map(|text| format!("/{text}"))) {
            if let Ok(judged) = JudgedPath::judge(&path) {
                assert!(!judged.as_str().contains('%'), "{path}");
                assert!(!judged.as_str().contains(['\\', ';', '?', '#', '\0']), "{path}");
                assert!(judged.as_str().split('/').all(|part| part != ".." && part != "."), "{path}");
            }
        }
    }
}
