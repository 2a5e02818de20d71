//! A call's way from note to transcript: each stage a job of its own, so that a crash repeats one stage, not the call.

pub mod cancel;
mod convert_audio;
mod delete_audio;
mod fetch_recording;
mod ingest_note;
mod poll_recognition;
mod reconcile_account;
mod reconcile_due;
pub mod request;
mod resume_polls;
mod settle;
mod start_recognition;
mod store_transcript;
mod summarize;
mod sweep_storage;
mod upload_audio;

pub use convert_audio::ConvertAudio;
pub use delete_audio::DeleteAudio;
pub use fetch_recording::FetchRecording;
pub use ingest_note::IngestNote;
pub use poll_recognition::PollRecognition;
pub use reconcile_account::ReconcileAccount;
pub use reconcile_due::ReconcileDue;
pub use resume_polls::ResumePolls;
pub use settle::Settle;
pub use start_recognition::StartRecognition;
pub use store_transcript::StoreTranscript;
pub use summarize::Summarize;
pub use sweep_storage::SweepStorage;
pub use upload_audio::UploadAudio;
