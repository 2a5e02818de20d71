//! Webhook subscriptions.

use std::fmt;

use flysk_domain::serde_lenient;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A hook of an account, ours or somebody else's.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Webhook {
    /// Target URL. `Debug` does not show it, because ours contains a signature.
    pub destination: String,
    /// Whether amoCRM disabled it after too many failed deliveries.
    #[serde(default, deserialize_with = "serde_lenient::truth")]
    pub disabled: bool,
    /// Names of events, including unknown ones.
    #[serde(default, deserialize_with = "names")]
    pub settings: Vec<String>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("disabled", &self.disabled)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn names<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Array(names) => names.iter().filter_map(serde_lenient::value_to_text).collect(),
        _ => Vec::new(),
    })
}
