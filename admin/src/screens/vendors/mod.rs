//! Vendors: list, the page of one, data, taxes, widgets, terminal.

mod edit;
mod show;
mod terminal;

pub(super) use edit::{assign, create, put_taxes, update};
pub(super) use show::{list, show};
pub(super) use terminal::{remove_terminal, set_terminal};
