//! The key ring of encryption at rest.

use super::{ConfigError, Env, Variable};
use crate::Keyring;

const KEYRING: Variable = Variable::required(
    "FLYSK_KEYRING",
    "dev:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "Keys of tokens and secrets at rest: `id:base64 of 32 bytes`, separated by commas.\n\
     The first encrypts, all decrypt: put a new key in front, run `flysk-worker keys:rotate`, drop the old one.\n\
     Make one with: echo \"k$(date +%Y%m):$(openssl rand -base64 32)\"",
)
.secret_keys("run: echo \"k$(date +%Y%m):$(openssl rand -base64 32)\"");

pub(super) const VARIABLES: &[Variable] = &[KEYRING];

/// What encrypts secrets in the database.
#[derive(Debug, Clone)]
pub struct Keys {
    /// `FLYSK_KEYRING`: the newest key first.
    pub keyring: Keyring,
}

impl Keys {
    /// Reads the concern.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let keyring = vars.parsed(&KEYRING, |text| {
                Keyring::parse(text).map_err(|error| format!("`id:base64 of 32 bytes,…` ({error})"))
            });
            Ok(Self { keyring: keyring? })
        })
    }
}
