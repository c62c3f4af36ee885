//! Server-side sessions.
