//! Server-side sessions for Rust web services, sharing one session with Express.

pub mod clock;
pub mod cookie;
mod engine;
pub mod id;
pub mod manager;
pub mod policy;
pub mod record;
pub mod session;
pub mod store;
#[cfg(test)]
#[cfg(feature = "memory")]
mod vectors;
#[cfg(feature = "tower")]
pub mod web;

pub use clock::{Clock, ManualClock, Timestamp};
pub use cookie::KeyRing;
pub use id::SessionId;
pub use manager::Manager;
pub use policy::{Policy, SameSite, Secure};
pub use session::{Session, SessionError, Typed};
#[cfg(feature = "memory")]
pub use store::memory::MemoryStore;
#[cfg(feature = "tower")]
pub use web::SessionLayer;
