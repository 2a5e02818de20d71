//! Bulk acts: dry run and confirmation, progress, pause, taking back.

mod acts;
mod money;
mod preview;
mod show;

pub(crate) use acts::{pause, resume, start, stop, undo};
pub(crate) use preview::preview;
pub(crate) use show::show;
