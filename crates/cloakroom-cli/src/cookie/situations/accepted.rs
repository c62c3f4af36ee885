//! Sent, and not accepted by the server.

use crate::cookie::situation::{Situation, Stage::Accepted};

pub(in crate::cookie) static NO_COOKIE: Situation = Situation::fault(
    Accepted,
    "no-cookie",
    "The request carries no cookie at all.",
    "Give the response that should have set it (--set-cookie, --har, --curl) to see where it was lost.",
);
pub(in crate::cookie) static OTHER_NAME: Situation = Situation::fault(
    Accepted,
    "other-name",
    "The server does not look at these cookies because none is named {name}: there is {others}.",
    "Set the same `name` on all servers, or give it with --name.",
);
pub(in crate::cookie) static OTHER_CASE: Situation = Situation::fault(
    Accepted,
    "other-case",
    "The server does not find {name} because the cookie is named {other}, and case counts.",
    "Set the same `name` on all servers.",
);
pub(in crate::cookie) static OTHER_PREFIX: Situation = Situation::fault(
    Accepted,
    "other-prefix",
    "The server does not find {name} because the cookie is named {other}: the prefix is a part of the name.",
    "Set the same `name` on all servers; visitors sign in once more where it changes.",
);
pub(in crate::cookie) static DUPLICATE_FIRST_BAD: Situation = Situation::warning(
    Accepted,
    "duplicate-first-bad",
    "The request carries {name} {count} times and the first is not valid: this library takes the valid one, and Express takes the first and signs the visitor out.",
    "Expire the other one, with the Path and Domain that it was set with, or rename the cookie.",
);
pub(in crate::cookie) static DUPLICATE_VALID: Situation = Situation::warning(
    Accepted,
    "duplicate-valid",
    "The request carries {name} {count} times and several are valid: the first counts, which is that of the longest path.",
    "Expire one with the Path and Domain that it was set with; only the prefix __Host- keeps a sibling site from setting one.",
);
pub(in crate::cookie) static HEADER_TOO_LONG: Situation = Situation::warning(
    Accepted,
    "header-too-long",
    "The Cookie field has {bytes} bytes, and nginx and other proxies answer 400 or 431 from 8 KiB on.",
    "Delete the cookies that nobody needs; `large_client_header_buffers` in nginx, `--max-http-header-size` in Node.",
);
pub(in crate::cookie) static NOT_ASCII: Situation = Situation::fault(
    Accepted,
    "not-ascii",
    "The server ignores the value because it holds bytes beyond ASCII.",
    "Send the value as the server wrote it.",
);
pub(in crate::cookie) static ENCODED_TWICE: Situation = Situation::fault(
    Accepted,
    "encoded-twice",
    "The server does not accept the value because it was encoded twice: it begins with s%253A where s%3A belongs.",
    "Encode it once: a client or a proxy took the encoded value and encoded it again.",
);
pub(in crate::cookie) static PLUS_TO_BLANK: Situation = Situation::fault(
    Accepted,
    "plus-became-blank",
    "The server does not accept the value because its plus signs were turned into blanks, as form decoding does.",
    "Decode cookies with decodeURIComponent, not as a form.",
);
pub(in crate::cookie) static QUOTED: Situation = Situation::fault(
    Accepted,
    "quotes-kept",
    "The server does not accept the value because quotation marks of a copy became a part of it.",
    "Send the value without them.",
);
pub(in crate::cookie) static IS_JWT: Situation = Situation::fault(
    Accepted,
    "is-a-jwt",
    "The value is a JSON Web Token and no session id of Express's: another program set a cookie of that name.",
    "Give each its own `name`.",
);
pub(in crate::cookie) static IS_JSON: Situation = Situation::fault(
    Accepted,
    "is-a-json-cookie",
    "The value is a JSON cookie of Express's res.cookie, with j: before it, and no session id.",
    "Give each its own `name`.",
);
pub(in crate::cookie) static UNSIGNED: Situation = Situation::fault(
    Accepted,
    "unsigned",
    "The server does not accept the value because it is not signed: it does not begin with s: as Express's do.",
    "Look for what set it: another program, another `name`, or a client that stripped s: and the signature.",
);
pub(in crate::cookie) static CUT_OFF: Situation = Situation::fault(
    Accepted,
    "cut-off",
    "The server does not accept the value because it is damaged: a signature has 43 characters and this has {length}.",
    "Look for a column, a log line or a copy that is too short.",
);
pub(in crate::cookie) static BASE64URL: Situation = Situation::fault(
    Accepted,
    "other-alphabet",
    "The server does not accept the signature because it is written in another alphabet or padded: - and _ or = where Express writes + and / and nothing.",
    "Write it as npm's cookie-signature does: base64 without padding.",
);
pub(in crate::cookie) static NO_KEY: Situation = Situation::fault(
    Accepted,
    "no-key-fits",
    "The server does not accept the signature because no secret given here made it, {keys} in all.",
    "Compare the secrets of all servers, newest and older ones: `cloakroom cookie verify` with each.",
);
pub(in crate::cookie) static MISCOPIED_KEY: Situation = Situation::fault(
    Accepted,
    "secret-miscopied",
    "The signature was made by one of these secrets with white space or quotation marks around it: it was miscopied on one side.",
    "Give all servers the very same bytes: a file's last line break counts for some programs, and quotes of an .env file for others.",
);
pub(in crate::cookie) static OLD_KEY: Situation = Situation::warning(
    Accepted,
    "old-key",
    "The signature is right, by secret {key} of {keys}: an older one, and the cookie is signed again when it is used.",
    "Keep that secret in the ring until its last cookie has ended.",
);
pub(in crate::cookie) static NEWEST_KEY: Situation = Situation::note(
    Accepted,
    "newest-key",
    "The signature is right, by the newest secret.",
);
pub(in crate::cookie) static OUTSIDE_GRAMMAR: Situation = Situation::fault(
    Accepted,
    "id-outside-grammar",
    "The server does not accept the id, although its signature is right, because it is not made of 20 to 128 letters, digits, - and _.",
    "Set `id_grammar` to what Express's `genid` draws (`IdGrammar::any()` takes all).",
);
pub(in crate::cookie) static NOT_VERIFIED: Situation = Situation::note(
    Accepted,
    "not-verified",
    "The value has the right form, and its signature was not checked because no secret was given.",
);

#[cfg(test)]
pub(in crate::cookie) static ALL: &[&Situation] = &[
    &NO_COOKIE,
    &OTHER_NAME,
    &OTHER_CASE,
    &OTHER_PREFIX,
    &DUPLICATE_FIRST_BAD,
    &DUPLICATE_VALID,
    &HEADER_TOO_LONG,
    &NOT_ASCII,
    &ENCODED_TWICE,
    &PLUS_TO_BLANK,
    &QUOTED,
    &IS_JWT,
    &IS_JSON,
    &UNSIGNED,
    &CUT_OFF,
    &BASE64URL,
    &NO_KEY,
    &MISCOPIED_KEY,
    &OLD_KEY,
    &NEWEST_KEY,
    &OUTSIDE_GRAMMAR,
    &NOT_VERIFIED,
];
