//! Vendors: list, the page of one, data, taxes, widgets, people in the portal, terminal, access to the T-API.

mod edit;
mod list;
mod people;
mod show;
mod t_api;
mod terminal;

pub(super) use edit::{assign, create, put_taxes, update};
pub(crate) use list::Vendors;
pub(super) use list::{HEAD, list, row};
pub(super) use people::{change_access, invite, revoke_invitation};
pub(super) use show::show;
pub(super) use t_api::{remove_t_api, set_t_api, set_terms};
pub(super) use terminal::{remove_terminal, set_terminal};
