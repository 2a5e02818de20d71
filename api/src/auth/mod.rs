//! Who is calling: a widget in somebody's browser, or a vendor's backend.

mod backend;
mod session;
mod widget;
mod widget_token;

pub(crate) use backend::{BackendCaller, backend_of};
pub(crate) use session::issue;
pub(crate) use widget::{WidgetCaller, WidgetUser};
pub(crate) use widget_token::{Verified, WidgetToken, verify_of};
