//! Authentication of callers: widgets in users' browsers, and vendors' backends.

mod backend;
mod claims;
mod session;
mod user;
mod widget;
mod widget_token;

pub(crate) use backend::{BackendAuthentication, BackendCaller, backend_of};
pub(crate) use session::issue_session;
pub(crate) use user::WidgetUser;
pub(crate) use widget::WidgetCaller;
pub(crate) use widget_token::{VerifiedToken, WidgetToken, verify_for_widget};
