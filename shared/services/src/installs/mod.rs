//! Facts about installs, their settings, and blocks by amoCRM.

mod amocrm_block;
mod connect_link;
mod facts;
mod settings;

pub use amocrm_block::{AMOCRM_BLOCK_DURATION, AmocrmCaller, block_account, blocked_for};
pub use connect_link::{CONNECT_LINK_TTL, connect_link, open_connect_link};
pub use facts::{record_fact, record_fact_locked};
pub use settings::{ChangeSettingsError, MAX_SETTINGS_CHANGES, SettingsChange, change_settings};
