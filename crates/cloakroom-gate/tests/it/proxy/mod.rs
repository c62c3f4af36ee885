//! Proxy mode.

mod answers;
mod beyond;
mod ends;
mod framing;
mod heads;
mod identity;
mod limits;
mod paths;
