//! Letters: every kind with sample facts, and what was sent about an install.

mod preview;
mod sent;

pub(super) use preview::{list, show, show_html};
pub(super) use sent::show as show_sent;
