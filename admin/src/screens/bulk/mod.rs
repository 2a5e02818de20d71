//! Bulk acts: dry run and confirmation, progress, pause, taking back, a result for each row.

mod acts;
mod list;
mod money;
mod preview;
mod results;
mod show;

pub(crate) use acts::{pause, resume, start, stop, undo};
pub(crate) use list::BulkActs;
pub(crate) use preview::preview;
pub(crate) use results::Results;
pub(crate) use show::show;
