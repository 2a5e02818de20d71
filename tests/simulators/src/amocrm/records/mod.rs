//! What an account keeps in its CRM: leads, contacts, companies and customers, with custom fields, tags, tasks and the pipeline.
//! The API's methods on them are in [`super::crm`].

mod custom_field;
pub(crate) mod pipeline;
mod record;
mod tag;
mod task;

use std::collections::BTreeMap;

pub(crate) use custom_field::{CustomField, FieldEnum, FieldKind, FieldValue};
pub(crate) use record::{Key, Record};
pub(crate) use tag::Tag;
pub(crate) use task::Task;

/// What an account has beside its records.
#[derive(Debug)]
pub(crate) struct Crm {
    pub(crate) fields: Vec<CustomField>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) tasks: BTreeMap<u64, Task>,
}

impl Default for Crm {
    fn default() -> Self {
        Self { fields: custom_field::predefined(), tags: Vec::new(), tasks: BTreeMap::new() }
    }
}

impl Crm {
    /// When the next open task about a record must be done, Unix seconds.
    pub(crate) fn closest_task_at(&self, key: Key) -> Option<i64> {
        let open = self.tasks.values().filter(|task| task.about == Some(key) && !task.is_completed);
        open.map(|task| task.complete_till).min()
    }
}
