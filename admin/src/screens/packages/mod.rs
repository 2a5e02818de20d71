//! Packages of Flycoins: all versions, offering and retiring.

mod acts;
mod list;

pub(crate) use acts::{
    check_follows, check_seen, code_of, not_set, offer, offer_form_at, on_offer, retire, retire_form_at,
    seen_field, terms_of,
};
pub(super) use acts::{widget_field, widget_of};
pub(crate) use list::{HEAD, Packages, row};
pub(super) use list::{SALE_STATES, active_of, list, widget_cell};
