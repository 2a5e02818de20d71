//! Yandex SpeechKit API v3: asynchronous recognition of files.

use chrono::Duration;
use flysk_domain::flysense::polling::PollSchedule;
use secrecy::SecretString;
use url::Url;

use super::{ConfigError, Env, Variable};

/// The classifiers of SpeechKit's speech analysis for Russian.
const KNOWN_CLASSIFIERS: [&str; 9] = [
    "formal_greeting",
    "informal_greeting",
    "formal_farewell",
    "informal_farewell",
    "insult",
    "profanity",
    "gender",
    "negative",
    "answerphone",
];

const STT_URL: Variable = Variable::with_default(
    "FLYSK_SPEECHKIT_STT_URL",
    "https://stt.api.cloud.yandex.net",
    "Base URL of the recognizer: starts recognitions and returns their results.",
);
const OPERATION_URL: Variable = Variable::with_default(
    "FLYSK_SPEECHKIT_OPERATION_URL",
    "https://operation.api.cloud.yandex.net",
    "Base URL of the operation service, which returns the state of a recognition.",
);
const API_KEY: Variable = Variable::required(
    "FLYSK_SPEECHKIT_API_KEY",
    "development",
    "API key of a service account with roles ai.speechkit-stt.user, and storage.viewer on the bucket.",
)
.secret("create an API key of the service account: yc iam api-key create");
const MODEL: Variable = Variable::with_default(
    "FLYSK_SPEECHKIT_MODEL",
    "general",
    "Recognition model: general, general:rc, or deferred-general (cheaper, takes up to a day).",
);
const CLASSIFIERS: Variable = Variable::with_default(
    "FLYSK_SPEECHKIT_CLASSIFIERS",
    "formal_greeting,informal_greeting,formal_farewell,informal_farewell,insult,profanity,negative,answerphone",
    "Classifiers applied to each utterance (Russian only), or `none`.",
);
const SUMMARIZATION_MODEL_URI: Variable = Variable::optional(
    "FLYSK_SPEECHKIT_SUMMARIZATION_MODEL_URI",
    "gpt://<folder id>/yandexgpt-lite/latest",
    "Model for summaries by SpeechKit; needs role ai.languageModels.user, and its quota is 2 concurrent recognitions.\n\
     Without it, YandexGPT writes the summaries if it is configured.",
);
const SUBMITS_PER_HOUR: Variable = Variable::with_default(
    "FLYSK_SPEECHKIT_SUBMITS_PER_HOUR",
    "500",
    "Rate limit of recognitions per hour, across all workers: SpeechKit's quota.",
);
const STATUS_CHECKS_PER_SECOND: Variable = Variable::with_default(
    "FLYSK_SPEECHKIT_STATUS_CHECKS_PER_SECOND",
    "5",
    "Rate limit of state checks per second, across all workers: SpeechKit's quota.",
);
const SUMMARIZATION_CONCURRENCY: Variable = Variable::with_default(
    "FLYSK_SPEECHKIT_SUMMARIZATION_CONCURRENCY",
    "2",
    "Concurrency limit of recognitions with a summary, across all workers: SpeechKit's quota.",
);
const POLL_FIRST_MS: Variable = Variable::with_default(
    "FLYSK_SPEECHKIT_POLL_FIRST_MS",
    "5000",
    "Minimum delay of the first poll of a recognition, in milliseconds; longer for long calls (a sixth of their length).",
);
const POLL_EVERY_MS: Variable = Variable::with_default(
    "FLYSK_SPEECHKIT_POLL_EVERY_MS",
    "10000",
    "Interval of later polls, in milliseconds; it grows by half with each poll, up to six times this value.",
);
const POLL_AUDIO_PER_WAIT: Variable = Variable::with_default(
    "FLYSK_SPEECHKIT_POLL_AUDIO_PER_WAIT",
    "6",
    "Expected recognition speed-up over real time; decides when the first poll happens.",
);
const DEADLINE_SECONDS: Variable = Variable::with_default(
    "FLYSK_SPEECHKIT_DEADLINE_SECONDS",
    "86400",
    "Deadline of a recognition, in seconds; then it has failed. Use 93600 with the deferred model.",
);

pub(super) const VARIABLES: &[Variable] = &[
    STT_URL,
    OPERATION_URL,
    API_KEY,
    MODEL,
    CLASSIFIERS,
    SUMMARIZATION_MODEL_URI,
    SUBMITS_PER_HOUR,
    STATUS_CHECKS_PER_SECOND,
    SUMMARIZATION_CONCURRENCY,
    POLL_FIRST_MS,
    POLL_EVERY_MS,
    POLL_AUDIO_PER_WAIT,
    DEADLINE_SECONDS,
];

/// Access to SpeechKit, its quotas and the polling schedule. Source of the quotas: SpeechKit docs, "Quotas and limits".
#[derive(Debug, Clone)]
pub struct SpeechKit {
    /// `FLYSK_SPEECHKIT_STT_URL`: base URL of the recognizer.
    pub stt_url: Url,
    /// `FLYSK_SPEECHKIT_OPERATION_URL`: base URL of the operation service.
    pub operation_url: Url,
    /// `FLYSK_SPEECHKIT_API_KEY`: sent as `Authorization: Api-Key …`.
    pub api_key: SecretString,
    /// `FLYSK_SPEECHKIT_MODEL`: recognition model.
    pub model: String,
    /// `FLYSK_SPEECHKIT_CLASSIFIERS`: names of the classifiers to apply.
    pub classifiers: Vec<String>,
    /// `FLYSK_SPEECHKIT_SUMMARIZATION_MODEL_URI`: model of SpeechKit's summaries; `None` disables them.
    pub summarization_model_uri: Option<String>,
    /// `FLYSK_SPEECHKIT_SUBMITS_PER_HOUR`: rate limit of recognitions.
    pub submits_per_hour: u32,
    /// `FLYSK_SPEECHKIT_STATUS_CHECKS_PER_SECOND`: rate limit of state checks.
    pub status_checks_per_second: u32,
    /// `FLYSK_SPEECHKIT_SUMMARIZATION_CONCURRENCY`: concurrency limit of recognitions with a summary.
    pub summarization_concurrency: u32,
    /// `FLYSK_SPEECHKIT_POLL_FIRST_MS`, `…_POLL_EVERY_MS`, `…_POLL_AUDIO_PER_WAIT`, `…_DEADLINE_SECONDS`: polling
    /// schedule of a recognition.
    pub polls: PollSchedule,
}

impl SpeechKit {
    /// Reads the variables of SpeechKit.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let stt_url = vars.base_url(&STT_URL);
            let operation_url = vars.base_url(&OPERATION_URL);
            let api_key = vars.secret(&API_KEY);
            let model = vars.text(&MODEL);
            let classifiers = vars.list(&CLASSIFIERS, parse_classifier);
            let summarization_model_uri =
                vars.optional(&SUMMARIZATION_MODEL_URI, super::yandexgpt::model_uri);
            let submits_per_hour = vars.number(&SUBMITS_PER_HOUR, 1..=1_000_000);
            let status_checks_per_second = vars.number(&STATUS_CHECKS_PER_SECOND, 1..=10_000);
            let summarization_concurrency = vars.number(&SUMMARIZATION_CONCURRENCY, 1..=1_000);
            let first = vars.number(&POLL_FIRST_MS, 10..=3_600_000);
            let every = vars.number(&POLL_EVERY_MS, 10..=600_000);
            let audio_per_wait = vars.number(&POLL_AUDIO_PER_WAIT, 1..=100_000);
            let deadline = vars.number(&DEADLINE_SECONDS, 60..=604_800);
            let interval = Duration::milliseconds(i64::from(every?));
            let polls = PollSchedule {
                first_at_least: Duration::milliseconds(i64::from(first?)),
                audio_per_wait: audio_per_wait?,
                interval,
                longest_interval: interval * 6,
                deadline: Duration::seconds(deadline?),
            };
            Ok(Self {
                stt_url: stt_url?,
                operation_url: operation_url?,
                api_key: api_key?,
                model: model?,
                classifiers: classifiers?,
                summarization_model_uri: summarization_model_uri?,
                submits_per_hour: submits_per_hour?,
                status_checks_per_second: status_checks_per_second?,
                summarization_concurrency: summarization_concurrency?,
                polls,
            })
        })
    }
}

/// Rejects misspelt names at start, because SpeechKit would refuse every recognition with one.
fn parse_classifier(name: &str) -> Result<String, String> {
    if KNOWN_CLASSIFIERS.contains(&name) {
        Ok(name.to_owned())
    } else {
        Err(format!("`none`, or names among {}", KNOWN_CLASSIFIERS.join(", ")))
    }
}
