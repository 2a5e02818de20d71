//! Acts of operators on all rows of a list.

use crate::text_enum::labeled_enum;

/// Largest number of rows of one bulk act.
pub const MAX_BULK_ROWS: u32 = 100_000;

labeled_enum!(
    /// An act on all rows of a list. Its code is that of the act on one row in the audit log.
    BulkAction {
        /// Restarts dead and cancelled jobs.
        JobReplay = "job.replay", "Повторить задания";
        /// Cancels waiting jobs.
        JobCancel = "job.cancel", "Отменить задания";
        /// Delivers events again.
        EventReplay = "event.replay", "Доставить события ещё раз";
    }
);

impl BulkAction {
    /// The act that takes this one back, if there is one. What has happened meanwhile is not taken back: a job that has started
    /// is not cancelled.
    pub const fn inverse(self) -> Option<Self> {
        match self {
            Self::JobReplay => Some(Self::JobCancel),
            Self::JobCancel => Some(Self::JobReplay),
            Self::EventReplay => None,
        }
    }

    /// Kind of the changed objects in the audit log.
    pub const fn subject_kind(self) -> &'static str {
        match self {
            Self::JobReplay | Self::JobCancel => "job",
            Self::EventReplay => "event",
        }
    }
}

/// State of a bulk act.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case", parse_err_ty = crate::UnknownText, parse_err_fn = crate::UnknownText::of::<Self>)]
pub enum BulkState {
    /// A job performs it.
    Running,
    /// An operator paused it; it can be continued.
    Paused,
    /// An operator ended it before its last row.
    Stopped,
    /// Every row has a result.
    Done,
}

impl BulkState {
    /// Whether no row will be changed any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Stopped | Self::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverse_is_taken_back_by_the_act_itself() {
        for action in BulkAction::ALL {
            if let Some(inverse) = action.inverse() {
                assert_eq!(inverse.inverse(), Some(*action));
                assert_eq!(inverse.subject_kind(), action.subject_kind());
            }
        }
    }
}
