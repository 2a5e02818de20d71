//! The key ring of encryption at rest.

use super::{ConfigError, Env, Variable};
use flysk_crypto::Keyring;

const KEYRING: Variable = Variable::required(
    "FLYSK_KEYRING",
    "dev:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "Key ring of encryption at rest (tokens and secrets): `id:base64 of 32 bytes`, separated by commas.\n\
     The first key encrypts, all decrypt. To rotate, follow docs/runbook.md, \"Rotating encryption keys\".\n\
     Generate a key: echo \"k$(date +%Y%m):$(openssl rand -base64 32)\"",
)
.secret_keys("run: echo \"k$(date +%Y%m):$(openssl rand -base64 32)\"");

pub(super) const VARIABLES: &[Variable] = &[KEYRING];

/// Encryption of secrets in the database.
#[derive(Debug, Clone)]
pub struct Keys {
    /// `FLYSK_KEYRING`: the first key encrypts, all decrypt.
    pub keyring: Keyring,
}

impl Keys {
    /// Reads the key ring.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let keyring = vars.parsed(&KEYRING, |text| {
                Keyring::parse(text).map_err(|error| format!("`id:base64 of 32 bytes,…` ({error})"))
            });
            Ok(Self { keyring: keyring? })
        })
    }
}
