//! Table `vendor_sessions`: sessions of vendors' users.

use flysk_domain::id::{VendorSessionId, VendorUserId};

use crate::sign_in::sessions::{self, SessionTable};
use crate::sql_text::sql;

pub use crate::sign_in::sessions::{end, end_all, find_open, insert, list_open, prune, step_up, touch};

/// A session of a vendor's user.
pub type VendorSession = sessions::Session<VendorUserId>;

const SELECT: &str =
    "SELECT id, user_id AS owner_id, stage, address, user_agent, proved_at, seen_at, expires_at, created_at
     FROM vendor_sessions WHERE ";

impl SessionTable for VendorUserId {
    type SessionId = VendorSessionId;

    const INSERT: &'static str =
        "INSERT INTO vendor_sessions (id, user_id, token_hash, stage, address, user_agent, proved_at, seen_at,
                                        expires_at, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    const FIND_OPEN: &'static str =
        sql!(SELECT, "token_hash = ? AND ended_at IS NULL AND expires_at > ? AND seen_at > ?");
    const LIST_OPEN: &'static str =
        sql!(SELECT, "user_id = ? AND ended_at IS NULL AND expires_at > ? ORDER BY id DESC");
    const STEP_UP: &'static str =
        "UPDATE vendor_sessions SET token_hash = ?, stage = 'full', proved_at = ?, seen_at = ?, expires_at = ?
         WHERE id = ? AND ended_at IS NULL";
    const TOUCH: &'static str = "UPDATE vendor_sessions SET seen_at = ? WHERE id = ?";
    const END: &'static str =
        "UPDATE vendor_sessions SET ended_at = ? WHERE id = ? AND user_id = ? AND ended_at IS NULL";
    const END_ALL: &'static str =
        "UPDATE vendor_sessions SET ended_at = ? WHERE user_id = ? AND ended_at IS NULL";
    const PRUNE: &'static str =
        "DELETE FROM vendor_sessions WHERE expires_at < ? ORDER BY expires_at LIMIT ?";
}
