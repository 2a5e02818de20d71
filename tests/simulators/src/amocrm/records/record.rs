//! Leads, contacts, companies and customers as the account keeps them.

use std::collections::{BTreeMap, HashMap};

use super::super::model::{Entity, EntityType};
use super::custom_field::{FieldValue, phone_field, phone_value};
use super::pipeline;

/// Type and id of a record.
pub(crate) type Key = (EntityType, u64);

/// A link from a lead or customer to a contact or company, or from a contact to its company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) to: Key,
    /// Whether it is the main contact of the lead.
    pub(crate) is_main: bool,
}

/// A lead, contact, company or customer. Fields that its type lacks are empty.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) entity_type: EntityType,
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    /// Budget of a lead.
    pub(crate) price: i64,
    /// Status of a lead in the account's only pipeline.
    pub(crate) status_id: u64,
    /// Unix seconds.
    pub(crate) closed_at: Option<i64>,
    pub(crate) responsible_user_id: u64,
    /// 0 is a robot.
    pub(crate) created_by: u64,
    /// 0 is a robot.
    pub(crate) updated_by: u64,
    /// Unix seconds.
    pub(crate) created_at: i64,
    /// Unix seconds.
    pub(crate) updated_at: i64,
    /// Ids of tags, in the order in which they were attached.
    pub(crate) tags: Vec<u64>,
    /// Values of custom fields by the fields' ids.
    pub(crate) values: BTreeMap<u64, Vec<FieldValue>>,
    pub(crate) links: Vec<Link>,
}

impl Record {
    /// A record that a user has just created.
    pub(crate) fn new((entity_type, id): Key, user_id: u64, now: i64) -> Self {
        let is_lead = entity_type == EntityType::Leads;
        Self {
            entity_type,
            id,
            name: String::new(),
            first_name: String::new(),
            last_name: String::new(),
            price: 0,
            status_id: if is_lead { pipeline::FIRST_STATUS_ID } else { 0 },
            closed_at: None,
            responsible_user_id: user_id,
            created_by: user_id,
            updated_by: user_id,
            created_at: now,
            updated_at: now,
            tags: Vec::new(),
            values: BTreeMap::new(),
            links: Vec::new(),
        }
    }

    /// The record of a scenario's entity among the account's `entities`. A linked id is that of a contact or company that exists,
    /// or of a contact.
    pub(crate) fn of_entity(entity: Entity, entities: &HashMap<Key, Self>, now: i64) -> Self {
        let mut record = Self::new((entity.entity_type, entity.id), entity.responsible_user_id, now);
        if entity.closed {
            record.status_id = pipeline::LOST_STATUS_ID;
            record.closed_at = Some(now);
        }
        let phone = phone_field(entity.entity_type).filter(|_| !entity.phones.is_empty());
        if let Some(field) = phone {
            record
                .values
                .insert(field, entity.phones.iter().map(|phone| phone_value(field, phone)).collect());
        }
        for id in entity.of {
            let candidates = [(EntityType::Contacts, id), (EntityType::Companies, id)];
            let known: Vec<Key> = candidates.into_iter().filter(|key| entities.contains_key(key)).collect();
            let linked = if known.is_empty() { vec![candidates[0]] } else { known };
            for key in linked {
                record.link(key, false);
            }
        }
        record
    }

    /// Type and id.
    pub(crate) fn key(&self) -> Key {
        (self.entity_type, self.id)
    }

    /// Whether a lead or customer has come to its end.
    pub(crate) fn is_closed(&self) -> bool {
        pipeline::is_final(self.status_id)
    }

    /// Telephone numbers.
    pub(crate) fn phones(&self) -> Vec<&str> {
        let values = phone_field(self.entity_type).and_then(|field| self.values.get(&field));
        values.into_iter().flatten().filter_map(|value| value.value.as_str()).collect()
    }

    /// Whether it has a link to this record.
    pub(crate) fn links_to(&self, to: Key) -> bool {
        self.links.iter().any(|link| link.to == to)
    }

    /// Links it to a contact or company. It has one company, and one main contact, by default the first.
    pub(crate) fn link(&mut self, to: Key, is_main: bool) {
        let is_company = to.0 == EntityType::Companies;
        self.links.retain(|link| link.to != to && !(is_company && link.to.0 == EntityType::Companies));
        self.links.push(Link { to, is_main: false });
        let has_main = self.links.iter().any(|link| link.is_main);
        if to.0 == EntityType::Contacts && (is_main || !has_main) {
            for link in &mut self.links {
                link.is_main = link.to == to;
            }
        }
    }

    /// Removes a link. Another contact becomes the main one if the main one is gone.
    pub(crate) fn unlink(&mut self, from: Key) {
        self.links.retain(|link| link.to != from);
        if self.links.iter().all(|link| !link.is_main)
            && let Some(first) = self.links.iter_mut().find(|link| link.to.0 == EntityType::Contacts)
        {
            first.is_main = true;
        }
    }
}
