//! State of the recognizer and its methods.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::Clock as _;
use http::HeaderMap;
use poem::Response;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::assignment::{Format, Submission};
use super::behaviour::{Behaviour, Framing, Silence};
use super::object::{self, Audio};
use super::operation::{Operation, OperationView, Operations};
use super::quota::{Quotas, Window, exceeded};
use super::request::RecognizeFileRequest;
use super::speech::SpeechAnalysis;
use super::transcript::transcribe;
use super::{Options, container, events, speech_detection, stream};
use crate::control::Control;
use crate::lock::locked;
use crate::yandex::{Code, Scope, Shaper, Status, authorize};

/// Files decoded concurrently.
const MAX_CONCURRENT_DECODES: usize = 2;

/// Cache key of audio: SHA-256 of the bytes, and the declared format.
type Sample = ([u8; 32], Format);

/// The simulator. Clones share its state.
#[derive(Debug, Clone)]
pub struct SpeechKit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    control: Control,
    http: reqwest::Client,
    behaviour: Mutex<Behaviour>,
    operations: Mutex<Operations>,
    submits: Window,
    checks: Window,
    simultaneous_summarizations: AtomicUsize,
    /// Cache of detected speech: tests often send the same call.
    analyses: Mutex<HashMap<Sample, Arc<SpeechAnalysis>>>,
    ears: Semaphore,
    shaper: Shaper,
    print_compact: AtomicBool,
}

impl SpeechKit {
    pub(super) fn new(options: Options, control: Control) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_mins(2))
            .no_proxy()
            .build()?;
        Ok(Self(Arc::new(Inner {
            http,
            behaviour: Mutex::new(options.behaviour.clone()),
            operations: Mutex::default(),
            submits: Window::new(
                "recognition requests per hour",
                options.quotas.submits_per_hour,
                chrono::Duration::hours(1),
            ),
            checks: Window::new(
                "status requests per second",
                options.quotas.checks_per_second,
                chrono::Duration::seconds(1),
            ),
            simultaneous_summarizations: options.quotas.simultaneous_summarizations.into(),
            analyses: Mutex::default(),
            ears: Semaphore::new(MAX_CONCURRENT_DECODES),
            shaper: Shaper::default(),
            print_compact: AtomicBool::new(false),
            control,
            options,
        })))
    }

    /// Sets the behaviour.
    pub fn behave(&self, behaviour: Behaviour) {
        *locked(&self.0.behaviour) = behaviour;
    }

    /// A copy; changes of it have no effect.
    pub fn behaviour(&self) -> Behaviour {
        locked(&self.0.behaviour).clone()
    }

    /// Changes the quotas.
    pub fn set_quotas(&self, quotas: Quotas) {
        self.0.submits.set_limit(quotas.submits_per_hour);
        self.0.checks.set_limit(quotas.checks_per_second);
        self.0.simultaneous_summarizations.store(quotas.simultaneous_summarizations, Ordering::Relaxed);
    }

    /// All operations, oldest first.
    pub fn operations(&self) -> Vec<OperationView> {
        locked(&self.0.operations).list(self.now())
    }

    fn now(&self) -> DateTime<Utc> {
        self.0.control.clock().now()
    }

    pub(super) fn refuse(&self, status: &Status) -> Response {
        self.0.shaper.response(status, locked(&self.0.behaviour).error_shape)
    }

    /// Rejects unknown credentials.
    pub(super) fn authorize(&self, headers: &HeaderMap) -> Result<(), Status> {
        authorize(&self.0.options.credentials, headers, Scope::Recognition).map(|_| ())
    }

    /// `RecognizeFile`: performs every check that needs no decoding before it creates an operation.
    pub(super) async fn submit(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, Status> {
        let inner = &self.0;
        let caller = authorize(&inner.options.credentials, headers, Scope::Recognition)?;
        inner.submits.count(self.now())?;
        let request: RecognizeFileRequest = serde_json::from_slice(body)
            .map_err(|error| Status::invalid(format!("request body: {error}")))?;
        let Submission { source, assignment } = request.try_into()?;
        if assignment.summary.is_some() && !caller.language_models {
            let message = "access to language models denied for summarization";
            return Err(Status::new(Code::PermissionDenied, message));
        }
        let mut audio = object::bring(&inner.http, &inner.options.storage, &source).await?;
        let channels = container::channels_of(audio.file.as_file_mut(), assignment.format)
            .map_err(|error| Status::new(Code::Internal, format!("audio cannot be read: {error}")))?
            .map_err(Status::invalid)?;
        if assignment.labeling && channels != 1 {
            return Err(Status::invalid("speaker labeling is only for mono-channel audio files"));
        }
        let format = assignment.format;
        let (id, shown) = {
            let mut operations = locked(&inner.operations);
            let now = self.now();
            let limit = inner.simultaneous_summarizations.load(Ordering::Relaxed);
            let full = operations.summarizing(now) >= limit;
            if assignment.summary.is_some() && full {
                return Err(exceeded("simultaneous recognitions with summarization"));
            }
            let id = operations.insert(Operation::new(assignment, &self.behaviour(), now));
            let shown = operations.find(&id)?.shown(&id, now);
            (id, shown)
        };
        tokio::spawn(self.clone().listen(id, audio, format));
        Ok(shown)
    }

    /// Processes the file and stores the outcome.
    async fn listen(self, id: String, audio: Audio, format: Format) {
        let key = (audio.digest, format);
        let known = locked(&self.0.analyses).get(&key).cloned();
        let outcome = match known {
            Some(analysis) => Ok(analysis),
            None => self.analyse(audio, format).await.map(Arc::new),
        };
        if let Ok(analysis) = &outcome {
            locked(&self.0.analyses).insert(key, Arc::clone(analysis));
        }
        if let Ok(operation) = locked(&self.0.operations).find_mut(&id) {
            operation.finish(outcome, self.now());
        }
    }

    async fn analyse(&self, audio: Audio, format: Format) -> Result<SpeechAnalysis, Status> {
        let broken = |error: &dyn std::fmt::Display| {
            Status::new(Code::Internal, format!("recognition failed: {error}"))
        };
        let _ear = self.0.ears.acquire().await.map_err(|error| broken(&error))?;
        let fingerprint = audio.digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        tokio::task::spawn_blocking(move || speech_detection::analyse(&audio.file, format, fingerprint))
            .await
            .map_err(|error| broken(&error))?
    }

    /// `Operation.Get`; counts as a status check.
    pub(super) fn check(&self, id: &str) -> Result<Value, Status> {
        let now = self.now();
        self.0.checks.count(now)?;
        Ok(locked(&self.0.operations).find(id)?.shown(id, now))
    }

    /// `Operation.Cancel`.
    pub(super) fn cancel(&self, id: &str) -> Result<Value, Status> {
        let now = self.now();
        let mut operations = locked(&self.0.operations);
        let operation = operations.find_mut(id)?;
        if self.behaviour().honours_cancel {
            operation.cancel(now);
        }
        Ok(operation.shown(id, now))
    }

    /// `GetRecognition`.
    pub(super) fn result(&self, id: &str) -> Result<Response, Status> {
        let (assignment, analysis) = locked(&self.0.operations).result(id, self.now())?;
        let behaviour = self.behaviour();
        let events = match (analysis.is_silent(), behaviour.silence) {
            (true, Silence::EmptyBody) => Vec::new(),
            (true, Silence::NoFinals) => vec![json!({ "result": {
                "statusCode": { "codeType": "CLOSED", "message": "" }, "channelTag": "" } })],
            (false, _) => {
                let transcript = transcribe(&analysis, &self.0.options.manifest, assignment.labeling);
                events::of(id, &transcript, &assignment, &behaviour)
            }
        };
        let pretty = match behaviour.framing {
            Framing::Pretty => true,
            Framing::Compact => false,
            Framing::Alternate => !self.0.print_compact.fetch_xor(true, Ordering::Relaxed),
        };
        Ok(stream::respond(events, pretty, behaviour.stream_break))
    }

    /// `DeleteRecognition`.
    pub(super) fn delete(&self, id: &str) -> Result<Value, Status> {
        locked(&self.0.operations).delete(id, self.now())?;
        Ok(json!({}))
    }
}
