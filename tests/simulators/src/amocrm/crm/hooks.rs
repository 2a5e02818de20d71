//! Hooks about leads, contacts, companies and tasks: which are sent, and their forms (amoCRM docs, crm_platform/webhooks-format, and
//! Kommo's page on webhooks, which shows every event of the same sender).
//!
//! A change of a status or of the responsible user is an update, too, and is told by both events. The records of one request to
//! the API come in one request for each event.

use std::fmt::Display;

use serde_json::Value;

use super::super::Amocrm;
use super::super::hook_form::{LOCAL_TIME, begin, local};
use super::super::model::{Account, EntityType};
use super::super::records::pipeline::PIPELINE_ID;
use super::super::records::{CustomField, FieldKind, FieldValue, Key, Record, Task};
use super::super::state::Content;
use super::record_json::linked_keys;
use crate::lock::locked;

/// A change of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    key: Key,
    is_new: bool,
    /// The former status of a lead, if it has changed.
    old_status: Option<u64>,
    /// The former responsible user, if it has changed.
    old_responsible: Option<u64>,
}

impl Change {
    /// A new record.
    pub(crate) fn added(key: Key) -> Self {
        Self { key, is_new: true, old_status: None, old_responsible: None }
    }

    /// A record before and after a change.
    pub(crate) fn between(former: &Record, record: &Record) -> Self {
        let changed = |old: u64, new: u64| (old != new).then_some(old);
        Self {
            key: record.key(),
            is_new: false,
            old_status: changed(former.status_id, record.status_id),
            old_responsible: changed(former.responsible_user_id, record.responsible_user_id),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct TaskChange {
    task: Task,
    /// The task before; `None`: it is new.
    former: Option<Task>,
}

impl TaskChange {
    pub(crate) fn added(task: &Task) -> Self {
        Self { task: task.clone(), former: None }
    }

    /// A task before and after a change.
    pub(crate) fn between(former: &Task, task: &Task) -> Self {
        Self { task: task.clone(), former: Some(former.clone()) }
    }

    fn old_responsible(&self) -> Option<u64> {
        let former = self.former.as_ref()?.responsible_user_id;
        (former != self.task.responsible_user_id).then_some(former)
    }
}

/// Keys below an item with their values.
#[derive(Debug, Default)]
struct Pairs(Vec<(String, String)>);

impl Pairs {
    fn put(&mut self, key: impl Display, value: impl Display) {
        self.0.push((key.to_string(), value.to_string()));
    }
}

/// The form of one event: the account, and `group[action][index]…` for each item.
fn form(account: &Account, group: &str, action: &str, items: Vec<Pairs>) -> String {
    let mut form = begin(account);
    for (index, pairs) in items.into_iter().enumerate() {
        for (key, value) in pairs.0 {
            form.append_pair(&format!("{group}[{action}][{index}]{key}"), &value);
        }
    }
    form.finish()
}

impl Amocrm {
    /// Tells the hooks of an account about changed records of a type.
    pub(crate) fn fire_records(&self, account_id: u64, of: EntityType, changes: &[Change]) {
        let bodies: Vec<(String, String)> = {
            let mut state = locked(&self.inner.state);
            let Some(account) = state.account(account_id).cloned() else { return };
            let content = &*state.content(account_id);
            ["add", "update", "status", "responsible"]
                .into_iter()
                .filter_map(|event| {
                    let told = changes.iter().filter(|change| concerns(event, change));
                    let items: Vec<Pairs> =
                        told.filter_map(|change| record_pairs(change, content, account_id)).collect();
                    // The responsible user has a group of its own for leads only.
                    let action =
                        if event == "responsible" && of != EntityType::Leads { "update" } else { event };
                    let name = format!("{event}_{}", of.singular());
                    (!items.is_empty()).then(|| (name, form(&account, group(of), action, items)))
                })
                .collect()
        };
        for (event, body) in bodies {
            self.send_to_hooks(account_id, &event, &body);
        }
    }

    /// Tells the hooks of an account about changed tasks.
    pub(crate) fn fire_tasks(&self, account_id: u64, changes: &[TaskChange]) {
        let Some(account) = self.account(account_id) else { return };
        let send = |event: &str, action: &str, told: Vec<&TaskChange>| {
            if !told.is_empty() {
                let items = told.into_iter().map(|change| task_pairs(change, account_id)).collect();
                self.send_to_hooks(account_id, event, &form(&account, "task", action, items));
            }
        };
        let (added, updated): (Vec<&TaskChange>, Vec<&TaskChange>) =
            changes.iter().partition(|change| change.former.is_none());
        let handed_over =
            updated.iter().copied().filter(|change| change.old_responsible().is_some()).collect();
        send("add_task", "add", added);
        send("update_task", "update", updated);
        send("responsible_task", "update", handed_over);
    }
}

fn concerns(event: &str, change: &Change) -> bool {
    match event {
        "add" => change.is_new,
        "update" => !change.is_new,
        "status" => change.old_status.is_some(),
        _ => change.old_responsible.is_some(),
    }
}

/// Companies come in the group of contacts, told apart by `type`.
fn group(of: EntityType) -> &'static str {
    match of {
        EntityType::Contacts | EntityType::Companies => EntityType::Contacts.plural(),
        EntityType::Leads | EntityType::Customers => of.plural(),
    }
}

fn record_pairs(change: &Change, content: &Content, account_id: u64) -> Option<Pairs> {
    let record = content.entities.get(&change.key)?;
    let is_lead = record.entity_type == EntityType::Leads;
    let mut pairs = Pairs::default();
    pairs.put("[id]", record.id);
    pairs.put("[name]", &record.name);
    if is_lead {
        pairs.put("[status_id]", record.status_id);
        if let Some(old) = change.old_status {
            pairs.put("[old_status_id]", old);
        }
        pairs.put("[price]", record.price);
        pairs.put("[pipeline_id]", PIPELINE_ID);
    }
    pairs.put("[responsible_user_id]", record.responsible_user_id);
    pairs.put("[last_modified]", record.updated_at);
    pairs.put("[modified_user_id]", record.updated_by);
    pairs.put("[created_user_id]", record.created_by);
    pairs.put("[date_create]", record.created_at);
    pairs.put("[account_id]", account_id);
    put_tags(&mut pairs, record, content);
    put_custom_fields(&mut pairs, record, &content.crm.fields);
    if !is_lead {
        put_links(&mut pairs, record, content);
        pairs.put("[type]", record.entity_type.singular());
    }
    if let Some(old) = change.old_responsible {
        pairs.put("[old_responsible_user_id]", old);
    }
    pairs.put("[created_at]", record.created_at);
    pairs.put("[updated_at]", record.updated_at);
    Some(pairs)
}

fn put_tags(pairs: &mut Pairs, record: &Record, content: &Content) {
    let tags = record.tags.iter().filter_map(|id| content.crm.tags.iter().find(|tag| tag.id == *id));
    for (index, tag) in tags.enumerate() {
        pairs.put(format!("[tags][{index}][id]"), tag.id);
        pairs.put(format!("[tags][{index}][name]"), &tag.name);
    }
}

/// Leads of a contact or company, and the company of a contact.
fn put_links(pairs: &mut Pairs, record: &Record, content: &Content) {
    for (_, id) in linked_keys(record, content, EntityType::Leads) {
        pairs.put(format!("[linked_leads_id][{id}][ID]"), id);
    }
    let company = linked_keys(record, content, EntityType::Companies).into_iter().next();
    if let Some(company) = company.and_then(|key| content.entities.get(&key)) {
        pairs.put("[company_name]", &company.name);
        pairs.put("[linked_company_id]", company.id);
    }
}

fn put_custom_fields(pairs: &mut Pairs, record: &Record, fields: &[CustomField]) {
    let known = record.values.iter().filter_map(|(id, values)| {
        let field = fields.iter().find(|field| field.id == *id)?;
        Some((field, values))
    });
    for (index, (field, values)) in known.enumerate() {
        let at = format!("[custom_fields][{index}]");
        pairs.put(format!("{at}[id]"), field.id);
        pairs.put(format!("{at}[name]"), &field.name);
        for (number, value) in values.iter().enumerate() {
            let prefix = match field.kind {
                FieldKind::Date | FieldKind::DateTime => {
                    pairs.put(format!("{at}[values][{number}]"), shown(field.kind, value));
                    continue;
                }
                // Without an index in Kommo's examples.
                FieldKind::Radiobutton => format!("{at}[values]"),
                _ => format!("{at}[values][{number}]"),
            };
            pairs.put(format!("{prefix}[value]"), shown(field.kind, value));
            if let Some(id) = value.enum_id {
                pairs.put(format!("{prefix}[enum]"), id);
            }
        }
        if let Some(code) = &field.code {
            pairs.put(format!("{at}[code]"), code);
        }
    }
}

fn shown(kind: FieldKind, value: &FieldValue) -> String {
    match (&value.value, kind) {
        (Value::Bool(on), _) => u8::from(*on).to_string(),
        (Value::String(text), _) => text.clone(),
        (other, FieldKind::Birthday) => local(other.as_i64().unwrap_or_default(), "%d.%m.%Y"),
        (other, _) => other.to_string(),
    }
}

fn task_pairs(change: &TaskChange, account_id: u64) -> Pairs {
    let task = &change.task;
    let mut pairs = Pairs::default();
    pairs.put("[id]", task.id);
    if let Some((of, id)) = task.about {
        pairs.put("[element_id]", id);
        pairs.put("[element_type]", of.number());
    }
    pairs.put("[task_type]", task.type_id);
    pairs.put("[date_create]", local(task.created_at, LOCAL_TIME));
    pairs.put("[text]", &task.text);
    pairs.put("[status]", u8::from(task.is_completed));
    pairs.put("[account_id]", account_id);
    pairs.put("[created_user_id]", task.created_by);
    pairs.put("[last_modified]", local(task.updated_at, LOCAL_TIME));
    pairs.put("[responsible_user_id]", task.responsible_user_id);
    pairs.put("[complete_till]", local(task.complete_till, LOCAL_TIME));
    if let Some(former) = &change.former {
        pairs.put("[action_close]", u8::from(task.is_completed && !former.is_completed));
        pairs.put("[old_text]", &former.text);
        if let Some(old) = change.old_responsible() {
            pairs.put("[old_responsible_user_id]", old);
        }
    }
    if let Some(result) = &task.result {
        pairs.put("[result][text]", result);
    }
    pairs.put("[created_at]", task.created_at);
    pairs.put("[updated_at]", task.updated_at);
    pairs
}
