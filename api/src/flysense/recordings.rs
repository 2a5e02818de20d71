//! Recordings on their way from a telephony to a listener.
//!
//! One of the three places where a request waits for somebody else, because its caller needs the answer; so it has a
//! time limit of its own, and so many listeners at once. FlySense gets access to the account as any vendor's
//! backend does, by PAuth over HTTP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use flysk_clients::amocrm::{AmoError, EntityType, Note, RejectionKind};
use flysk_clients::http::HttpOptions;
use flysk_clients::outbound::{self, ByteRange, FileStream, Outbound, OutboundError, StreamLimits};
use flysk_clients::platform::{self, Caller, Platform, PlatformError};
use flysk_domain::flysense::media_type::Beginning;
use flysk_domain::id::{AccountId, TranscriptionId};
use flysk_domain::platform::host::AccountHost;
use flysk_domain::trace::Trace;
use flysk_jobs::runtime::limits::{Rate, SHUT, Stood};
use flysk_runtime::config::Flysense;
use flysk_store::flysense::transcriptions::Transcription;

use super::sound_type;
use crate::config::Config;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// Until the first byte: whoever presses play does not wait longer.
const HEAD: Duration = Duration::from_secs(10);
/// A listener who pauses keeps a connection for so long at most.
const TOTAL: Duration = Duration::from_mins(30);
/// As long as recordings may be that we transcribe.
const MAX_BYTES: u64 = 1_000_000_000;
/// Listeners of one process, and of one account among them.
const LISTENERS: usize = 256;
const LISTENERS_OF_ACCOUNT: usize = 16;
/// A player asks for one range after another: the link is not read anew from amoCRM for each of them.
const LINK_LIVES: Duration = Duration::from_mins(1);
const LINKS_KEPT: usize = 1_000;
/// The bytes that tell what a recording is.
const HEAD_RANGE: &str = "bytes=0-511";
/// How long a request waits for its turn at amoCRM.
const TURN: Duration = Duration::from_secs(2);
/// After a request too many, if amoCRM does not say: it counts by the second.
const AGAIN: Duration = Duration::from_millis(1_100);

/// What streaming needs.
pub(crate) struct Recordings {
    platform: Platform,
    outbound: Outbound,
    limits: StreamLimits,
    links: Mutex<HashMap<TranscriptionId, Kept>>,
    listeners: Arc<Mutex<HashMap<AccountId, usize>>>,
}

impl std::fmt::Debug for Recordings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recordings").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What is remembered of a recording for a while. No `Debug`: a link may hold a login.
struct Kept {
    read_at: Instant,
    link: String,
    /// What its first bytes said it is, once they were read.
    beginning: Option<Beginning>,
}

impl Kept {
    fn is_fresh(&self) -> bool {
        self.read_at.elapsed() < LINK_LIVES
    }
}

/// A place among the listeners; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    listeners: Arc<Mutex<HashMap<AccountId, usize>>>,
    account: AccountId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = listeners.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                listeners.remove(&self.account);
            }
        }
    }
}

impl Recordings {
    /// Builds the clients; nothing is sent.
    pub(crate) fn new(flysense: &Flysense, config: &Config) -> anyhow::Result<Self> {
        let strangers = &config.outbound;
        let allow = strangers.allow.iter().map(|rule| rule.parse());
        Ok(Self {
            platform: Platform::new(platform::Config {
                base_url: flysense.platform_url.clone(),
                project_token: flysense.project_token.clone(),
                http: HttpOptions::with_timeout(HEAD),
            })?,
            outbound: Outbound::new(outbound::Config {
                http: HttpOptions {
                    connect_timeout: strangers.connect_timeout.min(HEAD),
                    ..HttpOptions::default()
                },
                allow: allow.collect::<Result<_, _>>().context("FLYSK_OUTBOUND_ALLOW")?,
                max_redirects: strangers.max_redirects,
            })?,
            limits: StreamLimits {
                head: HEAD,
                idle: strangers.stall_timeout,
                total: TOTAL,
                max_bytes: MAX_BYTES,
            },
            links: Mutex::default(),
            listeners: Arc::default(),
        })
    }

    /// A place for one more listener of the account.
    pub(super) fn place(&self, account: AccountId) -> Result<Place, Problem> {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, own): (usize, _) = (listeners.values().sum(), listeners.get(&account).copied());
        if all >= LISTENERS || own.is_some_and(|own| own >= LISTENERS_OF_ACCOUNT) {
            let why = "too many recordings are being listened to, try again in a moment";
            return Err(Problem::new(ProblemCode::TooManyRequests, why));
        }
        *listeners.entry(account).or_default() += 1;
        Ok(Place { listeners: Arc::clone(&self.listeners), account })
    }

    /// Opens the recording of a call, from `range` on, and tells its media type.
    pub(super) async fn open_typed(
        &self,
        deps: &Deps,
        trace: &Trace,
        call: &Transcription,
        range: Option<&ByteRange>,
    ) -> Result<(FileStream, String), Problem> {
        let mut stream = self.open(deps, trace, call, range).await?;
        let told = stream.content_type.clone();
        let beginning = if sound_type::has_beginning(&stream) {
            self.remember(call.id, sound_type::read_beginning(&mut stream).await)
        } else if stream.status == 416 || sound_type::safe_type(told.as_deref()).is_some() {
            // Of the middle nothing can be told; what its host says of it is harmless.
            Beginning::Unknown
        } else if let Some(known) = self.kept(call.id, |kept| kept.beginning) {
            known
        } else {
            let mut head = self.open(deps, trace, call, ByteRange::parse(HEAD_RANGE).as_ref()).await?;
            self.remember(call.id, sound_type::read_beginning(&mut head).await)
        };
        let media_type = sound_type::media_type(told.as_deref(), beginning)?;
        Ok((stream, media_type))
    }

    /// Opens the recording of a call, from `range` on.
    async fn open(
        &self,
        deps: &Deps,
        trace: &Trace,
        call: &Transcription,
        range: Option<&ByteRange>,
    ) -> Result<FileStream, Problem> {
        let link = match self.kept(call.id, |kept| Some(kept.link.clone())) {
            Some(link) => link,
            None => self.read_link(deps, trace, call).await?,
        };
        let opened = self.outbound.stream(&link, range, &self.limits).await;
        if opened.is_err() {
            // It may have been a signed one that ran out: the next request reads it anew.
            self.links().remove(&call.id);
        }
        opened.map_err(|error| unavailable(call, &error))
    }

    fn links(&self) -> MutexGuard<'_, HashMap<TranscriptionId, Kept>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, id: TranscriptionId, beginning: Beginning) -> Beginning {
        if let Some(kept) = self.links().get_mut(&id) {
            kept.beginning = Some(beginning);
        }
        beginning
    }

    fn kept<T>(&self, id: TranscriptionId, read: impl Fn(&Kept) -> Option<T>) -> Option<T> {
        self.links().get(&id).filter(|kept| kept.is_fresh()).and_then(read)
    }

    /// The link as the note has it now.
    async fn read_link(&self, deps: &Deps, trace: &Trace, call: &Transcription) -> Result<String, Problem> {
        let caller = Caller::Account(call.account_id);
        let access = self.platform.pauth(&caller, Some(trace)).await.map_err(|error| no_access(&error))?;
        let host = AccountHost::parse(&access.base_domain, &deps.config.amocrm.host_suffixes);
        let host = host.map_err(|error| {
            tracing::error!(error = %error, "the platform named a host we do not call");
            Problem::new(ProblemCode::Internal, "told to our operators")
        })?;
        let entity = EntityType::from_name(&call.entity_type).ok_or_else(no_recording)?;
        let note = || deps.amocrm.note(&host, &access.access_token, entity, call.note_id);
        let note = ask_in_turn(deps, call.account_id, trace, note).await?;
        let link = note.call.and_then(|call| call.link).map(|link| link.trim().to_owned());
        let link = link.filter(|link| !link.is_empty()).ok_or_else(no_recording)?;
        let mut links = self.links();
        if links.len() >= LINKS_KEPT {
            links.retain(|_, kept| kept.is_fresh());
        }
        if links.len() < LINKS_KEPT {
            let kept = Kept { read_at: Instant::now(), link: link.clone(), beginning: None };
            links.insert(call.id, kept);
        }
        Ok(link)
    }
}

/// Asks amoCRM; once more if it was asked too much in this moment, since the platform's own requests to the account stand
/// in another line.
async fn ask_in_turn<Asking>(
    deps: &Deps,
    account: AccountId,
    trace: &Trace,
    ask: impl Fn() -> Asking,
) -> Result<Note, Problem>
where
    Asking: Future<Output = Result<Note, AmoError>>,
{
    wait_for_turn(deps, account, trace).await?;
    let mut answer = ask().await;
    if let Some(RejectionKind::RateLimited { after }) = answer.as_ref().err().and_then(AmoError::kind) {
        tokio::time::sleep(after.unwrap_or(AGAIN).min(TURN)).await;
        wait_for_turn(deps, account, trace).await?;
        answer = ask().await;
    }
    if answer.as_ref().is_err_and(|error| error.kind() == Some(RejectionKind::Blocked)) {
        tracing::error!(alert = "amocrm_block", account.id = %account, "amoCRM shuts our address out");
        deps.limits.shut(account, SHUT).await;
    }
    answer.map_err(|error| unreadable(&error))
}

/// The account's limit of amoCRM is shared with workers; a listener waits a moment for a turn, but not for a block to end.
async fn wait_for_turn(deps: &Deps, account: AccountId, trace: &Trace) -> Result<(), Problem> {
    if deps.limits.shut_for(account).await.is_ok_and(|time| time.is_some()) {
        let why = "amoCRM shuts requests to this account out for now";
        return Err(Problem::new(ProblemCode::UpstreamUnavailable, why));
    }
    let rate = Rate::per_second(format!("amocrm.{account}"), deps.config.amocrm.requests_per_second);
    match deps.limits.stand(&rate, &account.to_string(), &trace.correlation_id, TURN).await {
        Ok(Stood::Served(_)) => Ok(()),
        Ok(Stood::TooLong(_)) => {
            let why = "amoCRM is being asked too much for this account, try again in a moment";
            Err(Problem::new(ProblemCode::TooManyRequests, why))
        }
        Err(error) => {
            tracing::warn!(error = %error, "limits are unreachable");
            Err(Problem::new(ProblemCode::Unavailable, "try again in a moment"))
        }
    }
}

fn no_recording() -> Problem {
    Problem::new(ProblemCode::NotFound, "the call has no recording")
}

fn unreadable(error: &AmoError) -> Problem {
    if error.kind() == Some(RejectionKind::NotFound) {
        return no_recording();
    }
    tracing::warn!(error = %error, "the note of a call cannot be read");
    Problem::new(ProblemCode::UpstreamUnavailable, "amoCRM does not give the call's note right now")
}

fn no_access(error: &PlatformError) -> Problem {
    if error.code() == Some("reconnect_required") {
        return Problem::new(
            ProblemCode::ReconnectRequired,
            "an administrator has to connect FlySense again",
        );
    }
    tracing::warn!(error = %error, "no access to the account of a recording");
    Problem::new(ProblemCode::UpstreamUnavailable, "there is no access to the account right now")
}

fn unavailable(call: &Transcription, error: &OutboundError) -> Problem {
    tracing::info!(transcription.id = %call.id, error = %error, "a recording cannot be played");
    let why = match error {
        OutboundError::NotYet { .. } => return no_recording(),
        OutboundError::BadUrl(_) => "its link is no http or https address",
        OutboundError::ForbiddenAddress => "its link leads into a network that is not public",
        OutboundError::TooLarge { .. } => "it is larger than 1 GB",
        OutboundError::Tls(_) => "its host's certificate is not accepted",
        OutboundError::TimedOut | OutboundError::Connect(_) => "its host is away",
        OutboundError::TooManyRedirects { .. } => "its link redirects too often, perhaps to log in",
        OutboundError::Status { status: 401 | 407, .. } => {
            "its host asks for a login, or does not take the one in the link"
        }
        _ => "its host does not answer as it should",
    };
    Problem::new(ProblemCode::RecordingUnavailable, why)
}
