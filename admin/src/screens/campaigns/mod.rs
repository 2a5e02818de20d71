//! Price campaigns: the check before one starts, its page, starting and stopping it.

mod acts;
mod preview;
mod show;

pub(super) use acts::{start, stop};
pub(super) use preview::{check, check_form, preview};
pub(super) use show::{section, show};
