//! The pipeline of an account with its statuses.
//!
//! Every account has the same one, and it does not change. 142 and 143 are the same in every pipeline of amoCRM.

pub(crate) const PIPELINE_ID: u64 = 5_000_001;
/// Status of a lead that names none: the first one after the incoming leads.
pub(super) const FIRST_STATUS_ID: u64 = 5_000_012;
/// Successfully ended.
const WON_STATUS_ID: u64 = 142;
/// Ended without success.
pub(super) const LOST_STATUS_ID: u64 = 143;

/// Id, name, position, colour of each status. The first holds incoming leads.
pub(crate) const STATUSES: [(u64, &str, u32, &str); 6] = [
    (5_000_011, "Неразобранное", 10, "#c1c1c1"),
    (FIRST_STATUS_ID, "Первичный контакт", 20, "#99ccff"),
    (5_000_013, "Переговоры", 30, "#ffff99"),
    (5_000_014, "Принимают решение", 40, "#ffcc66"),
    (WON_STATUS_ID, "Успешно реализовано", 10_000, "#CCFF66"),
    (LOST_STATUS_ID, "Закрыто и не реализовано", 11_000, "#D5D8DB"),
];

/// Whether a lead with this status is closed.
pub(crate) fn is_final(status_id: u64) -> bool {
    matches!(status_id, WON_STATUS_ID | LOST_STATUS_ID)
}

/// Whether the pipeline has this status.
pub(crate) fn has_status(status_id: u64) -> bool {
    STATUSES.iter().any(|(id, ..)| *id == status_id)
}
