//! The pieces of an operator's tools, the command's and the console's: a filter, a scan, an ending that is read
//! back, and the line of an act.

mod act;
mod end;
mod filter;
mod scan;

pub use act::OperatorAct;
pub use end::{EndedSessions, end_sessions, is_as_expected};
pub use filter::SessionFilter;
pub use scan::{FoundSession, SessionScan};
