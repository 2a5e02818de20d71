//! Prices of services in Flycoins: all versions, and setting the next one.

mod acts;
mod list;
mod versions;

pub(crate) use acts::{check_seen, form_at, seen_field, set, start_of, tariff_of, to_fault};
pub(crate) use list::Prices;
pub(super) use list::list;
pub(super) use versions::tariff_text;
pub(crate) use versions::versions_section;
