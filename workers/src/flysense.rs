//! FlySense as its handlers see it: one vendor's product, reaching the platform only over HTTP.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use flysk_audio::{Confinement, Ffmpeg, Limits as AudioLimits, Options as AudioOptions, Program};
use flysk_clients::amocrm::AmoCrm;
use flysk_clients::http::HttpOptions;
use flysk_clients::outbound::DownloadLimits;
use flysk_clients::platform::{Access, Caller, InstallStatus, Platform, PlatformError};
use flysk_clients::speechkit::SpeechKit;
use flysk_clients::storage::Storage;
use flysk_clients::yandex::Account;
use flysk_clients::yandexgpt::YandexGpt;
use flysk_clients::{platform, speechkit, storage, yandexgpt};
use flysk_domain::flysense::polling::PollSchedule;
use flysk_domain::id::AccountId;
use flysk_domain::platform::host::AccountHost;
use flysk_domain::trace::Trace;
use flysk_jobs::JobError;
use flysk_jobs::runtime::limits::{Rate, Room};

use crate::config::{Config, FlysenseConfig};
use crate::outcome::job_error;

/// The command of `flysk-worker` that decodes a recording, as a child of a worker.
pub const DECODE_COMMAND: &str = "audio:decode";

/// How late a look may come before its call's place is somebody else's.
const LATE_LOOK: Duration = Duration::from_mins(10);

/// Clients, limits and settings of FlySense.
#[derive(Debug)]
pub struct FlySense {
    /// The platform's public API.
    pub platform: Platform,
    /// amoCRM, with access tokens the platform gives.
    pub amocrm: AmoCrm,
    /// Where audio lies while it is recognised.
    pub storage: Storage,
    /// Recognition.
    pub speechkit: SpeechKit,
    /// Summaries, and the model that writes them.
    pub yandexgpt: Option<(YandexGpt, String)>,
    /// Decoding.
    pub audio: AudioOptions,
    /// The process it is done in.
    pub confinement: Confinement,
    /// Less speech than this is none.
    pub min_speech_ms: u64,
    /// How recordings are downloaded.
    pub download: DownloadLimits,
    /// How long after a call's note its recording may be unfinished.
    pub recording_settle: chrono::Duration,
    /// Files that may be lost at any time.
    pub scratch: PathBuf,
    /// Model, classifiers and quotas of recognition.
    pub recognition: flysk_runtime::config::SpeechKit,
    /// When to look at a recognition.
    pub polls: PollSchedule,
    host_suffixes: Vec<String>,
    amocrm_per_second: u32,
    gpt_at_once: u32,
}

impl FlySense {
    /// Builds the clients; nothing is sent.
    pub fn new(parts: &FlysenseConfig, config: &Config, amocrm: AmoCrm) -> anyhow::Result<Self> {
        let speech = &parts.speechkit;
        let account = Account::with_api_key(speech.api_key.clone());
        let speechkit = SpeechKit::new(speechkit::Config {
            stt_url: speech.stt_url.clone(),
            operation_url: speech.operation_url.clone(),
            account,
            http: HttpOptions::with_timeout(Duration::from_secs(20)),
            max_result_bytes: 64 << 20,
        })?;
        let yandexgpt = parts
            .yandexgpt
            .as_ref()
            .map(|gpt| {
                let client = YandexGpt::new(yandexgpt::Config {
                    base_url: gpt.url.clone(),
                    account: Account::with_api_key(gpt.api_key.clone()),
                    http: HttpOptions::with_timeout(Duration::from_secs(90)),
                })?;
                anyhow::Ok((client, gpt.model_uri.clone()))
            })
            .transpose()?;
        let store = &parts.storage;
        Ok(Self {
            platform: Platform::new(platform::Config {
                base_url: parts.platform.platform_url.clone(),
                project_token: parts.platform.project_token.clone(),
                http: HttpOptions::with_timeout(Duration::from_secs(25)),
            })?,
            amocrm,
            storage: Storage::new(storage::Config {
                endpoint: store.endpoint.clone(),
                region: store.region.clone(),
                bucket: store.bucket.clone(),
                access_key_id: store.access_key_id.clone(),
                secret_access_key: store.secret_access_key.clone(),
                connect_timeout: Duration::from_secs(5),
                operation_timeout: Duration::from_secs(30),
                upload_timeout: Duration::from_mins(10),
            }),
            speechkit,
            gpt_at_once: parts.yandexgpt.as_ref().map_or(1, |gpt| gpt.at_once),
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
            confinement: Confinement {
                program: Program {
                    path: std::env::current_exe().context("where this program lies")?,
                    args: vec![DECODE_COMMAND.to_owned()],
                },
                max_memory_bytes: parts.audio.decode_memory_bytes,
            },
            min_speech_ms: parts.audio.min_speech_ms,
            download: DownloadLimits {
                max_bytes: parts.audio.max_bytes,
                total: config.outbound.total_timeout,
                idle: config.outbound.stall_timeout,
                ..DownloadLimits::default()
            },
            recording_settle: chrono::Duration::from_std(parts.platform.recording_settle)?,
            scratch: config.worker.scratch_dir.clone(),
            recognition: speech.clone(),
            polls: speech.polls,
            host_suffixes: config.amocrm.host_suffixes.clone(),
            amocrm_per_second: config.amocrm.requests_per_second,
        })
    }

    /// A live access token of an account and what our install there may do.
    ///
    /// An account that is switched off or has to be reconnected is [`Refusal::Disconnected`].
    pub async fn access(&self, account: AccountId, trace: &Trace) -> Result<Access, Refusal> {
        match self.platform.pauth(&Caller::Account(account), Some(trace)).await {
            Ok(access) if access.install_status == InstallStatus::Active => Ok(access),
            Ok(_) => Err(Refusal::Disconnected),
            Err(error) if is_disconnected(&error) => Err(Refusal::Disconnected),
            Err(error) => Err(Refusal::Job(job_error(error.outcome(), &error))),
        }
    }

    /// The host API calls of an account go to, held against the allow-list once more.
    pub fn host(&self, access: &Access) -> Result<AccountHost, JobError> {
        let suffixes: Vec<&str> = self.host_suffixes.iter().map(String::as_str).collect();
        AccountHost::parse(&access.base_domain, &suffixes)
            .map_err(|error| JobError::give_up(format!("the platform named a host we do not call: {error}")))
    }

    /// amoCRM's limit for one account. Source: amoCRM docs, `api/recommendations` (7 a second).
    pub fn amocrm_rate(&self, account: AccountId) -> Rate {
        Rate::per_second(format!("amocrm.{account}"), self.amocrm_per_second)
    }

    /// SpeechKit's quota of submits.
    pub fn submit_rate(&self) -> Rate {
        Rate::new("speechkit.submit", self.recognition.submits_per_hour, Duration::from_hours(1))
    }

    /// SpeechKit's quota of status checks.
    pub fn status_rate(&self) -> Rate {
        Rate::per_second("speechkit.status", self.recognition.status_checks_per_second)
    }

    /// SpeechKit's quota of recognitions with a language model. A place is held from before the submit until the
    /// operation has ended, and is kept from one look at it to the next.
    pub fn summarization_room(&self) -> Room {
        let longest_call = i64::try_from(self.audio.limits.max_duration_ms).unwrap_or(i64::MAX);
        let first_look = self.polls.wait_after(0, chrono::Duration::milliseconds(longest_call));
        let between_looks = first_look.max(self.polls.longest_interval).to_std().unwrap_or_default();
        Room {
            name: "speechkit.summarization".to_owned(),
            places: self.recognition.summarizations_at_once,
            kept_for: between_looks + LATE_LOOK,
            closes_after: None,
        }
    }

    /// YandexGPT's quota of questions at a time. A place is held for all questions about a call, and renewed before each.
    pub fn gpt_room(&self) -> Room {
        Room {
            name: "yandexgpt".to_owned(),
            places: self.gpt_at_once,
            kept_for: Duration::from_mins(2),
            closes_after: None,
        }
    }

    /// Whether a call gets a summary, by SpeechKit's model or by YandexGPT, if all goes well.
    pub fn summarises(&self) -> bool {
        self.yandexgpt.is_some() || self.recognition.summarization_model_uri.is_some()
    }

    /// When to look next at a recognition submitted at `submitted_at`.
    pub fn next_look(
        &self,
        submitted_at: DateTime<Utc>,
        now: DateTime<Utc>,
        audio_ms: u64,
    ) -> flysk_domain::flysense::polling::NextLook {
        let audio = chrono::Duration::milliseconds(i64::try_from(audio_ms).unwrap_or(i64::MAX));
        self.polls.next_look_after(submitted_at, now, audio)
    }
}

/// Why there is no access.
#[derive(Debug)]
pub enum Refusal {
    /// An administrator has to act first.
    Disconnected,
    /// Anything else.
    Job(JobError),
}

/// Codes of the platform that only an administrator can change.
fn is_disconnected(error: &PlatformError) -> bool {
    matches!(error.code(), Some("install_not_found" | "install_not_active" | "reconnect_required"))
}
