//! Table `vendor_recovery_codes`: codes of vendors' users for a lost second factor, each valid once.

use flysk_domain::id::VendorUserId;

use crate::sign_in::recovery_codes::RecoveryCodeTable;

pub use crate::sign_in::recovery_codes::{count_unused, remove_all, replace_all, use_once};

impl RecoveryCodeTable for VendorUserId {
    const INSERT: &'static str = "INSERT INTO vendor_recovery_codes (user_id, code_hash) ";
    const REMOVE_ALL: &'static str = "DELETE FROM vendor_recovery_codes WHERE user_id = ?";
    const USE_ONCE: &'static str = "UPDATE vendor_recovery_codes SET used_at = ? WHERE user_id = ? AND code_hash = ? AND used_at IS NULL";
    const COUNT_UNUSED: &'static str =
        "SELECT COUNT(*) FROM vendor_recovery_codes WHERE user_id = ? AND used_at IS NULL";
}
