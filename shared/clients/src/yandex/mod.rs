//! What SpeechKit and YandexGPT have in common: credentials and the shape of errors.

mod auth;
mod status;

pub use auth::{Account, Auth};
pub use status::{Status, StatusKind};
