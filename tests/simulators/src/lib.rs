//! amoCRM, T-Bank, SpeechKit, YandexGPT, S3, a host of recordings and a vendor backend as strict, stateful HTTP servers.
//!
//! Each has `start(...)`, which listens and returns a [`Running`] with its address, its state and a
//! [`Control`]; the same control is reachable over HTTP under `/_sim/...`.

pub mod amocrm;
mod bulk;
pub mod clock;
pub mod control;
mod cut;
pub mod recordings;
pub mod s3;
pub mod server;
pub mod speechkit;
pub mod tbank;
pub mod vendor;
mod yandex;
pub mod yandexgpt;

pub use bulk::Bulk;
pub use clock::SimClock;
pub use control::{Act, Call, Control, Script};
pub use server::Running;
pub use yandex::{BodyShape, Code, Credential, Scheme};
