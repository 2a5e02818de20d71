//! Scenario steps that happen inside amoCRM: accounts are created and changed, calls are made.

use flysk_domain::Clock;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Amocrm;
use super::model::{Account, Entity, EntityType, Hook, Integration, Note};
use super::records::Record;
use crate::lock::locked;

/// A scenario step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// No account with this id.
    #[error("unknown account")]
    UnknownAccount,
    /// No integration with this client id.
    #[error("unknown integration")]
    UnknownIntegration,
    /// The account has no such user, or no administrator.
    #[error("unknown user")]
    UnknownUser,
    /// No note with this id.
    #[error("unknown note")]
    UnknownNote,
    /// No hook with this destination.
    #[error("unknown hook")]
    UnknownHook,
    /// Only administrators can install.
    #[error("the user is not an administrator")]
    NotAnAdministrator,
    /// The integration belongs to the other platform.
    #[error("the integration belongs to the other platform")]
    OtherPlatform,
    /// The subdomain is in use.
    #[error("the subdomain is taken")]
    SubdomainTaken,
}

/// Direction of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The client called.
    #[default]
    Inbound,
    /// The operator called.
    Outbound,
}

/// A call that a telephony provider adds to an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCall {
    /// Account id.
    pub account: u64,
    /// Type of the entity that gets the note. The entity is created if it does not exist.
    pub entity_type: EntityType,
    /// Unique within its type.
    pub entity_id: u64,
    /// URL of the recording.
    #[serde(default)]
    pub link: Option<String>,
    /// Delay after which the link is added, without a hook; ms of the simulator's clock.
    #[serde(default)]
    pub link_after_ms: Option<u64>,
    /// Duration as reported by the telephony provider, seconds.
    pub duration: u32,
    /// The duration is written as a string, as some telephony providers do.
    #[serde(default)]
    pub duration_as_text: bool,
    /// Decides the type of the note: `call_in` or `call_out`.
    #[serde(default)]
    pub direction: Direction,
    /// Phone number of the client.
    #[serde(default = "phone")]
    pub phone: String,
    /// Call id of the telephony provider.
    #[serde(default)]
    pub uniq: Option<String>,
    /// Name of the telephony provider.
    #[serde(default = "source")]
    pub source: String,
    /// Id of the user who took part; by default the first user.
    #[serde(default)]
    pub user: Option<u64>,
    /// No hook is sent, as if it had been lost.
    #[serde(default)]
    pub silently: bool,
}

fn phone() -> String {
    "+70000000000".to_owned()
}

fn source() -> String {
    "example_pbx".to_owned()
}

impl Amocrm {
    /// Adds an integration, or replaces the one with the same client id.
    pub fn add_integration(&self, integration: Integration) {
        let mut state = locked(&self.inner.state);
        state.integrations.retain(|known| known.client_id != integration.client_id);
        state.integrations.push(integration);
    }

    /// Adds an account, or replaces the one with the same id and keeps its contents.
    pub fn add_account(&self, account: Account) -> Result<(), ScenarioError> {
        let mut state = locked(&self.inner.state);
        if state.accounts.iter().any(|known| known.id != account.id && known.host() == account.host()) {
            return Err(ScenarioError::SubdomainTaken);
        }
        state.accounts.retain(|known| known.id != account.id);
        state.accounts.push(account);
        Ok(())
    }

    /// A copy; `None` if there is no such account.
    pub fn account(&self, id: u64) -> Option<Account> {
        locked(&self.inner.state).account(id).cloned()
    }

    /// Changes an account: blocks it, marks it unpaid, removes users.
    pub fn change_account(&self, id: u64, change: impl FnOnce(&mut Account)) -> Result<(), ScenarioError> {
        let mut state = locked(&self.inner.state);
        change(state.account_mut(id).ok_or(ScenarioError::UnknownAccount)?);
        Ok(())
    }

    /// Renames the account's subdomain; the former host returns 404 from now on.
    pub fn rename(&self, id: u64, subdomain: &str) -> Result<(), ScenarioError> {
        let mut state = locked(&self.inner.state);
        let platform = state.account(id).ok_or(ScenarioError::UnknownAccount)?.platform;
        let taken =
            |known: &Account| known.id != id && known.platform == platform && known.subdomain == subdomain;
        if state.accounts.iter().any(taken) {
            return Err(ScenarioError::SubdomainTaken);
        }
        let account = state.account_mut(id).ok_or(ScenarioError::UnknownAccount)?;
        let former = std::mem::replace(&mut account.subdomain, subdomain.to_owned());
        account.former_subdomains.push(former);
        Ok(())
    }

    /// Adds a lead, contact, company or customer.
    pub fn add_entity(&self, account_id: u64, entity: Entity) -> Result<(), ScenarioError> {
        let now = self.control().clock().now().timestamp();
        let mut state = locked(&self.inner.state);
        state.account(account_id).ok_or(ScenarioError::UnknownAccount)?;
        let entities = &mut state.content(account_id).entities;
        let record = Record::of_entity(entity, entities, now);
        entities.insert(record.key(), record);
        Ok(())
    }

    /// Notes of an account, oldest first.
    pub fn notes(&self, account_id: u64) -> Vec<Note> {
        locked(&self.inner.state).content(account_id).notes.clone()
    }

    /// Id of the event of a call; `None` if the note is not a call.
    pub fn event_of_note(&self, account_id: u64, note_id: u64) -> Option<String> {
        let mut state = locked(&self.inner.state);
        let events = &state.content(account_id).events;
        events.iter().find(|event| event.note_id == note_id).map(|event| event.id.clone())
    }

    /// Copies of the subscriptions, disabled ones too.
    pub fn hooks(&self, account_id: u64) -> Vec<Hook> {
        locked(&self.inner.state).content(account_id).hooks.clone()
    }

    /// An administrator enables a disabled hook manually.
    pub fn enable_hook(&self, account_id: u64, destination: &str) -> Result<(), ScenarioError> {
        let mut state = locked(&self.inner.state);
        let hooks = &mut state.content(account_id).hooks;
        let hook = hooks
            .iter_mut()
            .find(|hook| hook.destination == destination)
            .ok_or(ScenarioError::UnknownHook)?;
        hook.disabled = false;
        hook.invalid.clear();
        Ok(())
    }

    /// amoCRM disables a hook after too many invalid responses.
    pub fn disable_hook(&self, account_id: u64, destination: &str) -> Result<(), ScenarioError> {
        let mut state = locked(&self.inner.state);
        let hooks = &mut state.content(account_id).hooks;
        let hook = hooks
            .iter_mut()
            .find(|hook| hook.destination == destination)
            .ok_or(ScenarioError::UnknownHook)?;
        hook.disabled = true;
        Ok(())
    }

    /// An administrator deletes a hook manually.
    pub fn remove_hook(&self, account_id: u64, destination: &str) -> Result<(), ScenarioError> {
        let mut state = locked(&self.inner.state);
        let hooks = &mut state.content(account_id).hooks;
        let index = hooks.iter().position(|hook| hook.destination == destination);
        hooks.remove(index.ok_or(ScenarioError::UnknownHook)?);
        Ok(())
    }

    /// A call takes place: its note is created and hooks are sent. Returns the note's id.
    pub fn call(&self, call: NewCall) -> Result<u64, ScenarioError> {
        let note = self.write_call(&call)?;
        if let (Some(delay_ms), Some(link)) = (call.link_after_ms, call.link) {
            let amo = self.clone();
            let due = self.control().clock().now()
                + chrono::Duration::milliseconds(i64::try_from(delay_ms).unwrap_or(i64::MAX));
            let (account_id, id) = (note.account_id, note.id);
            self.spawn(async move {
                let _work = amo.control().clock().sleep_until(due).await;
                if let Err(error) = amo.set_link(account_id, id, Some(&link)) {
                    tracing::warn!(id, %error, "the note of a delayed link does not exist");
                }
            });
        }
        self.announce(&note, true);
        if !call.silently {
            self.fire_notes(note.account_id, std::slice::from_ref(&note));
        }
        Ok(note.id)
    }

    fn write_call(&self, call: &NewCall) -> Result<Note, ScenarioError> {
        let now = self.control().clock().now().timestamp();
        let mut state = locked(&self.inner.state);
        let account = state.account(call.account).ok_or(ScenarioError::UnknownAccount)?;
        let user = match call.user {
            Some(id) => account.user(id),
            None => account.users.first(),
        };
        let user_id = user.ok_or(ScenarioError::UnknownUser)?.id;
        let id = state.fresh_id();
        let duration =
            if call.duration_as_text { json!(call.duration.to_string()) } else { json!(call.duration) };
        let link = call.link.as_deref().filter(|_| call.link_after_ms.is_none());
        let note = Note {
            id,
            entity_id: call.entity_id,
            entity_type: call.entity_type,
            created_by: user_id,
            updated_by: user_id,
            created_at: now,
            updated_at: now,
            responsible_user_id: user_id,
            group_id: 0,
            note_type: match call.direction {
                Direction::Inbound => "call_in",
                Direction::Outbound => "call_out",
            }
            .to_owned(),
            params: json!({
                "uniq": call.uniq.clone().unwrap_or_else(|| format!("call-{id}")),
                "duration": duration,
                "source": call.source,
                "link": link,
                "phone": call.phone,
                "call_responsible": user_id,
                "call_status": 4,
            }),
            account_id: call.account,
        };
        let key = (call.entity_type, call.entity_id);
        let entities = &mut state.content(call.account).entities;
        entities.entry(key).or_insert_with(|| Record::new(key, user_id, now));
        state.keep(note.clone());
        Ok(note)
    }

    /// The telephony provider adds, changes or removes the link in a call's note; no hook is sent.
    pub fn set_link(&self, account_id: u64, note_id: u64, link: Option<&str>) -> Result<(), ScenarioError> {
        let now = self.control().clock().now().timestamp();
        let mut state = locked(&self.inner.state);
        let notes = &mut state.content(account_id).notes;
        let note = notes.iter_mut().find(|note| note.id == note_id).ok_or(ScenarioError::UnknownNote)?;
        note.params["link"] = json!(link);
        note.updated_at = now;
        Ok(())
    }

    /// Sends the hooks of these notes again in one request, which simulates duplicates and batches.
    pub fn fire_again(&self, account_id: u64, note_ids: &[u64]) -> Result<(), ScenarioError> {
        let notes: Vec<Note> =
            self.notes(account_id).into_iter().filter(|note| note_ids.contains(&note.id)).collect();
        if notes.len() != note_ids.len() {
            return Err(ScenarioError::UnknownNote);
        }
        self.fire_notes(account_id, &notes);
        Ok(())
    }
}
