//! `cloakroom migrate`: moves sessions to another store while both serve.

#[cfg_attr(not(test), expect(dead_code, reason = "the command is built upon it"))]
mod decide;
