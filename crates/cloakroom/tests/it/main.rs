//! The public API in use, as one program.

mod arch;
mod crash;
mod express;
mod hostile;
mod life;
mod races;
mod support;
mod web;
