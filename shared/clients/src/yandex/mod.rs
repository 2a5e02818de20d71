//! Common parts of SpeechKit and YandexGPT: credentials and error statuses.

mod credentials;
mod status;

pub use credentials::{Auth, YandexCredentials};
pub use status::{Status, StatusKind};
