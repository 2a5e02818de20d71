//! SpeechKit API v3, asynchronous recognition of files, with the operations service beside it.
//!
//! The audio is read from the S3 simulator and decoded, so that times and channels in the answer are true;
//! words come from the manifest when the recording is in it (see [`Manifest`]).
//!
//! Control, beside what every simulator has: `GET/PUT /_sim/behaviour` (see [`Behaviour`]; `PUT` sets all
//! fields, those left out to their defaults), `GET /_sim/operations`. A lost answer to a submission is the
//! script `serve_then_cut` on `/stt/v3/recognizeFileAsync`.

mod analysis;
mod api;
mod assignment;
mod behaviour;
mod classify;
mod container;
mod events;
mod hearing;
mod manifest;
mod object;
mod operation;
mod quota;
mod recogniser;
mod request;
mod speech;
mod stream;
mod transcript;
mod words;

use std::net::SocketAddr;

use anyhow::Context as _;

pub use behaviour::{Behaviour, Failure, FinalIndex, Framing, Refinements, Silence, StreamBreak, Utterances};
pub use manifest::{Manifest, ManifestError};
pub use object::Storage;
pub use operation::OperationView;
pub use quota::Quotas;
pub use recogniser::SpeechKit;

use crate::control::Control;
use crate::server::{self, Running};
use crate::yandex::Credential;

/// How the simulator is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; `None`: a free port of 127.0.0.1.
    pub bind: Option<SocketAddr>,
    /// Who may call.
    pub credentials: Vec<Credential>,
    /// Where objects are read from.
    pub storage: Storage,
    /// Recordings whose words are known.
    pub manifest: Manifest,
    /// Limits.
    pub quotas: Quotas,
    /// How it behaves at first.
    pub behaviour: Behaviour,
}

/// Starts recognition and operations on one address.
///
/// # Errors
/// When the address cannot be bound.
pub async fn start(options: Options, control: Control) -> anyhow::Result<Running<SpeechKit>> {
    let listener = server::bind(options.bind).await.context("SpeechKit cannot listen")?;
    let state = SpeechKit::new(options, control.clone())?;
    let routes = api::recognition(&state);
    let sim_routes = api::sim_routes(&state);
    server::serve(listener, control, state, routes, sim_routes).context("SpeechKit cannot serve")
}

/// Starts the operations service of `speechkit` once more on an address of its own, as in life; with its own
/// call log and scripts if `control` is its own.
///
/// # Errors
/// When the address cannot be bound.
pub async fn start_operations(
    bind: Option<SocketAddr>,
    speechkit: &SpeechKit,
    control: Control,
) -> anyhow::Result<Running<SpeechKit>> {
    let listener = server::bind(bind).await.context("operations cannot listen")?;
    let routes = api::operations(speechkit);
    server::serve(listener, control, speechkit.clone(), routes, poem::Route::new())
        .context("operations cannot serve")
}
