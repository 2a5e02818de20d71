//! Tags of records (amoCRM docs, crm_platform/tags-api).

use super::super::model::EntityType;

/// A tag. Tags with the same name are different ones in leads and contacts.
#[derive(Debug, Clone)]
pub(crate) struct Tag {
    pub(crate) id: u64,
    pub(crate) entity_type: EntityType,
    pub(crate) name: String,
    pub(crate) color: Option<String>,
}
