//! Table `saved_views`: filters of lists that operators saved, for themselves or for all.

use chrono::{DateTime, Utc};
use flysk_domain::id::{OperatorId, ViewId};

use crate::{Conn, StoreResult};

/// Row of `saved_views`: a list's filter under a name.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SavedView {
    /// `viw_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: ViewId,
    /// Row of `operators`.
    #[sqlx(try_from = "String")]
    pub operator_id: OperatorId,
    /// Path of the list.
    pub list: String,
    /// Chosen by the operator; shown as the label.
    pub name: String,
    /// Query string of the list, without `?`.
    pub query: String,
    /// Whether all operators see it.
    pub shared: bool,
}

/// Stores a view; `now` becomes its time of creation.
pub async fn insert(conn: &mut Conn, view: &SavedView, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO saved_views (id, operator_id, list, name, query, shared, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(view.id.to_string())
    .bind(view.operator_id.to_string())
    .bind(&view.list)
    .bind(&view.name)
    .bind(&view.query)
    .bind(view.shared)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lists the operator's own and all shared views of a list, by name.
pub async fn list(conn: &mut Conn, operator: OperatorId, path: &str) -> StoreResult<Vec<SavedView>> {
    Ok(sqlx::query_as(
        "SELECT id, operator_id, list, name, query, shared FROM saved_views
         WHERE list = ? AND (operator_id = ? OR shared) ORDER BY name, id LIMIT 100",
    )
    .bind(path)
    .bind(operator.to_string())
    .fetch_all(conn)
    .await?)
}

/// Deletes an operator's own view; `false` if there is none with this id.
pub async fn delete(conn: &mut Conn, operator: OperatorId, id: ViewId) -> StoreResult<bool> {
    let deleted = sqlx::query("DELETE FROM saved_views WHERE id = ? AND operator_id = ?")
        .bind(id.to_string())
        .bind(operator.to_string())
        .execute(conn)
        .await?;
    Ok(deleted.rows_affected() == 1)
}
