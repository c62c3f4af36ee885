//! Not sent by the server, or lost on its way to the browser.

use crate::cookie::situation::{Situation, Stage::Sent};

pub(in crate::cookie) static INSECURE: Situation = Situation::fault(
    Sent,
    "server-saw-http",
    "The server sent no cookie: either its cookie is Secure, and the request came over plain http, or nothing was put into the new session.",
    "Something has to be put into the session before the response starts. If it was, ask for the https address; on a developer's machine set `Secure::Auto` here, `secure: 'auto'` in Express.",
);
pub(in crate::cookie) static INSECURE_LOCALHOST: Situation = Situation::fault(
    Sent,
    "server-saw-http-localhost",
    "The server sent no cookie: either it is Secure, and is not sent over http, not even on localhost, although browsers would store it, or nothing was put into the new session.",
    "Something has to be put into the session before the response starts. If it was, set `Secure::Auto` here, `secure: 'auto'` in Express, for a developer's machine.",
);
pub(in crate::cookie) static INSECURE_PROXY: Situation = Situation::fault(
    Sent,
    "server-behind-proxy",
    "The server sent no cookie because TLS ends at a proxy that it does not trust: it sees {seen}, and its cookie is Secure.",
    "Name the proxy (`trusted_proxy` here, `app.set('trust proxy', 1)` in Express), and have it set `X-Forwarded-Proto`: in nginx `proxy_set_header X-Forwarded-Proto $scheme;`.",
);
pub(in crate::cookie) static NOTHING_STORED: Situation = Situation::fault(
    Sent,
    "server-stored-nothing",
    "The server sent no cookie because the new session is empty: nothing was put into it, and empty sessions are not stored.",
    "Put something into the session before the response starts; `save_uninitialized` (Express: `saveUninitialized`) stores empty ones.",
);
pub(in crate::cookie) static UNCHANGED: Situation = Situation::note(
    Sent,
    "server-unchanged",
    "The server sent no cookie because the request already brought one and the session did not change, which is right.",
);
pub(in crate::cookie) static HEAD_SENT: Situation = Situation::fault(
    Sent,
    "server-head-sent",
    "The server sent no cookie because this response is a stream: its head had left before the session was changed.",
    "Change the session before the first byte of the stream, or in a request of its own.",
);
pub(in crate::cookie) static CACHED: Situation = Situation::fault(
    Sent,
    "cache-answered",
    "The server never saw this request because a cache answered it ({how}), and caches leave Set-Cookie out.",
    "Send `Cache-Control: no-store` with pages that depend on a session, and purge the cache.",
);
pub(in crate::cookie) static NOT_MODIFIED: Situation = Situation::warning(
    Sent,
    "not-modified",
    "The response is a 304, to which many servers and proxies add no Set-Cookie.",
    "Look at a full response: reload past the cache, or send `Cache-Control: no-store`.",
);
pub(in crate::cookie) static LOST_AT_HOP: Situation = Situation::fault(
    Sent,
    "lost-at-a-hop",
    "The application sends the cookie and the client gets none: something between them drops it.",
    "Look for `proxy_hide_header Set-Cookie`, an `auth_request` (nginx passes none of its cookies on: use `auth_request_set` and `add_header Set-Cookie`), and the rules of the CDN.",
);
pub(in crate::cookie) static OTHER_NAME: Situation = Situation::fault(
    Sent,
    "server-other-name",
    "The server sent cookies, but none is named {name}: there is {others}.",
    "Give the cookie's name with --name, or set the same `name` on the server.",
);
pub(in crate::cookie) static SENT_TWICE: Situation = Situation::warning(
    Sent,
    "server-sent-twice",
    "The response sets {name} {count} times, and the last one of the same domain and path counts.",
    "Let one session layer set it: look for a second middleware, or a proxy that adds one.",
);
pub(in crate::cookie) static SENT_ON_CACHEABLE: Situation = Situation::warning(
    Sent,
    "cacheable",
    "The response that sets the cookie may be cached ({how}), and another visitor may then get it.",
    "Send `Cache-Control: no-store` with it.",
);
pub(in crate::cookie) static RECORDING_WITHOUT: Situation = Situation::warning(
    Sent,
    "recording-without-cookies",
    "The recording has no cookie in any request or response: browsers leave them out unless asked.",
    "Record it again with sensitive data: in Chromium's network panel, settings, \"Allow to generate HAR with sensitive data\".",
);

#[cfg(test)]
pub(in crate::cookie) static ALL: &[&Situation] = &[
    &INSECURE,
    &INSECURE_LOCALHOST,
    &INSECURE_PROXY,
    &NOTHING_STORED,
    &UNCHANGED,
    &HEAD_SENT,
    &CACHED,
    &NOT_MODIFIED,
    &LOST_AT_HOP,
    &OTHER_NAME,
    &SENT_TWICE,
    &SENT_ON_CACHEABLE,
    &RECORDING_WITHOUT,
];
