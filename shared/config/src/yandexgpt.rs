//! YandexGPT: summary and sentiment of a dialogue.

use secrecy::SecretString;
use url::Url;

use super::reader::{Reader, Reported};
use super::{ConfigError, Env, Variable};

const URL: Variable = Variable::with_default(
    "FLYSK_YANDEXGPT_URL",
    "https://llm.api.cloud.yandex.net",
    "Base URL of the completion API.",
);
const API_KEY: Variable = Variable::optional(
    "FLYSK_YANDEXGPT_API_KEY",
    "development",
    "API key of a service account with role ai.languageModels.user. Without it YandexGPT is disabled, and transcripts\n\
     have no summary and sentiment unless SpeechKit creates them.",
)
.secret("create an API key of the service account: yc iam api-key create");
const MODEL_URI: Variable = Variable::optional(
    "FLYSK_YANDEXGPT_MODEL_URI",
    "gpt://<folder id>/yandexgpt-lite/latest",
    "URI of the model. Required with the API key.",
);
const CONCURRENCY: Variable = Variable::with_default(
    "FLYSK_YANDEXGPT_CONCURRENCY",
    "10",
    "Concurrency limit of completions, across all workers: YandexGPT's quota.",
);

pub(super) const VARIABLES: &[Variable] = &[URL, API_KEY, MODEL_URI, CONCURRENCY];

/// Access to YandexGPT for summary and sentiment.
#[derive(Debug, Clone)]
pub struct YandexGpt {
    /// `FLYSK_YANDEXGPT_URL`: base URL.
    pub url: Url,
    /// `FLYSK_YANDEXGPT_API_KEY`: sent as `Authorization: Api-Key …`.
    pub api_key: SecretString,
    /// `FLYSK_YANDEXGPT_MODEL_URI`: `gpt://<folder>/<model>/<branch>`.
    pub model_uri: String,
    /// `FLYSK_YANDEXGPT_CONCURRENCY`: concurrency limit of completions.
    pub concurrency: u32,
}

impl YandexGpt {
    /// Reads the variables of YandexGPT; `None` if neither API key nor model is set.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        env.read(|vars| {
            let url = vars.base_url(&URL);
            let concurrency = vars.number(&CONCURRENCY, 1..=1_000);
            if !vars.is_set(&API_KEY) && !vars.is_set(&MODEL_URI) {
                return Ok(None);
            }
            let api_key = vars.secret(&API_KEY);
            let model_uri = model_uri(vars, &MODEL_URI);
            Ok(Some(Self { url: url?, api_key: api_key?, model_uri: model_uri?, concurrency: concurrency? }))
        })
    }
}

/// Reads the URI of a model; SpeechKit's summaries use the same format.
pub(super) fn model_uri(vars: &mut Reader<'_>, variable: &Variable) -> Result<String, Reported> {
    vars.parsed(variable, |text| match text.strip_prefix("gpt://").and_then(|rest| rest.split_once('/')) {
        Some((folder, model)) if !folder.is_empty() && !model.is_empty() => Ok(text.to_owned()),
        _ => Err("`gpt://<folder id>/<model>/<branch>`".to_owned()),
    })
}
