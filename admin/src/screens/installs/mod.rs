//! Installs: list, the page of one install, its timeline, and acts.

mod acts;
mod entry;
mod list;
mod seen;
mod show;
mod sources;
mod timeline;
mod window;

pub(super) use acts::{change_settings, reconnect_link, restore_settings, switch_off, switch_on};
pub(crate) use list::Installs;
pub(super) use show::show;
pub(super) use timeline::show as timeline;
