//! Tasks of an account (amoCRM docs, crm_platform/tasks-api).

use super::record::Key;

#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) id: u64,
    pub(crate) text: String,
    /// The record that it is about, if any.
    pub(crate) about: Option<Key>,
    pub(crate) type_id: u64,
    /// When it must be done, Unix seconds.
    pub(crate) complete_till: i64,
    /// Seconds.
    pub(crate) duration: i64,
    pub(crate) is_completed: bool,
    pub(crate) result: Option<String>,
    pub(crate) responsible_user_id: u64,
    /// 0 is a robot.
    pub(crate) created_by: u64,
    /// 0 is a robot.
    pub(crate) updated_by: u64,
    /// Unix seconds.
    pub(crate) created_at: i64,
    /// Unix seconds.
    pub(crate) updated_at: i64,
}
