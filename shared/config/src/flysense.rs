//! FlySense as a widget that uses the platform's API.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::{ConfigError, Env, Variable};

const PLATFORM_URL: Variable = Variable::with_default(
    "FLYSENSE_PLATFORM_URL",
    "http://127.0.0.1:8080",
    "Base URL of the platform's API, as FlySense reaches it.",
);
const PROJECT_TOKEN: Variable = Variable::optional(
    "FLYSENSE_PROJECT_TOKEN",
    "development",
    "FlySense's project token, printed by `flysk-worker widget:register`.\n\
     Without project token and client id FlySense is disabled and the process serves the platform only.",
)
.secret("register the widget with `flysk-worker widget:register`, or replace its token with `flysk-worker widget:rotate`");
const CLIENT_ID: Variable = Variable::optional(
    "FLYSENSE_CLIENT_ID",
    "00000000-0000-4000-8000-000000000000",
    "Client id (a UUID) of FlySense's integration in amoCRM; the `client_uuid` of its one-time tokens.",
);

const RECORDING_SETTLE_SECONDS: Variable = Variable::with_default(
    "FLYSENSE_RECORDING_SETTLE_SECONDS",
    "3600",
    "How long after the call note a recording may be incomplete, in seconds. Until then, empty responses, HTML pages,\n\
     refusals and files far shorter than the call are retried. 0: the first response is final.",
);
const RUNS_PER_DAY: Variable = Variable::with_default(
    "FLYSENSE_RUNS_PER_DAY",
    "5",
    "Maximum runs of one call per day, including the first.",
);

const TRANSCRIPT_DAYS: Variable = Variable::with_default(
    "FLYSENSE_TRANSCRIPT_DAYS",
    "0",
    "Days after which dialogues and waveforms of calls are deleted; their summaries and labels stay. 0: they are kept\n\
     until the account is erased.",
);

pub(super) const VARIABLES: &[Variable] =
    &[PLATFORM_URL, PROJECT_TOKEN, CLIENT_ID, RECORDING_SETTLE_SECONDS, RUNS_PER_DAY, TRANSCRIPT_DAYS];

/// FlySense's credentials and limits. FlySense calls the platform over HTTP, as any vendor's backend does.
#[derive(Debug, Clone)]
pub struct Flysense {
    /// `FLYSENSE_PLATFORM_URL`: base URL of the platform's API.
    pub platform_url: Url,
    /// `FLYSENSE_PROJECT_TOKEN`: sent as `X-Project-Token`.
    pub project_token: SecretString,
    /// `FLYSENSE_CLIENT_ID`: client id of the integration, lower-case.
    pub client_id: String,
    /// `FLYSENSE_RECORDING_SETTLE_SECONDS`: how long after the call note a recording may be incomplete.
    pub recording_settle: Duration,
    /// `FLYSENSE_RUNS_PER_DAY`: maximum runs of one call per day.
    pub runs_per_day: u32,
    /// `FLYSENSE_TRANSCRIPT_DAYS`: days after which dialogues are deleted; 0 keeps them.
    pub transcript_days: u32,
}

impl Flysense {
    /// Reads the variables of FlySense; `None` if neither project token nor client id is set.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        env.read(|vars| {
            let platform_url = vars.base_url(&PLATFORM_URL);
            let recording_settle = vars.seconds(&RECORDING_SETTLE_SECONDS, 0..=86_400);
            let runs_per_day = vars.number(&RUNS_PER_DAY, 1..=1_000);
            let transcript_days = vars.number(&TRANSCRIPT_DAYS, 0..=36_500);
            if !vars.is_set(&PROJECT_TOKEN) && !vars.is_set(&CLIENT_ID) {
                return Ok(None);
            }
            let project_token = vars.secret(&PROJECT_TOKEN);
            let client_id = vars.parsed(&CLIENT_ID, |text| {
                let text = text.to_ascii_lowercase();
                if is_uuid(&text) { Ok(text) } else { Err("a UUID in its hyphenated form".to_owned()) }
            });
            Ok(Some(Self {
                platform_url: platform_url?,
                project_token: project_token?,
                client_id: client_id?,
                recording_settle: recording_settle?,
                runs_per_day: runs_per_day?,
                transcript_days: transcript_days?,
            }))
        })
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
