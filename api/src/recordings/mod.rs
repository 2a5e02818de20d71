//! Streams recordings from the telephony provider to listeners.
//!
//! A request here waits for an outside service, because its caller needs the result (`docs/architecture.md` lists all such
//! requests). So it has its own timeouts, and the number of listeners is limited. FlySense gets access to the account like
//! any vendor's backend: by PAuth over HTTP.

mod listeners;
mod note_reader;
mod sound_type;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use flysk_clients::amocrm::AmoCrm;
use flysk_clients::flysk_api::{self, FlyskApi};
use flysk_clients::http::HttpOptions;
use flysk_clients::outbound::{self, ByteRange, FileStream, Outbound, OutboundError, StreamLimits};
use flysk_clients::storage::{self, Storage};
use flysk_config::Flysense;
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::failure_cause::FailureCause;
use flysk_domain::flysense::media_type::{Beginning, tell};
use flysk_domain::flysense::playability::plays_in_browsers;
use flysk_domain::id::{AccountId, TranscriptionId};
use flysk_domain::trace::Trace;
use flysk_queue::limits::RateLimiter;
use flysk_store::flysense::transcriptions::Transcription;

use self::listeners::Listeners;
use self::note_reader::NoteReader;
use crate::config::Config;
use crate::problem::{Problem, ProblemCode};

pub(crate) use self::listeners::ListenerPermit;

/// Timeout until the first byte of the recording.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum duration of a stream, including pauses of the listener.
const MAX_STREAM_DURATION: Duration = Duration::from_mins(30);
/// Maximum size of a recording, in bytes; the same as for transcriptions.
const MAX_BYTES: u64 = 1_000_000_000;
/// Lifetime of a cached link. A player requests many ranges; the link is not read from amoCRM for each of them.
const LINK_TTL: Duration = Duration::from_mins(1);
const MAX_CACHED_LINKS: usize = 1_000;
/// Range of bytes from which the media type is detected.
const SNIFF_RANGE: &str = "bytes=0-511";

/// Clients, cached links and listener counts of the process.
pub(crate) struct Recordings {
    notes: NoteReader,
    outbound: Outbound,
    /// Copies that browsers can play.
    storage: Option<Storage>,
    limits: StreamLimits,
    links: Mutex<HashMap<TranscriptionId, CachedLink>>,
    listeners: Listeners,
}

impl std::fmt::Debug for Recordings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recordings").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// A cached link of a recording. No `Debug`: a link may contain a login.
struct CachedLink {
    read_at: Instant,
    link: String,
    /// Content type detected from the first bytes; `None` until they were read.
    beginning: Option<Beginning>,
}

impl CachedLink {
    fn is_fresh(&self) -> bool {
        self.read_at.elapsed() < LINK_TTL
    }
}

/// Why a recording cannot be had, as users read it.
pub(crate) type RecordingFailure = (FailureCode, Option<FailureCause>);

/// Playability of a recording at its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probe {
    /// Browsers play its format.
    pub(crate) plays: bool,
    /// The host answers ranges, so a browser can seek.
    pub(crate) has_ranges: bool,
}

/// A recording cannot be opened.
enum OpenError {
    /// The host's answer.
    Host(OutboundError),
    /// There is no note, or no link in it.
    NoLink,
    /// Anything else.
    Problem(Problem),
}

impl From<Problem> for OpenError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl Recordings {
    /// Creates the clients. Sends no request.
    pub(crate) fn new(
        flysense: &Flysense,
        config: &Config,
        amocrm: AmoCrm,
        limits: RateLimiter,
    ) -> anyhow::Result<Self> {
        let outbound = &config.outbound;
        let allow = outbound.allow.iter().map(|rule| rule.parse());
        Ok(Self {
            notes: NoteReader {
                platform: FlyskApi::new(flysk_api::Config {
                    base_url: flysense.platform_url.clone(),
                    project_token: flysense.project_token.clone(),
                    http: HttpOptions::with_timeout(FIRST_BYTE_TIMEOUT),
                })?,
                amocrm,
                limits,
                host_suffixes: config.amocrm.host_suffixes.clone(),
                requests_per_second: config.amocrm.requests_per_second,
            },
            outbound: Outbound::new(outbound::Config {
                http: HttpOptions {
                    connect_timeout: outbound.connect_timeout.min(FIRST_BYTE_TIMEOUT),
                    ..HttpOptions::default()
                },
                allow: allow.collect::<Result<_, _>>().context("FLYSK_OUTBOUND_ALLOW")?,
                max_redirects: outbound.max_redirects,
            })?,
            storage: config.storage.as_ref().map(open_storage),
            limits: StreamLimits {
                head: FIRST_BYTE_TIMEOUT,
                idle: outbound.stall_timeout,
                total: MAX_STREAM_DURATION,
                max_bytes: MAX_BYTES,
            },
            links: Mutex::default(),
            listeners: Listeners::default(),
        })
    }

    /// The storage of copies.
    pub(crate) fn storage(&self) -> Result<&Storage, Problem> {
        let unconfigured = || Problem::new(ProblemCode::Internal, "quote X-Request-Id to support");
        self.storage.as_ref().ok_or_else(unconfigured)
    }

    /// Reads the beginning of a recording to tell whether a browser can play it from its host. The inner error is why there is
    /// no recording.
    pub(crate) async fn probe(
        &self,
        trace: &Trace,
        call: &Transcription,
    ) -> Result<Result<Probe, RecordingFailure>, Problem> {
        let opened = self.request(trace, call, ByteRange::parse(SNIFF_RANGE).as_ref()).await;
        let mut stream = match opened {
            Ok(stream) => stream,
            Err(OpenError::Host(error)) => return Ok(Err(error.failure())),
            Err(OpenError::NoLink) => return Ok(Err((FailureCode::LinkMissing, None))),
            Err(OpenError::Problem(problem)) => return Err(problem),
        };
        let has_ranges = stream.status == 206;
        let head = sound_type::read_head(&mut stream).await;
        if tell(&head) == Beginning::Document {
            return Ok(Err((FailureCode::NotAudio, Some(FailureCause::LoginPage))));
        }
        Ok(Ok(Probe { plays: plays_in_browsers(&head), has_ranges }))
    }

    /// Acquires a permit for one more listener of the account; fails with `too_many_requests` at a limit.
    pub(crate) fn acquire_listener_permit(&self, account: AccountId) -> Result<ListenerPermit, Problem> {
        self.listeners.acquire(account)
    }

    /// Opens the recording of a call and determines its media type. `range` is forwarded to the host.
    pub(crate) async fn open_typed(
        &self,
        trace: &Trace,
        call: &Transcription,
        range: Option<&ByteRange>,
    ) -> Result<(FileStream, String), Problem> {
        let mut stream = self.open(trace, call, range).await?;
        let declared = stream.content_type.clone();
        let beginning = if sound_type::has_beginning(&stream) {
            self.cache_beginning(call.id, sound_type::read_beginning(&mut stream).await)
        } else if stream.status == 416 || sound_type::safe_type(declared.as_deref()).is_some() {
            // The type cannot be detected from a middle part. The declared type is safe.
            Beginning::Unknown
        } else if let Some(known) = self.cached(call.id, |cached| cached.beginning) {
            known
        } else {
            let mut head = self.open(trace, call, ByteRange::parse(SNIFF_RANGE).as_ref()).await?;
            self.cache_beginning(call.id, sound_type::read_beginning(&mut head).await)
        };
        let media_type = sound_type::media_type(declared.as_deref(), beginning)?;
        Ok((stream, media_type))
    }

    /// Opens the recording of a call. `range` is forwarded to the host.
    async fn open(
        &self,
        trace: &Trace,
        call: &Transcription,
        range: Option<&ByteRange>,
    ) -> Result<FileStream, Problem> {
        self.request(trace, call, range).await.map_err(|error| match error {
            OpenError::Host(error) => recording_problem(call, &error),
            OpenError::NoLink => no_recording(),
            OpenError::Problem(problem) => problem,
        })
    }

    /// Requests the recording from its host.
    async fn request(
        &self,
        trace: &Trace,
        call: &Transcription,
        range: Option<&ByteRange>,
    ) -> Result<FileStream, OpenError> {
        let link = match self.cached(call.id, |cached| Some(cached.link.clone())) {
            Some(link) => link,
            None => self.read_link(trace, call).await?.ok_or(OpenError::NoLink)?,
        };
        let opened = self.outbound.stream(&link, range, &self.limits).await;
        if opened.is_err() {
            // A signed link may have expired: the next request reads the link from amoCRM again.
            self.links().remove(&call.id);
        }
        opened.map_err(OpenError::Host)
    }

    fn links(&self) -> MutexGuard<'_, HashMap<TranscriptionId, CachedLink>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cache_beginning(&self, id: TranscriptionId, beginning: Beginning) -> Beginning {
        if let Some(cached) = self.links().get_mut(&id) {
            cached.beginning = Some(beginning);
        }
        beginning
    }

    fn cached<T>(&self, id: TranscriptionId, read: impl Fn(&CachedLink) -> Option<T>) -> Option<T> {
        self.links().get(&id).filter(|cached| cached.is_fresh()).and_then(read)
    }

    /// Reads the link from the call's note in amoCRM and caches it; `None` if there is no note, or no link in it.
    async fn read_link(&self, trace: &Trace, call: &Transcription) -> Result<Option<String>, Problem> {
        let Some(note) = self.notes.read(trace, call).await? else { return Ok(None) };
        let link = note.call.and_then(|call| call.link).map(|link| link.trim().to_owned());
        let Some(link) = link.filter(|link| !link.is_empty()) else { return Ok(None) };
        let mut links = self.links();
        if links.len() >= MAX_CACHED_LINKS {
            links.retain(|_, cached| cached.is_fresh());
        }
        if links.len() < MAX_CACHED_LINKS {
            let cached = CachedLink { read_at: Instant::now(), link: link.clone(), beginning: None };
            links.insert(call.id, cached);
        }
        Ok(Some(link))
    }
}

/// Builds the client of the storage of copies. Sends no request.
fn open_storage(parts: &flysk_config::Storage) -> Storage {
    Storage::new(storage::Config {
        endpoint: parts.endpoint.clone(),
        bucket: parts.bucket.clone(),
        access_key_id: parts.access_key_id.clone(),
        secret_access_key: parts.secret_access_key.clone(),
        connect_timeout: FIRST_BYTE_TIMEOUT,
        operation_timeout: FIRST_BYTE_TIMEOUT,
        upload_timeout: FIRST_BYTE_TIMEOUT,
    })
}

fn no_recording() -> Problem {
    Problem::new(ProblemCode::NotFound, "the call has no recording")
}

fn recording_problem(call: &Transcription, error: &OutboundError) -> Problem {
    tracing::info!(transcription.id = %call.id, error = %error, "cannot stream a recording");
    let why = match error {
        OutboundError::NotYet { .. } => return no_recording(),
        OutboundError::BadUrl(_) => "the recording's link is not an http or https URL",
        OutboundError::ForbiddenAddress => "the recording's link points to a non-public network",
        OutboundError::TooLarge { .. } => "the recording is larger than 1 GB",
        OutboundError::Tls(_) => "the certificate of the recording's host is not valid",
        OutboundError::TimedOut | OutboundError::Connect(_) => "the recording's host does not respond",
        OutboundError::TooManyRedirects { .. } => {
            "the recording's link redirects too often, possibly to a login page"
        }
        OutboundError::Status { status: 401 | 407, .. } => {
            "the recording's host requires a login or rejects the one in the link"
        }
        _ => "the recording's host returned an error",
    };
    Problem::new(ProblemCode::RecordingUnavailable, why)
}
