//! State of installs, derived from events that may be duplicated or out of order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The widget in one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Install {
    /// `ins_…`, as the events name it.
    pub install_id: String,
    /// amoCRM's number of the account.
    pub account_id: u64,
    /// Whether the widget is active.
    pub active: bool,
    /// Sequence number of the last applied event.
    pub sequence: u64,
}

/// Installs by id.
#[derive(Debug, Default)]
pub(super) struct Installs(BTreeMap<String, Install>);

impl Installs {
    /// Applies an event. Older and repeated events change nothing; other bodies are ignored.
    pub(super) fn take(&mut self, event: &Value) {
        let (Some(id), Some(account_id), Some(sequence)) =
            (event["install_id"].as_str(), event["account_id"].as_u64(), event["sequence"].as_u64())
        else {
            return;
        };
        let fresh = Install { install_id: id.to_owned(), account_id, active: false, sequence: 0 };
        let install = self.0.entry(id.to_owned()).or_insert(fresh);
        if sequence <= install.sequence {
            return;
        }
        install.sequence = sequence;
        match event["type"].as_str() {
            Some("activate") => install.active = true,
            Some("deactivate") => install.active = false,
            _ => {}
        }
    }

    pub(super) fn list(&self) -> Vec<Install> {
        self.0.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_event_with_the_highest_sequence_counts_in_any_order() {
        let event = |kind: &str, sequence| json!({ "install_id": "ins_1", "account_id": 7, "type": kind, "sequence": sequence });
        let mut installs = Installs::default();
        for (kind, sequence) in
            [("activate", 2), ("install", 1), ("deactivate", 3), ("activate", 2), ("deactivate", 3)]
        {
            installs.take(&event(kind, sequence));
        }
        let found = installs.list();
        assert_eq!((found.len(), found[0].active, found[0].sequence), (1, false, 3));
    }
}
