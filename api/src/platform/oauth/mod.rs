//! Codes, reconnects and disconnections.

mod admission;
mod callback;
mod connect;
mod disconnect;
mod page;
mod ticket;

pub(crate) use callback::CallbackApi;
pub(crate) use connect::ConnectApi;
pub(crate) use disconnect::DisconnectApi;
pub(super) use ticket::connect_url;
