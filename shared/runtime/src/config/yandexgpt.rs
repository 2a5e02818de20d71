//! YandexGPT: summaries and sentiment over our own dialogue.

use secrecy::SecretString;
use url::Url;

use super::reader::{Noted, Reader};
use super::{ConfigError, Env, Variable};

const URL: Variable = Variable::with_default(
    "FLYSK_YANDEXGPT_URL",
    "https://llm.api.cloud.yandex.net",
    "Where completions are asked for.",
);
const API_KEY: Variable = Variable::optional(
    "FLYSK_YANDEXGPT_API_KEY",
    "development",
    "API key of a service account with ai.languageModels.user. Without it there is no YandexGPT:\n\
     transcripts come without summary and sentiment, unless SpeechKit makes them.",
)
.secret("create an API key of the service account: yc iam api-key create");
const MODEL_URI: Variable = Variable::optional(
    "FLYSK_YANDEXGPT_MODEL_URI",
    "gpt://<folder id>/yandexgpt-lite/latest",
    "Model; needed when the key is set.",
);
const AT_ONCE: Variable = Variable::with_default(
    "FLYSK_YANDEXGPT_AT_ONCE",
    "10",
    "Quota of completions at one time, kept over all workers.",
);

pub(super) const VARIABLES: &[Variable] = &[URL, API_KEY, MODEL_URI, AT_ONCE];

/// How a dialogue is summarized.
#[derive(Debug, Clone)]
pub struct YandexGpt {
    /// `FLYSK_YANDEXGPT_URL`: base address.
    pub url: Url,
    /// `FLYSK_YANDEXGPT_API_KEY`: sent as `Authorization: Api-Key …`.
    pub api_key: SecretString,
    /// `FLYSK_YANDEXGPT_MODEL_URI`: `gpt://<folder>/<model>/<branch>`.
    pub model_uri: String,
    /// `FLYSK_YANDEXGPT_AT_ONCE`: quota.
    pub at_once: u32,
}

impl YandexGpt {
    /// Reads the concern; `None` when neither key nor model is set.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        env.read(|vars| {
            let url = vars.base_url(&URL);
            let at_once = vars.number(&AT_ONCE, 1..=1_000);
            if !vars.is_set(&API_KEY) && !vars.is_set(&MODEL_URI) {
                return Ok(None);
            }
            let api_key = vars.secret(&API_KEY);
            let model_uri = model_uri(vars, &MODEL_URI);
            Ok(Some(Self { url: url?, api_key: api_key?, model_uri: model_uri?, at_once: at_once? }))
        })
    }
}

/// A model's address, as SpeechKit's summaries take it too.
pub(super) fn model_uri(vars: &mut Reader<'_>, variable: &Variable) -> Result<String, Noted> {
    vars.parsed(variable, |text| match text.strip_prefix("gpt://").and_then(|rest| rest.split_once('/')) {
        Some((folder, model)) if !folder.is_empty() && !model.is_empty() => Ok(text.to_owned()),
        _ => Err("`gpt://<folder id>/<model>/<branch>`".to_owned()),
    })
}
