//! Jobs: list, the page of one job, replay and cancellation.

mod acts;
mod attempts;
mod list;
mod show;

pub(super) use acts::{cancel, replay, reschedule, to_fault};
pub(crate) use list::Jobs;
pub(super) use show::show;
