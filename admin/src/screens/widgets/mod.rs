//! Widgets: list, the page of one widget, registration, parameters, secrets.

pub(crate) mod edit;
pub(crate) mod events;
pub(crate) mod list;
pub(crate) mod register;
pub(crate) mod rotate;
mod schema;
mod seats;
pub(crate) mod show;

pub(super) use edit::update;
pub(super) use events::{send_test, update as update_events};
pub(crate) use list::Widgets;
pub(super) use list::{HEAD, list, row};
pub(super) use register::register;
pub(super) use rotate::{change_client_secret, revoke_former, rotate_event_secret, rotate_token};
pub(super) use schema::update as update_schema;
pub(super) use show::show;
