//! What happens inside amoCRM without us: accounts appear and change, people call.

use flysk_domain::Clock;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Amocrm;
use super::model::{Account, Entity, EntityType, Hook, Integration, Note};
use crate::control::locked;

/// The scene cannot be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SceneError {
    /// No account with this id.
    #[error("there is no such account")]
    UnknownAccount,
    /// No integration with this client id.
    #[error("there is no such integration")]
    UnknownIntegration,
    /// The account has no such user, or no administrator.
    #[error("there is no such user")]
    UnknownUser,
    /// No note with this id.
    #[error("there is no such note")]
    UnknownNote,
    /// No hook with this destination.
    #[error("there is no such hook")]
    UnknownHook,
    /// Only administrators install.
    #[error("the user is not an administrator")]
    NotAnAdministrator,
    /// amoCRM and Kommo do not mix.
    #[error("the integration belongs to the other platform")]
    OtherPlatform,
    /// The subdomain is in use.
    #[error("the subdomain is taken")]
    SubdomainTaken,
}

/// Who called whom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The client called.
    #[default]
    Inbound,
    /// The operator called.
    Outbound,
}

/// A call that a telephony puts into an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCall {
    /// Where.
    pub account: u64,
    /// What the note hangs on; made if it does not exist.
    pub entity_type: EntityType,
    /// Its id.
    pub entity_id: u64,
    /// Address of the recording.
    #[serde(default)]
    pub link: Option<String>,
    /// The link appears only after so many ms (of the simulator's clock), without a hook.
    #[serde(default)]
    pub link_after_ms: Option<u64>,
    /// Length as the telephony tells it, seconds.
    pub duration: u32,
    /// The length is written as text, which some telephonies do.
    #[serde(default)]
    pub duration_as_text: bool,
    /// Who called.
    #[serde(default)]
    pub direction: Direction,
    /// The client's number.
    #[serde(default = "phone")]
    pub phone: String,
    /// The telephony's id of the call.
    #[serde(default)]
    pub uniq: Option<String>,
    /// The telephony's name.
    #[serde(default = "source")]
    pub source: String,
    /// Whose call it was; the first user by default.
    #[serde(default)]
    pub user: Option<u64>,
    /// No hook is sent, as if it was lost.
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
    /// Adds an integration, or replaces the one with its client id.
    pub fn add_integration(&self, integration: Integration) {
        let mut world = locked(&self.inner.world);
        world.integrations.retain(|known| known.client_id != integration.client_id);
        world.integrations.push(integration);
    }

    /// Adds an account, or replaces the one with its id (what is in it stays).
    pub fn add_account(&self, account: Account) -> Result<(), SceneError> {
        let mut world = locked(&self.inner.world);
        if world.accounts.iter().any(|known| known.id != account.id && known.host() == account.host()) {
            return Err(SceneError::SubdomainTaken);
        }
        world.accounts.retain(|known| known.id != account.id);
        world.accounts.push(account);
        Ok(())
    }

    /// An account by its id.
    pub fn account(&self, id: u64) -> Option<Account> {
        locked(&self.inner.world).account(id).cloned()
    }

    /// Changes an account in place: blocks it, lets its payment lapse, dismisses users.
    pub fn change_account(&self, id: u64, change: impl FnOnce(&mut Account)) -> Result<(), SceneError> {
        let mut world = locked(&self.inner.world);
        change(world.account_mut(id).ok_or(SceneError::UnknownAccount)?);
        Ok(())
    }

    /// The account takes another subdomain; the old host is unknown from now on.
    pub fn rename(&self, id: u64, subdomain: &str) -> Result<(), SceneError> {
        let mut world = locked(&self.inner.world);
        let platform = world.account(id).ok_or(SceneError::UnknownAccount)?.platform;
        let taken =
            |known: &Account| known.id != id && known.platform == platform && known.subdomain == subdomain;
        if world.accounts.iter().any(taken) {
            return Err(SceneError::SubdomainTaken);
        }
        let account = world.account_mut(id).ok_or(SceneError::UnknownAccount)?;
        let former = std::mem::replace(&mut account.subdomain, subdomain.to_owned());
        account.former_subdomains.push(former);
        Ok(())
    }

    /// Adds a lead, contact, company or customer.
    pub fn add_entity(&self, account_id: u64, entity: Entity) -> Result<(), SceneError> {
        let mut world = locked(&self.inner.world);
        world.account(account_id).ok_or(SceneError::UnknownAccount)?;
        world.content(account_id).entities.insert((entity.entity_type, entity.id), entity);
        Ok(())
    }

    /// Notes of an account, oldest first.
    pub fn notes(&self, account_id: u64) -> Vec<Note> {
        locked(&self.inner.world).content(account_id).notes.clone()
    }

    /// Hooks of an account.
    pub fn hooks(&self, account_id: u64) -> Vec<Hook> {
        locked(&self.inner.world).content(account_id).hooks.clone()
    }

    /// An administrator switches a disabled hook on by hand.
    pub fn enable_hook(&self, account_id: u64, destination: &str) -> Result<(), SceneError> {
        let mut world = locked(&self.inner.world);
        let hooks = &mut world.content(account_id).hooks;
        let hook =
            hooks.iter_mut().find(|hook| hook.destination == destination).ok_or(SceneError::UnknownHook)?;
        hook.disabled = false;
        hook.invalid.clear();
        Ok(())
    }

    /// amoCRM switches a hook off: it answered badly too often.
    pub fn disable_hook(&self, account_id: u64, destination: &str) -> Result<(), SceneError> {
        let mut world = locked(&self.inner.world);
        let hooks = &mut world.content(account_id).hooks;
        let hook =
            hooks.iter_mut().find(|hook| hook.destination == destination).ok_or(SceneError::UnknownHook)?;
        hook.disabled = true;
        Ok(())
    }

    /// An administrator removes a hook by hand.
    pub fn remove_hook(&self, account_id: u64, destination: &str) -> Result<(), SceneError> {
        let mut world = locked(&self.inner.world);
        let hooks = &mut world.content(account_id).hooks;
        let place = hooks.iter().position(|hook| hook.destination == destination);
        hooks.remove(place.ok_or(SceneError::UnknownHook)?);
        Ok(())
    }

    /// A call takes place: its note appears and subscribers are told. Returns the note's id.
    pub fn call(&self, call: NewCall) -> Result<u64, SceneError> {
        let note = self.write_call(&call)?;
        if let (Some(delay_ms), Some(link)) = (call.link_after_ms, call.link) {
            let amo = self.clone();
            let due = self.control().clock().now()
                + chrono::Duration::milliseconds(i64::try_from(delay_ms).unwrap_or(i64::MAX));
            let (account_id, id) = (note.account_id, note.id);
            self.spawn(async move {
                amo.control().clock().sleep_until(due).await;
                if let Err(error) = amo.set_link(account_id, id, Some(&link)) {
                    tracing::warn!(id, %error, "the note of a late link is gone");
                }
            });
        }
        if !call.silently {
            self.fire_notes(note.account_id, std::slice::from_ref(&note));
        }
        Ok(note.id)
    }

    fn write_call(&self, call: &NewCall) -> Result<Note, SceneError> {
        let now = self.control().clock().now().timestamp();
        let mut world = locked(&self.inner.world);
        let account = world.account(call.account).ok_or(SceneError::UnknownAccount)?;
        let user = match call.user {
            Some(id) => account.user(id),
            None => account.users.first(),
        };
        let user_id = user.ok_or(SceneError::UnknownUser)?.id;
        let id = world.fresh_id();
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
        world.content(call.account).entities.entry(key).or_insert_with(|| Entity {
            entity_type: call.entity_type,
            id: call.entity_id,
            phones: Vec::new(),
            of: Vec::new(),
            closed: false,
            responsible_user_id: user_id,
        });
        world.keep(note.clone());
        Ok(note)
    }

    /// The telephony adds, changes or removes the link of a call's note; no hook tells of it.
    pub fn set_link(&self, account_id: u64, note_id: u64, link: Option<&str>) -> Result<(), SceneError> {
        let now = self.control().clock().now().timestamp();
        let mut world = locked(&self.inner.world);
        let notes = &mut world.content(account_id).notes;
        let note = notes.iter_mut().find(|note| note.id == note_id).ok_or(SceneError::UnknownNote)?;
        note.params["link"] = json!(link);
        note.updated_at = now;
        Ok(())
    }

    /// Tells subscribers of notes again, all in one request: duplicates and batches happen.
    pub fn fire_again(&self, account_id: u64, note_ids: &[u64]) -> Result<(), SceneError> {
        let notes: Vec<Note> =
            self.notes(account_id).into_iter().filter(|note| note_ids.contains(&note.id)).collect();
        if notes.len() != note_ids.len() {
            return Err(SceneError::UnknownNote);
        }
        self.fire_notes(account_id, &notes);
        Ok(())
    }
}
