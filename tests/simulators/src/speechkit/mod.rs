//! SpeechKit API v3: asynchronous recognition of files, and the operations service.
//!
//! The audio is read from the S3 simulator and decoded, so that times and channels in the results are measured.
//! The words come from the manifest if it contains the recording (see [`Manifest`]).
//!
//! Control in addition to the common one: `GET/PUT /_sim/behaviour` (see [`Behaviour`]; `PUT` sets all fields,
//! and omitted fields to their defaults), `GET /_sim/operations`. The script `serve_then_cut` on
//! `/stt/v3/recognizeFileAsync` simulates a lost response to a submission.

mod analysis;
mod api;
mod assignment;
mod behaviour;
mod classify;
mod container;
mod events;
mod manifest;
mod object;
mod operation;
mod quota;
mod recogniser;
mod request;
mod speech;
mod speech_detection;
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

/// Options of the simulator.
#[derive(Debug, Clone)]
pub struct Options {
    /// Listen address; `None`: a free port of 127.0.0.1.
    pub bind: Option<SocketAddr>,
    /// Accepted credentials.
    pub credentials: Vec<Credential>,
    /// Storage that objects are read from.
    pub storage: Storage,
    /// Recordings with known words.
    pub manifest: Manifest,
    /// Limits of submissions, status checks and summarizations.
    pub quotas: Quotas,
    /// Initial behaviour.
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

/// Starts the operations service of `speechkit` on a separate address, as in production. A separate `control`
/// gives it its own call log and scripts.
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
