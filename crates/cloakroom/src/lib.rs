//! Server-side sessions for Rust web services, sharing one session with Express.

pub mod clock;
pub mod id;
pub mod record;
