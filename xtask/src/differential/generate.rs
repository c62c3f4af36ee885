//! Generates a sequence of requests from a seed: few keys and unusual values, so that steps collide.

use std::collections::HashMap;

use super::random::Random;
use super::sequence::{CookieChoice, Request, Step, Target};

/// Keys as JSON texts; integer-like ones, because JavaScript puts those first.
const KEYS: [&str; 6] = [
    r#""a""#,
    r#""b""#,
    r#""n""#,
    r#""10""#,
    r#""2""#,
    r#""é\"x""#,
];

/// Values as JSON texts, where a number's or a string's spelling, or the order of keys, can go wrong.
const VALUES: [&str; 28] = [
    "0",
    "1",
    "-7",
    "1.0",
    "-0.0",
    "0.1",
    "1e21",
    "1e-7",
    "123456789012345680000",
    "9007199254740991",
    "null",
    "true",
    "false",
    r#""""#,
    r#""text""#,
    r#""é\"x""#,
    r#""\u00e9\u2028\ud83d\ude00""#,
    r#""a\/b\\\n\u0007\u007f""#,
    r#""\ud800""#,
    "[]",
    "{}",
    r#"[1,"two",null,{"a":[]}]"#,
    r#"{"b":1,"2":2,"a":3}"#,
    r#"{"cookie":{"path":"/x","maxAge":1}}"#,
    r#"{"a":{"cookie":null},"cookie":1}"#,
    r#"{"a":1,"b":2,"a":3}"#,
    r#"{"10":"x", "9" : [ 1.50, 2E3 ] }"#,
    r#"{"id":1,"_ck":{"c":1}}"#,
];

const SUMMANDS: [&str; 5] = ["1", "-3", "0.1", "0.2", "1e21"];

/// Attributes that a handler may set on its session's cookie.
const ATTRIBUTES: [&str; 16] = [
    r#""maxAge":60000"#,
    r#""maxAge":60000"#,
    r#""maxAge":3600000"#,
    r#""maxAge":3600000,"httpOnly":true"#,
    r#""maxAge":null"#,
    r#""maxAge":0"#,
    r#""maxAge":-1000"#,
    r#""expires":null"#,
    r#""expires":false"#,
    r#""httpOnly":false"#,
    r#""sameSite":"lax""#,
    r#""sameSite":true,"priority":"high""#,
    r#""secure":true"#,
    r#""path":"/x""#,
    r#""domain":"example.com""#,
    r#""partitioned":true"#,
];

const USERS: [&str; 2] = [r#""u1""#, r#""u2""#];
const ROLES: [&str; 3] = ["[]", r#"["admin"]"#, r#"["admin","ops"]"#];

#[rustfmt::skip]
const OPS: [(usize, &str); 15] = [
    (26, "set"), (10, "remove"), (10, "get"), (10, "add"), (8, "save"), (7, "reload"), (7, "cookie"), (6, "all"),
    (6, "regenerate"), (5, "login"), (4, "touch"), (3, "destroy"), (2, "logout"), (2, "drop"), (2, "sleep"),
];

/// Draws the requests of one seed.
pub(super) fn sequence(seed: u64) -> Vec<Request> {
    if matches!(seed % 50, 0 | 26) {
        return pauses();
    }
    let mut generator = Generator {
        random: Random::new(seed),
        last: HashMap::new(),
    };
    let count = 1 + generator.random.below(6);
    (0..count).map(|_| generator.request()).collect()
}

/// A session of two seconds that is used every 1.4 s, because the sides take turns: only a touch with
/// each request keeps it alive.
fn pauses() -> Vec<Request> {
    let a = r#""a""#;
    let request = |cookie, steps| Request {
        cookie,
        target: Target::Run(steps),
    };
    let begin = vec![Step::Cookie(r#""maxAge":2000"#), Step::Set(a, "1")];
    let used = || request(CookieChoice::Current, vec![Step::Sleep(700), Step::Get(a)]);
    let end = vec![Step::Get(a), Step::Bare("all")];
    vec![
        request(CookieChoice::None, begin),
        used(),
        used(),
        request(CookieChoice::Current, end),
    ]
}

struct Generator {
    random: Random,
    /// The last value of each key, to set it again: no change, or a change of order alone.
    last: HashMap<&'static str, &'static str>,
}

impl Generator {
    fn request(&mut self) -> Request {
        loop {
            let request = Request {
                cookie: self.cookie(),
                target: self.target(),
            };
            if request.is_fair() {
                return request;
            }
        }
    }

    fn cookie(&mut self) -> CookieChoice {
        let stale = CookieChoice::Stale(self.random.below(4));
        self.random.weighted(&[
            (70, CookieChoice::Current),
            (8, CookieChoice::None),
            (10, stale),
            (5, CookieChoice::BadSignature),
            (2, CookieChoice::Unsigned),
            (5, CookieChoice::Twice),
        ])
    }

    fn target(&mut self) -> Target {
        match self.random.below(100) {
            0..9 => Target::Me,
            9..12 => Target::Plain,
            _ => Target::Run(self.steps()),
        }
    }

    fn steps(&mut self) -> Vec<Step> {
        let count = self.random.below(7);
        let mut steps = Vec::with_capacity(count + 1);
        while steps.len() < count {
            let step = self.step();
            let again = match step {
                Step::Remove(key) if self.random.one_in(3) => {
                    self.last.get(key).map(|value| (key, *value))
                }
                _ => None,
            };
            steps.push(step);
            steps.extend(again.map(|(key, value)| Step::Set(key, value)));
        }
        steps
    }

    fn step(&mut self) -> Step {
        match self.random.weighted(&OPS) {
            "set" => self.set(),
            "get" => Step::Get(self.random.pick(&KEYS)),
            "remove" => Step::Remove(self.random.pick(&KEYS)),
            "add" => Step::Add(self.counter(), self.random.pick(&SUMMANDS)),
            "cookie" => Step::Cookie(self.random.pick(&ATTRIBUTES)),
            "login" => Step::Login(self.random.pick(&USERS), self.random.pick(&ROLES)),
            "sleep" => Step::Sleep(1 + self.random.below(3)),
            bare => Step::Bare(bare),
        }
    }

    fn set(&mut self) -> Step {
        // A key that Node's session has by nature: refused on both sides.
        if self.random.one_in(60) {
            return Step::Set(r#""id""#, "1");
        }
        let key = self.random.pick(&KEYS);
        let fresh = self.random.pick(&VALUES);
        let value = match self.last.get(key) {
            Some(value) if self.random.one_in(3) => value,
            _ => fresh,
        };
        self.last.insert(key, value);
        Step::Set(key, value)
    }

    /// Mostly the key that counts, so that the sums grow; at times one that holds no number.
    fn counter(&mut self) -> &'static str {
        if self.random.one_in(4) {
            self.random.pick(&KEYS)
        } else {
            r#""n""#
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_its_sequence() {
        assert_eq!(sequence(5), sequence(5));
        assert_ne!(sequence(5), sequence(6));
    }

    #[test]
    fn a_thousand_seeds_take_every_step() {
        let all: Vec<Request> = (0..1000).flat_map(sequence).collect();
        for (_, op) in OPS {
            assert!(all.iter().any(|request| request.has_any(&[op])), "no {op}");
        }
        assert!(all.iter().all(Request::is_fair));
    }
}
