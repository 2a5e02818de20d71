//! State of the simulated amoCRM.

use std::collections::{HashMap, HashSet};

use super::grants::{AccessToken, Code, Grant, RefreshToken};
use super::model::{Account, Event, Hook, Integration, Note};
use super::records::{Crm, Key, Record};

/// Contents of an account.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) entities: HashMap<Key, Record>,
    /// Custom fields, tags and tasks.
    pub(crate) crm: Crm,
    pub(crate) notes: Vec<Note>,
    pub(crate) events: Vec<Event>,
    pub(crate) hooks: Vec<Hook>,
    /// Client ids of enabled integrations.
    pub(crate) installed: HashSet<String>,
}

/// State of the simulator.
#[derive(Debug, Default)]
pub(crate) struct AmocrmState {
    pub(crate) integrations: Vec<Integration>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) content: HashMap<u64, Content>,
    pub(crate) codes: HashMap<String, Code>,
    pub(crate) access: HashMap<String, AccessToken>,
    pub(crate) refresh: HashMap<String, RefreshToken>,
    next_id: u64,
}

impl AmocrmState {
    pub(crate) fn integration(&self, client_id: &str) -> Option<&Integration> {
        self.integrations.iter().find(|known| known.client_id == client_id)
    }

    pub(crate) fn account(&self, id: u64) -> Option<&Account> {
        self.accounts.iter().find(|known| known.id == id)
    }

    pub(crate) fn account_mut(&mut self, id: u64) -> Option<&mut Account> {
        self.accounts.iter_mut().find(|known| known.id == id)
    }

    pub(crate) fn content(&mut self, account_id: u64) -> &mut Content {
        self.content.entry(account_id).or_default()
    }

    /// An id that no note, hook or entity uses yet.
    pub(crate) fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        920_000 + self.next_id
    }

    /// Revokes all pairs of an integration for an account.
    pub(crate) fn revoke_pairs(&mut self, client_id: &str, account_id: u64) {
        let of = |grant: &Grant| grant.client_id == client_id && grant.account_id == account_id;
        self.access.values_mut().filter(|token| of(&token.grant)).for_each(|token| token.revoked = true);
        self.refresh.values_mut().filter(|token| of(&token.grant)).for_each(|token| token.revoked = true);
    }
}
