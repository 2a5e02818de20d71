//! Requesting and cancelling transcriptions, copies for the player, records of amoCRM's feed, and releasing holds.

mod automatic;
mod cancel;
pub mod docx;
mod playback;
pub mod records;
mod refused_submission;
mod release_hold;
mod request;
pub mod signed_hook_url;
mod user_request;

pub use automatic::request_automatically;
pub use cancel::{CancelOutcome, cancel};
pub use playback::{MIN_PLAYABLE_TIME, request_playback_copy};
pub use refused_submission::take_back_submission;
pub use release_hold::release_hold;
pub use request::{CallRequest, RequestOutcome, request_transcription};
pub use user_request::request_by_user;
