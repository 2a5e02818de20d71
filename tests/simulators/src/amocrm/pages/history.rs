//! A card's past: calls that happened before the page is opened.

use chrono::Duration;
use flysk_domain::Clock as _;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::Amocrm;
use super::super::model::{EntityType, Note};
use super::super::records::Record;
use super::super::scenario::ScenarioError;
use crate::lock::locked;

/// Calls that took place one after another until now. No hook is sent and no page is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// Account id.
    pub account: u64,
    /// Type of the card.
    pub entity_type: EntityType,
    /// Id of the card; it is created if it does not exist.
    pub entity_id: u64,
    /// Number of calls.
    pub count: u32,
    /// Links of the recordings, used in turn; null for a call without a recording. Empty: no call has one.
    #[serde(default)]
    pub links: Vec<Option<String>>,
    /// Duration of each call, seconds.
    pub duration: u32,
    /// Time between two calls, seconds.
    pub every_s: u32,
}

impl Amocrm {
    /// Adds past calls to a card. Returns their note ids, oldest first.
    pub fn history(&self, history: &History) -> Result<Vec<u64>, ScenarioError> {
        let now = self.control().clock().now();
        let mut state = locked(&self.inner.state);
        let account = state.account(history.account).ok_or(ScenarioError::UnknownAccount)?;
        let user_id = account.users.first().ok_or(ScenarioError::UnknownUser)?.id;
        let key = (history.entity_type, history.entity_id);
        let entities = &mut state.content(history.account).entities;
        entities.entry(key).or_insert_with(|| Record::new(key, user_id, now.timestamp()));
        let mut ids = Vec::new();
        for index in 0..history.count {
            let id = state.fresh_id();
            let ago = Duration::seconds(i64::from(history.every_s) * i64::from(history.count - index));
            let created_at = (now - ago).timestamp();
            let place = usize::try_from(index).unwrap_or_default();
            let link = place.checked_rem(history.links.len()).and_then(|place| history.links.get(place));
            state.keep(Note {
                id,
                entity_id: history.entity_id,
                entity_type: history.entity_type,
                created_by: user_id,
                updated_by: user_id,
                created_at,
                updated_at: created_at,
                responsible_user_id: user_id,
                group_id: 0,
                note_type: if index % 2 == 0 { "call_in" } else { "call_out" }.to_owned(),
                params: json!({
                    "uniq": format!("call-{id}"),
                    "duration": history.duration,
                    "source": "example_pbx",
                    "link": link,
                    "phone": "+70000000000",
                    "call_responsible": user_id,
                    "call_status": 4,
                }),
                account_id: history.account,
            });
            ids.push(id);
        }
        Ok(ids)
    }
}
