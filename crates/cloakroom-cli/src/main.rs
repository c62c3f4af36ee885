//! The command `cloakroom`.
fn main() {}
