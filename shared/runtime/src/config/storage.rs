//! Object Storage: where SpeechKit finds the audio.

use secrecy::SecretString;
use url::Url;

use super::{ConfigError, Env, Variable};

const ENDPOINT: Variable = Variable::with_default(
    "FLYSK_STORAGE_ENDPOINT",
    "https://storage.yandexcloud.net",
    "S3 endpoint, called in path style.",
);
const REGION: Variable = Variable::with_default(
    "FLYSK_STORAGE_REGION",
    "ru-central1",
    "Region signatures are made for; Yandex Object Storage knows this one only.",
);
const BUCKET: Variable = Variable::required(
    "FLYSK_STORAGE_BUCKET",
    "flysk-calls",
    "Bucket of recordings on their way to SpeechKit; SpeechKit's service account must be able to read it.",
);
const ACCESS_KEY_ID: Variable = Variable::required(
    "FLYSK_STORAGE_ACCESS_KEY_ID",
    "development",
    "Static key of a service account with storage.editor (it must delete what it puts).",
);
const SECRET_ACCESS_KEY: Variable =
    Variable::required("FLYSK_STORAGE_SECRET_ACCESS_KEY", "development", "The other half of the static key.")
        .secret("create a static key of the service account: yc iam access-key create");

pub(super) const VARIABLES: &[Variable] = &[ENDPOINT, REGION, BUCKET, ACCESS_KEY_ID, SECRET_ACCESS_KEY];

/// The bucket recordings pass through.
#[derive(Debug, Clone)]
pub struct Storage {
    /// `FLYSK_STORAGE_ENDPOINT`: base address, also of the links SpeechKit is given.
    pub endpoint: Url,
    /// `FLYSK_STORAGE_REGION`: region of signatures.
    pub region: String,
    /// `FLYSK_STORAGE_BUCKET`: the bucket.
    pub bucket: String,
    /// `FLYSK_STORAGE_ACCESS_KEY_ID`: static key.
    pub access_key_id: String,
    /// `FLYSK_STORAGE_SECRET_ACCESS_KEY`: its secret.
    pub secret_access_key: SecretString,
}

impl Storage {
    /// Reads the concern.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let endpoint = vars.base_url(&ENDPOINT);
            let region = vars.text(&REGION);
            let bucket = vars.text(&BUCKET);
            let access_key_id = vars.text(&ACCESS_KEY_ID);
            let secret_access_key = vars.secret(&SECRET_ACCESS_KEY);
            Ok(Self {
                endpoint: endpoint?,
                region: region?,
                bucket: bucket?,
                access_key_id: access_key_id?,
                secret_access_key: secret_access_key?,
            })
        })
    }
}
