//! Table `vendor_sessions`: sessions of vendors' users.

use flysk_domain::id::{VendorSessionId, VendorUserId};

use super::users::{self, VendorUser};
use crate::sign_in::sessions::{self, SessionTable};
use crate::sql_text::sql;

pub use crate::sign_in::sessions::{end, end_all, find_open, insert, list_open, prune, step_up, touch};

/// A session of a vendor's user.
pub type VendorSession = sessions::Session<VendorUserId>;

/// Columns of [`sessions::Session`], of the table `vendor_sessions s`. The owner's row has an id and a time of creation, too.
const COLUMNS: &str =
    "s.id AS session_id, s.user_id AS owner_id, s.stage, s.address, s.user_agent, s.proved_at, s.seen_at,
            s.expires_at, s.created_at AS began_at";

impl SessionTable for VendorUserId {
    type Owner = VendorUser;
    type SessionId = VendorSessionId;

    const INSERT: &'static str =
        "INSERT INTO vendor_sessions (id, user_id, token_hash, stage, address, user_agent, proved_at, seen_at,
                                        expires_at, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    const FIND_OPEN: &'static str = sql!(
        "SELECT ",
        COLUMNS,
        ", ",
        users::COLUMNS,
        " FROM vendor_sessions s JOIN vendor_users u ON u.id = s.user_id JOIN vendors v ON v.id = u.vendor_id
         WHERE s.token_hash = ? AND s.ended_at IS NULL AND s.expires_at > ? AND s.seen_at > ?"
    );
    const LIST_OPEN: &'static str = sql!(
        "SELECT ",
        COLUMNS,
        " FROM vendor_sessions s WHERE s.user_id = ? AND s.ended_at IS NULL AND s.expires_at > ?
         ORDER BY s.id DESC"
    );
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
