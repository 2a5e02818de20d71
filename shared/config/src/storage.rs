//! Object Storage, from which SpeechKit reads the audio.

use secrecy::SecretString;
use url::Url;

use super::{ConfigError, Env, Variable};

const ENDPOINT: Variable = Variable::with_default(
    "FLYSK_STORAGE_ENDPOINT",
    "https://storage.yandexcloud.net",
    "S3 endpoint; requests use path-style URLs.",
);
const BUCKET: Variable = Variable::optional(
    "FLYSK_STORAGE_BUCKET",
    "flysk-calls",
    "Bucket that holds recordings until SpeechKit has recognized them, copies for the player for three days, and exports\n\
     of the admin panel for a day. Required with FlySense. SpeechKit's service account needs read access.",
);
const ACCESS_KEY_ID: Variable = Variable::optional(
    "FLYSK_STORAGE_ACCESS_KEY_ID",
    "development",
    "Id of a static key of a service account with role storage.editor (it uploads and deletes objects). Required with the\n\
     bucket.",
);
const SECRET_ACCESS_KEY: Variable = Variable::optional(
    "FLYSK_STORAGE_SECRET_ACCESS_KEY",
    "development",
    "Secret of the static key. Required with the bucket.",
)
.secret("create a static key of the service account: yc iam access-key create");

pub(super) const VARIABLES: &[Variable] = &[ENDPOINT, BUCKET, ACCESS_KEY_ID, SECRET_ACCESS_KEY];

/// Access to the bucket that holds recordings until they are recognized.
#[derive(Debug, Clone)]
pub struct Storage {
    /// `FLYSK_STORAGE_ENDPOINT`: base URL, also of the audio links in requests to SpeechKit.
    pub endpoint: Url,
    /// `FLYSK_STORAGE_BUCKET`: the bucket.
    pub bucket: String,
    /// `FLYSK_STORAGE_ACCESS_KEY_ID`: id of the static key.
    pub access_key_id: String,
    /// `FLYSK_STORAGE_SECRET_ACCESS_KEY`: secret of the static key.
    pub secret_access_key: SecretString,
}

impl Storage {
    /// Reads the variables of Object Storage; `None` if no bucket is set.
    pub fn optional_from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        let is_set = env.read(|vars| Ok(vars.is_set(&BUCKET)))?;
        if is_set { Self::from_env(env).map(Some) } else { Ok(None) }
    }

    /// Reads the variables of Object Storage.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let endpoint = vars.base_url(&ENDPOINT);
            let bucket = vars.text(&BUCKET);
            let access_key_id = vars.text(&ACCESS_KEY_ID);
            let secret_access_key = vars.secret(&SECRET_ACCESS_KEY);
            Ok(Self {
                endpoint: endpoint?,
                bucket: bucket?,
                access_key_id: access_key_id?,
                secret_access_key: secret_access_key?,
            })
        })
    }
}
