//! Marks the secrets among the variables.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

/// Whether the value of a variable is a secret, and which part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// Not a secret.
    Public,
    /// The whole value is one secret.
    Whole {
        /// Completes the sentence "To get a value of your own, …".
        source: &'static str,
    },
    /// The value is a URL; its password is the secret.
    Address {
        /// Completes the sentence "To get a value of your own, …".
        source: &'static str,
    },
    /// `id:base64 of a key`, separated by commas; each key is a secret.
    Keys {
        /// Completes the sentence "To get a value of your own, …".
        source: &'static str,
    },
}

impl Secrecy {
    /// Where a value of one's own comes from; empty for a variable that is not a secret.
    pub(super) const fn source(self) -> &'static str {
        match self {
            Self::Public => "",
            Self::Whole { source } | Self::Address { source } | Self::Keys { source } => source,
        }
    }

    /// The secret parts of a value. Keys are decoded to bytes, so that another id or base64 spelling does not hide one.
    pub(super) fn parts(self, value: &str) -> Vec<Vec<u8>> {
        match self {
            Self::Public => Vec::new(),
            Self::Whole { .. } => vec![value.as_bytes().to_vec()],
            Self::Address { .. } => {
                let url = Url::parse(value).ok();
                url.as_ref()
                    .and_then(Url::password)
                    .map(|password| password.as_bytes().to_vec())
                    .into_iter()
                    .collect()
            }
            Self::Keys { .. } => value
                .split(',')
                .filter_map(|entry| STANDARD.decode(entry.trim().split_once(':')?.1).ok())
                .collect(),
        }
    }
}
