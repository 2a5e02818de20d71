//! A subscription.

use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::lenient;

/// A hook of an account, ours or somebody else's.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Webhook {
    /// Where it goes. Ours carries its own signature, so `Debug` does not show it.
    pub destination: String,
    /// amoCRM switched it off after too many bad answers.
    #[serde(default, deserialize_with = "lenient::truth")]
    pub disabled: bool,
    /// Names of events, those we do not know included.
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
        Value::Array(names) => names.iter().filter_map(lenient::text).collect(),
        _ => Vec::new(),
    })
}
