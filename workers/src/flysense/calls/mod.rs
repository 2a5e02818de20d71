//! Stages of a call, one job each.
//!
//! A second run of any stage is harmless for the same reason: the stage first checks that the call is still in its
//! state ([`stage::enter`]), and stores its effect, the next state and the next job in one fenced transaction. Requests
//! it made before (a download, an upload, a submission) can be repeated with the same result or, if they cost money,
//! are recorded before they are made.

mod audio_storage;
mod capture_payment;
mod convert_audio;
mod delete_audio;
mod erase_account;
mod fetch_recording;
mod hold_payment;
mod ingest_note;
mod payment;
mod poll_recognition;
mod prepare_playback;
mod reconcile_account;
mod reconcile_due;
mod release_payment;
mod resolve_events;
mod resumable_download;
mod resume_polls;
mod resume_unpaid;
mod retry_unpaid;
pub(crate) mod scratch;
mod settle;
mod stage;
mod start_recognition;
mod store_transcript;
mod summarization_slots;
mod summarize;
mod sweep_playback;
mod sweep_storage;
mod unfinished_recording;
mod upload_audio;
