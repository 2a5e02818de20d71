//! A call's way from note to transcript, one stage a job.
//!
//! What makes a second run of a stage harmless is the same everywhere: the stage begins by looking
//! whether the call is still in the state the stage works in ([`stage::enter`]), and its effect is
//! written together with the state that follows and the job of the next stage, in one fenced
//! transaction. What it did outside before that (a download, an upload, a submit) is either repeated
//! with the same result or, where that would cost money, noted beforehand.

mod capture_payment;
mod convert_audio;
mod delete_audio;
mod fetch_recording;
mod files;
mod hold_payment;
mod ingest_note;
mod part;
mod payment;
mod poll_recognition;
mod reconcile_account;
mod reconcile_due;
mod release_payment;
mod resume_polls;
mod resume_unpaid;
mod retry_unpaid;
pub(crate) mod scratch;
mod settle;
mod stage;
mod start_recognition;
mod store_transcript;
mod summarization;
mod summarize;
mod sweep_storage;
mod unfinished;
mod upload_audio;
