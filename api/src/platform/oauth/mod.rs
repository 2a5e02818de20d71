//! OAuth with amoCRM: authorization codes, connecting and disconnecting.

mod admission;
mod callback;
mod connect;
mod disconnect;
mod page;
mod problems;

pub(crate) use callback::CallbackApi;
pub(crate) use connect::ConnectApi;
pub(crate) use disconnect::DisconnectApi;
