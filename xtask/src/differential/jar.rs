//! A client's cookies: every one that the server set, and which of them a request carries.

use super::sequence::CookieChoice;
use super::set_cookie::sid_of;

const NAME: &str = "connect.sid";

/// The values that the server set in one sequence, oldest first.
#[derive(Debug, Default)]
pub(super) struct Jar {
    values: Vec<String>,
    /// `true` once the last one was cleared.
    is_cleared: bool,
}

impl Jar {
    pub(super) fn keep(&mut self, value: &str) {
        self.values.push(value.to_owned());
        self.is_cleared = false;
    }

    /// Takes the current cookie away; as a stale one it may come back.
    pub(super) fn clear(&mut self) {
        self.is_cleared = true;
    }

    fn current(&self) -> Option<&String> {
        self.values.last().filter(|_| !self.is_cleared)
    }

    /// The `Cookie` header that a choice sends.
    pub(super) fn header(&self, choice: CookieChoice) -> Option<String> {
        if let CookieChoice::Stale(_) = choice {
            return self.valid(choice).map(|value| format!("{NAME}={value}"));
        }
        let current = self.current()?;
        match choice {
            CookieChoice::None => None,
            CookieChoice::Current | CookieChoice::Stale(_) => {
                self.valid(choice).map(|value| format!("{NAME}={value}"))
            }
            CookieChoice::BadSignature => Some(format!("{NAME}={}", badly_signed(current))),
            CookieChoice::Unsigned => sid_of(current).map(|sid| format!("{NAME}={sid}")),
            CookieChoice::Twice => {
                let bad = badly_signed(current);
                Some(format!("{NAME}={current}; {NAME}={bad}"))
            }
        }
    }

    /// The id that a choice sends under a valid signature.
    pub(super) fn carried_sid(&self, choice: CookieChoice) -> Option<&str> {
        self.valid(choice).and_then(sid_of)
    }

    fn valid(&self, choice: CookieChoice) -> Option<&str> {
        let value = match choice {
            CookieChoice::Current | CookieChoice::Twice => self.current(),
            CookieChoice::Stale(index) => self.values.get(index % self.values.len().max(1)),
            CookieChoice::None | CookieChoice::BadSignature | CookieChoice::Unsigned => None,
        };
        value.map(String::as_str)
    }
}

/// Returns the id with a signature whose last character is another.
fn badly_signed(value: &str) -> String {
    let (rest, last) = value.split_at(value.len().saturating_sub(1));
    format!("{rest}{}", if last == "A" { "E" } else { "A" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_choice_sends_its_header() {
        let mut jar = Jar::default();
        jar.keep("s%3Aold.AAA");
        jar.keep("s%3Anew.BBB");
        #[rustfmt::skip]
        let table = [
            (CookieChoice::Current, Some("connect.sid=s%3Anew.BBB"), Some("new")),
            (CookieChoice::None, None, None),
            (CookieChoice::Stale(2), Some("connect.sid=s%3Aold.AAA"), Some("old")),
            (CookieChoice::BadSignature, Some("connect.sid=s%3Anew.BBA"), None),
            (CookieChoice::Unsigned, Some("connect.sid=new"), None),
            (CookieChoice::Twice, Some("connect.sid=s%3Anew.BBB; connect.sid=s%3Anew.BBA"), Some("new")),
        ];
        for (choice, header, carried) in table {
            assert_eq!(jar.header(choice).as_deref(), header, "{choice}");
            assert_eq!(jar.carried_sid(choice), carried, "{choice}");
            assert_eq!(Jar::default().header(choice), None, "{choice}");
        }
        jar.clear();
        for (choice, header, _) in table {
            let is_stale = matches!(choice, CookieChoice::Stale(_));
            assert_eq!(jar.header(choice).as_deref(), header.filter(|_| is_stale));
        }
        jar.keep("s%3Anext.CCC");
        assert_eq!(jar.carried_sid(CookieChoice::Current), Some("next"));
    }
}
