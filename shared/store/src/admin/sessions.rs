//! Table `operator_sessions`: sessions of operators.

use flysk_domain::id::{OperatorId, OperatorSessionId};

use super::operators::{self, Operator};
use crate::error::expect_one;
use crate::sign_in::sessions::{self, SessionTable};
use crate::sql_text::sql;
use crate::{Conn, StoreResult};

pub use crate::sign_in::sessions::{end, end_all, find_open, insert, list_open, prune, step_up, touch};

/// A session of an operator.
pub type Session = sessions::Session<OperatorId>;

/// Columns of [`sessions::Session`], of the table `operator_sessions s`. The owner's row has an id and a time of creation, too.
const COLUMNS: &str =
    "s.id AS session_id, s.operator_id AS owner_id, s.stage, s.address, s.user_agent, s.proved_at, s.seen_at,
            s.expires_at, s.created_at AS began_at";

impl SessionTable for OperatorId {
    type Owner = Operator;
    type SessionId = OperatorSessionId;

    const INSERT: &'static str =
        "INSERT INTO operator_sessions (id, operator_id, token_hash, stage, address, user_agent, proved_at, seen_at,
                                        expires_at, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    const FIND_OPEN: &'static str = sql!(
        "SELECT ",
        COLUMNS,
        ", ",
        operators::COLUMNS,
        " FROM operator_sessions s JOIN operators o ON o.id = s.operator_id
         WHERE s.token_hash = ? AND s.ended_at IS NULL AND s.expires_at > ? AND s.seen_at > ?"
    );
    const LIST_OPEN: &'static str = sql!(
        "SELECT ",
        COLUMNS,
        " FROM operator_sessions s WHERE s.operator_id = ? AND s.ended_at IS NULL AND s.expires_at > ?
         ORDER BY s.id DESC"
    );
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

/// Replaces the cookie of an open session, which stays what it was otherwise.
pub async fn replace_token(conn: &mut Conn, id: OperatorSessionId, token_hash: &str) -> StoreResult<()> {
    let result = sqlx::query("UPDATE operator_sessions SET token_hash = ? WHERE id = ? AND ended_at IS NULL")
        .bind(token_hash)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    expect_one(&result, "session")
}
