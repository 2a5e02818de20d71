//! amoCRM, T-Bank, SpeechKit, YandexGPT, S3, Telegram, MAX, a recording host and a vendor's backend as strict, stateful
//! HTTP servers, and a mail server (SMTP).
//!
//! Each has a function `start(…)` that returns a [`Running`] with its address, its state and a [`Control`]. The
//! same control is available over HTTP under `/_sim/…`.

pub mod amocrm;
pub mod bot;
mod bulk;
pub mod clock;
pub mod control;
pub mod cut;
mod index;
mod lock;
pub mod max;
pub mod recordings;
pub mod s3;
pub mod server;
pub mod smtp;
pub mod speechkit;
pub mod t_api;
pub mod tbank;
pub mod telegram;
pub mod vendor;
mod yandex;
pub mod yandexgpt;

pub use bulk::Bulk;
pub use clock::SimClock;
pub use control::{Act, Call, Control, PlannedAct, Script};
pub use server::Running;
pub use yandex::{BodyShape, Code, Credential, Scheme};
