//! The registry of widgets, and vendors' schemas for settings.

mod event_settings;
mod event_url;
mod registry;
mod settings_schema;

pub use event_settings::{
    DEFAULTS_KEYWORD, EventSettingsError, check_widget_version, parse_delivery_delays, parse_event_kinds,
};
pub use event_url::{EventUrlError, check_event_url};
pub use registry::{
    Issued, MAX_FORMER_SECRETS, Registration, RegistrationError, WidgetRegistry, check_redirect_uri,
};
pub use settings_schema::{SettingsSchema, SettingsSchemaError};
