//! Table `operator_recovery_codes`: codes of operators for a lost second factor, each valid once.

use flysk_domain::id::OperatorId;

use crate::sign_in::recovery_codes::RecoveryCodeTable;

pub use crate::sign_in::recovery_codes::{count_unused, remove_all, replace_all, use_once};

impl RecoveryCodeTable for OperatorId {
    const INSERT: &'static str = "INSERT INTO operator_recovery_codes (operator_id, code_hash) ";
    const REMOVE_ALL: &'static str = "DELETE FROM operator_recovery_codes WHERE operator_id = ?";
    const USE_ONCE: &'static str = "UPDATE operator_recovery_codes SET used_at = ? WHERE operator_id = ? AND code_hash = ? AND used_at IS NULL";
    const COUNT_UNUSED: &'static str =
        "SELECT COUNT(*) FROM operator_recovery_codes WHERE operator_id = ? AND used_at IS NULL";
}
