//! Finds the members of a JSON object in its text (RFC 8259); values are skipped, not built.

use std::ops::Range;

/// A part of a record's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self {
            start: u32::try_from(start).ok()?,
            end: u32::try_from(end).ok()?,
        })
    }

    /// Returns a span of a text that is shorter than 4 GiB.
    pub(crate) fn of(start: usize, length: usize) -> Self {
        Self::new(start, start + length).expect("a record is shorter than 4 GiB")
    }

    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One member of an object: its key without the quotes, its value as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) key: Span,
    pub(crate) value: Span,
    /// `true` if the key holds a backslash, so that its text is not its name.
    pub(crate) escaped: bool,
}

/// Limits of reading; a text beyond them is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) depth: usize,
    pub(crate) members: usize,
}

/// The limits of an inner object whose members are read as well: no cookie and no metadata comes near them.
const INNER: Bounds = Bounds {
    depth: 8,
    members: 256,
};

#[cfg(test)]
impl Default for Bounds {
    fn default() -> Self {
        Self {
            depth: 128,
            members: 8192,
        }
    }
}

/// The members of an object, and those of the inner objects that were requested.
#[derive(Debug, Default)]
pub(crate) struct Members {
    pub(crate) own: Vec<Member>,
    /// The inner members, in the order of the text.
    inner: Vec<Member>,
}

impl Members {
    /// Returns the members of the object that is the value of `outer`; `None` where it is no object, its
    /// members were not requested, or it is too deep or has too many.
    pub(crate) fn object(&self, text: &str, outer: &Member) -> Option<&[Member]> {
        let inside = text[outer.value.range()]
            .strip_prefix('{')?
            .strip_suffix('}')?;
        let from = |at: u32| self.inner.partition_point(|inner| inner.key.start < at);
        let found = &self.inner[from(outer.value.start)..from(outer.value.end)];
        (!found.is_empty() || inside.trim_ascii().is_empty()).then_some(found)
    }
}

/// Returns the members of the object that is all of `text`; `None` where `text` is anything else.
pub(crate) fn members(text: &str, bounds: Bounds) -> Option<Vec<Member>> {
    members_with(text, bounds, |_| false).map(|members| members.own)
}

/// Returns them with the members of the objects whose keys `opens` names, by their texts; those of an escaped
/// key in any case.
pub(crate) fn members_with(
    text: &str,
    bounds: Bounds,
    opens: impl Fn(&[u8]) -> bool,
) -> Option<Members> {
    let bytes = text.as_bytes();
    let mut scanner = Scanner { bytes, at: 0 };
    let mut members = Members {
        own: Vec::with_capacity(8),
        inner: Vec::new(),
    };
    let depth = bounds.depth.checked_sub(1)?;
    scanner.space();
    scanner.each(b'{', b'}', |scanner| {
        let (key, escaped) = scanner.key()?;
        let start = scanner.at;
        let opens = scanner.peek() == Some(b'{') && (escaped || opens(&bytes[key.range()]));
        if !(opens && scanner.open(&mut members.inner)) {
            scanner.value(depth)?;
        }
        members.own.push(Member {
            key,
            value: Span::new(start, scanner.at)?,
            escaped,
        });
        (members.own.len() <= bounds.members).then_some(())
    })?;
    scanner.space();
    scanner.at_end().then_some(members)
}

/// Returns the members of an object of any size, with values of any depth, which are not parsed.
pub(crate) fn outermost(text: &str) -> Option<Vec<Member>> {
    let mut scanner = Scanner {
        bytes: text.as_bytes(),
        at: 0,
    };
    let mut members = Vec::with_capacity(8);
    scanner.space();
    scanner.each(b'{', b'}', |scanner| {
        let (key, escaped) = scanner.key()?;
        let start = scanner.at;
        scanner.pass()?;
        members.push(Member {
            key,
            value: Span::new(start, scanner.at)?,
            escaped,
        });
        Some(())
    })?;
    scanner.space();
    scanner.at_end().then_some(members)
}

/// Returns `true` if all of `text` is one JSON value, no deeper than `depth`.
pub(crate) fn is_value(text: &str, depth: usize) -> bool {
    let mut scanner = Scanner {
        bytes: text.as_bytes(),
        at: 0,
    };
    scanner.space();
    scanner.value(depth).is_some() && {
        scanner.space();
        scanner.at_end()
    }
}

/// Returns bit 7 of each byte of `word` that is special in a string: a quote, a backslash, a control
/// character. The lowest set bit is exact; those above it may be wrong, because of a borrow.
fn special(word: u64) -> u64 {
    const EACH: u64 = u64::MAX / 255;
    let below = |word: u64, limit: u64| word.wrapping_sub(EACH * limit) & !word;
    let is = |byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
    (below(word, 0x20) | is(b'"') | is(b'\\')) & (EACH * 0x80)
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' => {
                let depth = depth.checked_sub(1)?;
                self.each(b'{', b'}', |scanner| {
                    scanner.key()?;
                    scanner.value(depth)
                })
            }
            b'[' => {
                let depth = depth.checked_sub(1)?;
                self.each(b'[', b']', |scanner| scanner.value(depth))
            }
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => self.number(),
        }
    }

    /// Skips a value up to its closing bracket, however deep it is: without recursion.
    fn pass(&mut self) -> Option<()> {
        let mut open = 0_usize;
        loop {
            match self.peek()? {
                b'{' | b'[' => open += 1,
                b'}' | b']' => open = open.checked_sub(1)?,
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if open > 0 => {}
                _ => {
                    self.value(0)?;
                    self.at -= 1;
                }
            }
            self.at += 1;
            if open == 0 {
                return Some(());
            }
        }
    }

    /// Skips the items between `open` and `close`, separated by commas.
    fn each(
        &mut self,
        open: u8,
        close: u8,
        mut one: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.take(open)?;
        self.space();
        if self.take(close).is_some() {
            return Some(());
        }
        loop {
            one(self)?;
            self.space();
            if self.take(b',').is_none() {
                return self.take(close);
            }
            self.space();
        }
    }

    /// Skips an object and adds its members to `found`; stays at its start, and adds nothing, where the
    /// object is malformed or out of bounds.
    fn open(&mut self, found: &mut Vec<Member>) -> bool {
        let (at, before) = (self.at, found.len());
        let passed = self.each(b'{', b'}', |scanner| {
            let (key, escaped) = scanner.key()?;
            let start = scanner.at;
            scanner.value(INNER.depth - 1)?;
            found.push(Member {
                key,
                value: Span::new(start, scanner.at)?,
                escaped,
            });
            (found.len() - before <= INNER.members).then_some(())
        });
        if passed.is_none() {
            self.at = at;
            found.truncate(before);
        }
        passed.is_some()
    }

    /// Skips a key and its colon, and returns `true` if the key holds an escape.
    fn key(&mut self) -> Option<(Span, bool)> {
        let start = self.at + 1;
        let escaped = self.string()?;
        let key = Span::new(start, self.at - 1)?;
        self.space();
        self.take(b':')?;
        self.space();
        Some((key, escaped))
    }

    fn literal(&mut self, word: &[u8]) -> Option<()> {
        self.bytes[self.at..]
            .starts_with(word)
            .then(|| self.at += word.len())
    }

    /// Skips a string and returns `true` if it holds an escape. Lone surrogates are accepted: Node writes
    /// them (`JSON.stringify` is well-formed, and spells them as `\ud800`).
    fn string(&mut self) -> Option<bool> {
        self.take(b'"')?;
        let mut escaped = false;
        loop {
            self.plain();
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(escaped);
                }
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                // A control character must be escaped.
                ..0x20 => return None,
                _ => self.at += 1,
            }
        }
    }

    /// Skips plain characters, eight at once; up to seven are left at the end of the text.
    fn plain(&mut self) {
        while let Some(eight) = self.bytes[self.at..].first_chunk() {
            let special = special(u64::from_le_bytes(*eight));
            if special != 0 {
                self.at += special.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
    }

    fn escape(&mut self) -> Option<()> {
        let rest = &self.bytes[self.at + 1..];
        match rest.first()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 2,
            b'u' if rest.get(1..5)?.iter().all(u8::is_ascii_hexdigit) => self.at += 6,
            _ => return None,
        }
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

#[cfg(test)]
mod tests;
