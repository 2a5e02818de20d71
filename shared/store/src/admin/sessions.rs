//! Table `operator_sessions`: sessions of operators.

use flysk_domain::id::{OperatorId, OperatorSessionId};

use crate::sign_in::sessions::{self, SessionTable};
use crate::sql_text::sql;

pub use crate::sign_in::sessions::{end, end_all, find_open, insert, list_open, prune, step_up, touch};

/// A session of an operator.
pub type Session = sessions::Session<OperatorId>;

const SELECT: &str =
    "SELECT id, operator_id AS owner_id, stage, address, user_agent, proved_at, seen_at, expires_at, created_at
     FROM operator_sessions WHERE ";

impl SessionTable for OperatorId {
    type SessionId = OperatorSessionId;

    const INSERT: &'static str =
        "INSERT INTO operator_sessions (id, operator_id, token_hash, stage, address, user_agent, proved_at, seen_at,
                                        expires_at, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    const FIND_OPEN: &'static str =
        sql!(SELECT, "token_hash = ? AND ended_at IS NULL AND expires_at > ? AND seen_at > ?");
    const LIST_OPEN: &'static str =
        sql!(SELECT, "operator_id = ? AND ended_at IS NULL AND expires_at > ? ORDER BY id DESC");
    const STEP_UP: &'static str =
        "UPDATE operator_sessions SET token_hash = ?, stage = 'full', proved_at = ?, seen_at = ?, expires_at = ?
         WHERE id = ? AND ended_at IS NULL";
    const TOUCH: &'static str = "UPDATE operator_sessions SET seen_at = ? WHERE id = ?";
    const END: &'static str =
        "UPDATE operator_sessions SET ended_at = ? WHERE id = ? AND operator_id = ? AND ended_at IS NULL";
    const END_ALL: &'static str =
        "UPDATE operator_sessions SET ended_at = ? WHERE operator_id = ? AND ended_at IS NULL";
    const PRUNE: &'static str =
        "DELETE FROM operator_sessions WHERE expires_at < ? ORDER BY expires_at LIMIT ?";
}
