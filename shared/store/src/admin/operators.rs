//! Table `operators`: who may use the admin panel.

use std::fmt;

use chrono::{DateTime, Utc};
use flysk_domain::admin::{OperatorRights, OperatorRole, RowDensity};
use flysk_domain::id::OperatorId;
use flysk_domain::{TextEnum as _, UnknownText};

use crate::error::expect_one;
use crate::listed::push_in;
use crate::sign_in::credentials::CredentialTable;
use crate::sql_text::sql;
use crate::{Conn, StoreResult, TextColumn};

pub use crate::sign_in::credentials::{
    confirm_totp, hold_password, propose_totp, reseal_totp, use_totp_step, write_password,
};

/// Row of `operators`: a person of Flysk who uses the panel.
#[derive(Clone, sqlx::FromRow)]
pub struct Operator {
    /// `opr_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: OperatorId,
    /// Name to sign in with, unique.
    pub login: String,
    /// Name to show.
    pub name: String,
    /// Decides which pages and acts the operator may use.
    #[sqlx(try_from = "TextColumn")]
    pub role: OperatorRole,
    /// Rights besides those of the role.
    #[sqlx(try_from = "String")]
    pub rights: OperatorRights,
    /// Argon2id of the password, in PHC string format.
    pub password_hash: String,
    /// Secret of the second factor, sealed for `operators.totp:<id>`.
    pub totp_sealed: Option<String>,
    /// When the second factor was confirmed; until then it does not count.
    pub totp_confirmed_at: Option<DateTime<Utc>>,
    /// Height of the rows of tables.
    #[sqlx(try_from = "TextColumn")]
    pub row_density: RowDensity,
    /// When the operator was disabled.
    pub disabled_at: Option<DateTime<Utc>>,
    /// When the operator was created.
    pub created_at: DateTime<Utc>,
}

impl Operator {
    /// Whether the operator can sign in.
    pub fn state(&self) -> OperatorState {
        match (self.disabled_at, self.totp_confirmed_at) {
            (Some(_), _) => OperatorState::Disabled,
            (None, None) => OperatorState::Enrolling,
            (None, Some(_)) => OperatorState::Working,
        }
    }
}

/// Whether an operator can sign in.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorState {
    /// With password and second factor.
    Working,
    /// The second factor is set up at the next sign-in.
    Enrolling,
    /// An owner disabled the operator.
    Disabled,
}

/// Without the password's hash and the sealed secret.
impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator")
            .field("id", &self.id)
            .field("login", &self.login)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Columns of [`Operator`], of the table `operators o`.
pub(super) const COLUMNS: &str =
    "o.id, o.login, o.name, o.role, o.rights, o.password_hash, o.totp_sealed, o.totp_confirmed_at, o.row_density,
            o.disabled_at, o.created_at";

const SELECT: &str = sql!("SELECT ", COLUMNS, " FROM operators o WHERE ");

impl CredentialTable for OperatorId {
    const KIND: &'static str = "operator";
    const USE_TOTP_STEP: &'static str = "UPDATE operators SET totp_step = ? WHERE id = ? AND totp_step < ?";
    const PROPOSE_TOTP: &'static str = "UPDATE operators SET totp_sealed = ?, totp_step = 0, updated_at = ?
         WHERE id = ? AND totp_confirmed_at IS NULL";
    const CONFIRM_TOTP: &'static str = "UPDATE operators SET totp_confirmed_at = ?, updated_at = ?
         WHERE id = ? AND totp_confirmed_at IS NULL AND totp_sealed IS NOT NULL";
    const WRITE_PASSWORD: &'static str =
        "UPDATE operators SET password_hash = ?, updated_at = ? WHERE id = ?";
    const HOLD_PASSWORD: &'static str =
        "UPDATE operators SET updated_at = ? WHERE id = ? AND password_hash = ? AND disabled_at IS NULL";
    const RESEAL_TOTP: &'static str = "UPDATE operators SET totp_sealed = ? WHERE id = ? AND totp_sealed = ?";
}

/// Values of a row of `operators` that has no second factor yet.
#[derive(Debug)]
pub struct NewOperator<'a> {
    /// `opr_…`, chosen by the caller.
    pub id: OperatorId,
    /// Name to sign in with.
    pub login: &'a str,
    /// Name to show.
    pub name: &'a str,
    /// Decides which pages and acts the operator may use.
    pub role: OperatorRole,
    /// Rights besides those of the role.
    pub rights: &'a OperatorRights,
    /// Argon2id of the password, in PHC string format.
    pub password_hash: &'a str,
}

/// Inserts an operator; [`crate::StoreError::Duplicate`] with `operators_login` if the login is taken.
pub async fn insert(conn: &mut Conn, operator: &NewOperator<'_>, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO operators (id, login, name, role, rights, password_hash, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(operator.id.to_string())
    .bind(operator.login)
    .bind(operator.name)
    .bind(operator.role.as_str())
    .bind(operator.rights.to_string())
    .bind(operator.password_hash)
    .bind(now)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, id: OperatorId) -> StoreResult<Option<Operator>> {
    Ok(sqlx::query_as(sql!(SELECT, "id = ?")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Finds an operator and locks the row until the transaction ends.
pub async fn lock(conn: &mut Conn, id: OperatorId) -> StoreResult<Option<Operator>> {
    Ok(sqlx::query_as(sql!(SELECT, "id = ? FOR UPDATE")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Writes the row that the caller has locked, for a rule about other rows of the operator: on a cluster, of two transactions
/// that locked the same row at two nodes, one commits only if both wrote it.
pub async fn touch(conn: &mut Conn, id: OperatorId, now: DateTime<Utc>) -> StoreResult<()> {
    let touched = sqlx::query("UPDATE operators SET updated_at = ? WHERE id = ?")
        .bind(now)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    expect_one(&touched, "operator")
}

/// Reads the row with this unique login, without a lock.
pub async fn find_by_login(conn: &mut Conn, login: &str) -> StoreResult<Option<Operator>> {
    Ok(sqlx::query_as(sql!(SELECT, "login = ?")).bind(login).fetch_optional(conn).await?)
}

/// Lists all operators by login. There are few.
pub async fn list(conn: &mut Conn) -> StoreResult<Vec<Operator>> {
    Ok(sqlx::query_as(sql!(SELECT, "1 = 1 ORDER BY login")).fetch_all(conn).await?)
}

/// Lists those of these operators that exist.
pub async fn list_by_ids(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<Operator>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(sql!(SELECT, "o.id"));
    push_in(&mut query, ids.iter().cloned());
    Ok(query.build_query_as().fetch_all(conn).await?)
}

/// Replaces the password and removes the second factor; the next sign-in sets up a new one. A disabled operator stays disabled.
pub async fn reset(
    conn: &mut Conn,
    id: OperatorId,
    password_hash: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query(
        "UPDATE operators SET password_hash = ?, totp_sealed = NULL, totp_confirmed_at = NULL, totp_step = 0,
                updated_at = ? WHERE id = ?",
    )
    .bind(password_hash)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&result, "operator")
}

/// Lets a disabled operator sign in again.
pub async fn enable(conn: &mut Conn, id: OperatorId, now: DateTime<Utc>) -> StoreResult<()> {
    let enabled = sqlx::query("UPDATE operators SET disabled_at = NULL, updated_at = ? WHERE id = ?")
        .bind(now)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    expect_one(&enabled, "operator")
}

/// Changes role, rights and state.
pub async fn write_access(
    conn: &mut Conn,
    id: OperatorId,
    (role, rights): (OperatorRole, &OperatorRights),
    disabled_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query(
        "UPDATE operators SET role = ?, rights = ?, disabled_at = ?, updated_at = ? WHERE id = ?",
    )
    .bind(role.as_str())
    .bind(rights.to_string())
    .bind(disabled_at)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&result, "operator")
}

/// Writes the height of rows that the operator prefers.
pub async fn write_row_density(
    conn: &mut Conn,
    id: OperatorId,
    density: RowDensity,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query("UPDATE operators SET row_density = ?, updated_at = ? WHERE id = ?")
        .bind(density.as_str())
        .bind(now)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    expect_one(&result, "operator")
}
