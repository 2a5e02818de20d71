//! Who is calling: a widget in somebody's browser, or a vendor's backend.

mod backend;
mod widget;
mod widget_token;

pub(crate) use backend::BackendCaller;
pub(crate) use widget::WidgetCaller;
pub(crate) use widget_token::verify;
