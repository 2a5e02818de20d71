//! FlySense for job handlers: clients, limits and settings.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use flysk_audio::{DecoderPool, Ffmpeg, Isolation, Limits as AudioLimits, Options as AudioOptions, Program};
use flysk_clients::amocrm::AmoCrm;
use flysk_clients::flysk_api::{Caller, FlyskApi, FlyskApiError, InstallStatus, PauthAccess};
use flysk_clients::http::HttpOptions;
use flysk_clients::outbound::DownloadLimits;
use flysk_clients::speechkit::SpeechKit;
use flysk_clients::storage::Storage;
use flysk_clients::yandex::YandexCredentials;
use flysk_clients::yandexgpt::YandexGpt;
use flysk_clients::{flysk_api, speechkit, yandexgpt};
use flysk_domain::flysense::polling::PollSchedule;
use flysk_domain::id::AccountId;
use flysk_domain::platform::host::AccountHost;
use flysk_domain::trace::Trace;
use flysk_queue::JobError;
use flysk_queue::limits::{ConcurrencyLimit, RateLimit};

use super::bots::Bots;
use super::storage::open_storage;
use crate::config::{Config, FlysenseConfig};
use crate::job_error::job_error;

/// The command of `flysk-worker` that decodes recordings, as a child of a worker.
pub const DECODE_COMMAND: &str = "audio:decode";

/// How late a poll may run before the call's permit expires.
const LATE_POLL_ALLOWANCE: Duration = Duration::from_mins(10);

/// Clients, limits and settings of FlySense.
#[derive(Debug)]
pub struct FlySense {
    /// The platform's public API.
    pub platform: FlyskApi,
    /// Client of amoCRM; the platform provides access tokens.
    pub amocrm: AmoCrm,
    /// Object storage for audio during recognition.
    pub storage: Storage,
    /// Speech recognition.
    pub speechkit: SpeechKit,
    /// Client for summaries, and the URI of its model.
    pub yandexgpt: Option<(YandexGpt, String)>,
    /// Limits and tools of decoding.
    pub audio: AudioOptions,
    /// The child processes for decoding.
    pub decoders: DecoderPool,
    /// Limits of recording downloads.
    pub download: DownloadLimits,
    /// Time after the call note for which a recording may still be incomplete.
    pub recording_settle: chrono::Duration,
    /// Maximum runs of one call per day.
    pub runs_per_day: u32,
    /// Scratch directory; its files may be lost at any time.
    pub scratch: PathBuf,
    /// Model, classifiers and quotas of recognition.
    pub recognition: flysk_config::SpeechKit,
    /// Polling schedule of recognitions.
    pub polls: PollSchedule,
    /// Bots in messengers.
    pub bots: Bots,
    host_suffixes: Vec<String>,
    amocrm_per_second: u32,
    gpt_concurrency: u32,
}

impl FlySense {
    /// Builds the clients. Sends nothing.
    pub fn new(parts: &FlysenseConfig, config: &Config, amocrm: AmoCrm) -> anyhow::Result<Self> {
        let speech = &parts.speechkit;
        let credentials = YandexCredentials::with_api_key(speech.api_key.clone());
        let speechkit = SpeechKit::new(speechkit::Config {
            stt_url: speech.stt_url.clone(),
            operation_url: speech.operation_url.clone(),
            credentials,
            http: HttpOptions::with_timeout(Duration::from_secs(20)),
            max_result_bytes: 64 << 20,
        })?;
        let yandexgpt = parts.yandexgpt.as_ref().map(open_yandexgpt).transpose()?;
        Ok(Self {
            platform: FlyskApi::new(flysk_api::Config {
                base_url: parts.platform.platform_url.clone(),
                project_token: parts.platform.project_token.clone(),
                http: HttpOptions::with_timeout(Duration::from_secs(25)),
            })?,
            amocrm,
            storage: open_storage(&parts.storage),
            speechkit,
            gpt_concurrency: parts.yandexgpt.as_ref().map_or(1, |gpt| gpt.concurrency),
            yandexgpt,
            audio: AudioOptions {
                limits: AudioLimits {
                    max_bytes: parts.audio.max_bytes,
                    max_duration_ms: parts.audio.max_duration_ms,
                    max_decode_time: parts.audio.decode_timeout,
                },
                ffmpeg: parts.audio.ffmpeg.clone().map(|path| Ffmpeg { path }),
                launcher: None,
            },
            decoders: DecoderPool::new(Isolation {
                program: Program {
                    path: std::env::current_exe().context("path of the current executable")?,
                    args: vec![DECODE_COMMAND.to_owned()],
                },
                max_memory_bytes: parts.audio.decode_memory_bytes,
            }),
            download: DownloadLimits {
                max_bytes: parts.audio.max_bytes,
                total: config.outbound.total_timeout,
                idle: config.outbound.stall_timeout,
                ..DownloadLimits::default()
            },
            recording_settle: chrono::Duration::from_std(parts.platform.recording_settle)?,
            runs_per_day: parts.platform.runs_per_day,
            scratch: config.worker.scratch_dir.clone(),
            recognition: speech.clone(),
            polls: speech.polls,
            bots: Bots::new(parts.telegram.as_ref(), parts.max.as_ref(), &config.http.public_url)?,
            host_suffixes: config.amocrm.host_suffixes.clone(),
            amocrm_per_second: config.amocrm.requests_per_second,
        })
    }

    /// A valid access token of an account, with the status of FlySense's install.
    ///
    /// [`AccessError::Disconnected`] if FlySense is not active there or must be reconnected.
    pub async fn access(&self, account: AccountId, trace: &Trace) -> Result<PauthAccess, AccessError> {
        match self.platform.pauth(&Caller::Account(account), Some(trace)).await {
            Ok(access) if access.install_status == InstallStatus::Active => Ok(access),
            Ok(_) => Err(AccessError::Disconnected),
            Err(error) if is_disconnected(&error) => Err(AccessError::Disconnected),
            Err(error) => Err(AccessError::Job(job_error(error.outcome(), &error))),
        }
    }

    /// Reports to the platform that amoCRM refused the access token of an account, so that the next attempt gets another one. A
    /// failure is logged only: the next attempt requests a token anyway.
    pub async fn report_refusal(&self, account: AccountId, access: &PauthAccess, trace: &Trace) {
        let caller = Caller::Account(account);
        let told = self.platform.pauth_after_refusal(&caller, &access.access_token, Some(trace)).await;
        if let Err(error) = told {
            tracing::warn!(account.id = %account, %error, "a refused access token was not renewed");
        }
    }

    /// Host for API calls of an account, checked against the allow-list again.
    pub fn host(&self, access: &PauthAccess) -> Result<AccountHost, JobError> {
        let suffixes: Vec<&str> = self.host_suffixes.iter().map(String::as_str).collect();
        AccountHost::parse(&access.base_domain, &suffixes).map_err(|error| {
            JobError::give_up(format!("the platform returned a host that is not allowed: {error}"))
        })
    }

    /// amoCRM's limit for one account. Source: amoCRM docs, `api/recommendations` (7/s).
    pub fn amocrm_rate(&self, account: AccountId) -> RateLimit {
        RateLimit::per_second(format!("amocrm.{account}"), self.amocrm_per_second)
    }

    /// SpeechKit's quota of submissions.
    pub fn submit_rate(&self) -> RateLimit {
        RateLimit::new("speechkit.submit", self.recognition.submits_per_hour, Duration::from_hours(1))
    }

    /// SpeechKit's quota of status checks.
    pub fn status_rate(&self) -> RateLimit {
        RateLimit::per_second("speechkit.status", self.recognition.status_checks_per_second)
    }

    /// SpeechKit's quota of recognitions with a language model. A permit is held from before the submission until the
    /// operation has ended, and is renewed at each poll.
    pub fn summarization_limit(&self) -> ConcurrencyLimit {
        let longest_call = i64::try_from(self.audio.limits.max_duration_ms).unwrap_or(i64::MAX);
        let first_look = self.polls.wait_after(0, chrono::Duration::milliseconds(longest_call));
        let between_looks = first_look.max(self.polls.longest_interval).to_std().unwrap_or_default();
        ConcurrencyLimit {
            name: "speechkit.summarization".to_owned(),
            permits: self.recognition.summarization_concurrency,
            permit_ttl: between_looks + LATE_POLL_ALLOWANCE,
            close_when_held_longer_than: None,
        }
    }

    /// YandexGPT's quota of concurrent requests. A permit is held for all requests about a call and renewed before each.
    pub fn gpt_limit(&self) -> ConcurrencyLimit {
        ConcurrencyLimit {
            name: "yandexgpt".to_owned(),
            permits: self.gpt_concurrency,
            permit_ttl: Duration::from_mins(2),
            close_when_held_longer_than: None,
        }
    }

    /// Whether calls get a summary in the normal case, from SpeechKit's model or from YandexGPT.
    pub fn summarises(&self) -> bool {
        self.yandexgpt.is_some() || self.recognition.summarization_model_uri.is_some()
    }

    /// Delay until the next poll of a recognition submitted at `submitted_at`.
    pub fn next_poll(
        &self,
        submitted_at: DateTime<Utc>,
        now: DateTime<Utc>,
        audio_ms: u64,
    ) -> flysk_domain::flysense::polling::NextPoll {
        let audio = chrono::Duration::milliseconds(i64::try_from(audio_ms).unwrap_or(i64::MAX));
        self.polls.next_poll_after(submitted_at, now, audio)
    }
}

/// The client of YandexGPT, and the URI of its model.
fn open_yandexgpt(settings: &flysk_config::YandexGpt) -> anyhow::Result<(YandexGpt, String)> {
    let client = YandexGpt::new(yandexgpt::Config {
        base_url: settings.url.clone(),
        credentials: YandexCredentials::with_api_key(settings.api_key.clone()),
        http: HttpOptions::with_timeout(Duration::from_secs(90)),
    })?;
    Ok((client, settings.model_uri.clone()))
}

/// Reason for missing access.
#[derive(Debug)]
pub enum AccessError {
    /// An administrator must reconnect or activate FlySense.
    Disconnected,
    /// Any other failure.
    Job(JobError),
}

/// Error codes of the platform that only an administrator can resolve.
fn is_disconnected(error: &FlyskApiError) -> bool {
    matches!(error.code(), Some("install_not_found" | "install_not_active" | "reconnect_required"))
}
