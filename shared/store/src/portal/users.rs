//! Table `vendor_users`: people of vendors who may use the portal.

use std::fmt;

use chrono::{DateTime, Utc};
use flysk_domain::id::{VendorId, VendorUserId};

use crate::error::expect_one;
use crate::sign_in::credentials::CredentialTable;
use crate::sql_text::sql;
use crate::{Conn, StoreResult};

pub use crate::sign_in::credentials::{
    confirm_totp, hold_password, propose_totp, reseal_totp, use_totp_step, write_password,
};

/// A user of the portal, who belongs to one vendor.
#[derive(Clone, sqlx::FromRow)]
pub struct VendorUser {
    /// `vus_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: VendorUserId,
    /// Row of `vendors`.
    #[sqlx(try_from = "String")]
    pub vendor_id: VendorId,
    /// Unique word by which commands name the vendor.
    pub vendor_code: String,
    /// Legal name of the vendor; may be empty.
    pub vendor_name: String,
    /// E-mail address to sign in with, lower-case, unique.
    pub email: String,
    /// Name to show.
    pub name: String,
    /// Argon2id of the password, in PHC string format.
    pub password_hash: String,
    /// Secret of the second factor, sealed for `vendor_users.totp:<id>`.
    pub totp_sealed: Option<String>,
    /// When the second factor was confirmed; until then it does not count.
    pub totp_confirmed_at: Option<DateTime<Utc>>,
    /// When the user was disabled.
    pub disabled_at: Option<DateTime<Utc>>,
    /// When the user was created.
    pub created_at: DateTime<Utc>,
}

/// Without the password's hash, the sealed secret and the address.
impl fmt::Debug for VendorUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VendorUser")
            .field("id", &self.id)
            .field("vendor_id", &self.vendor_id)
            .finish_non_exhaustive()
    }
}

/// Columns of [`VendorUser`], of the tables `vendor_users u` and `vendors v`.
pub(super) const COLUMNS: &str =
    "u.id, u.vendor_id, v.code AS vendor_code, v.legal_name AS vendor_name, u.email, u.name, u.password_hash,
            u.totp_sealed, u.totp_confirmed_at, u.disabled_at, u.created_at";

const SELECT: &str =
    sql!("SELECT ", COLUMNS, " FROM vendor_users u JOIN vendors v ON v.id = u.vendor_id WHERE ");

impl CredentialTable for VendorUserId {
    const KIND: &'static str = "vendor's user";
    const USE_TOTP_STEP: &'static str =
        "UPDATE vendor_users SET totp_step = ? WHERE id = ? AND totp_step < ?";
    const PROPOSE_TOTP: &'static str =
        "UPDATE vendor_users SET totp_sealed = ?, totp_step = 0, updated_at = ?
         WHERE id = ? AND totp_confirmed_at IS NULL";
    const CONFIRM_TOTP: &'static str = "UPDATE vendor_users SET totp_confirmed_at = ?, updated_at = ?
         WHERE id = ? AND totp_confirmed_at IS NULL AND totp_sealed IS NOT NULL";
    const WRITE_PASSWORD: &'static str =
        "UPDATE vendor_users SET password_hash = ?, updated_at = ? WHERE id = ?";
    const HOLD_PASSWORD: &'static str =
        "UPDATE vendor_users SET updated_at = ? WHERE id = ? AND password_hash = ? AND disabled_at IS NULL";
    const RESEAL_TOTP: &'static str =
        "UPDATE vendor_users SET totp_sealed = ? WHERE id = ? AND totp_sealed = ?";
}

/// Values of a user who has accepted an invitation.
#[derive(Debug)]
pub struct NewVendorUser<'a> {
    /// `vus_…`, chosen by the caller.
    pub id: VendorUserId,
    /// Row of `vendors`.
    pub vendor_id: VendorId,
    /// E-mail address to sign in with, lower-case.
    pub email: &'a str,
    /// Name to show.
    pub name: &'a str,
    /// Argon2id of the password, in PHC string format.
    pub password_hash: &'a str,
}

/// Inserts a user; [`crate::StoreError::Duplicate`] with `vendor_users_email` if the address is taken.
pub async fn insert(conn: &mut Conn, user: &NewVendorUser<'_>, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO vendor_users (id, vendor_id, email, name, password_hash, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(user.id.to_string())
    .bind(user.vendor_id.to_string())
    .bind(user.email)
    .bind(user.name)
    .bind(user.password_hash)
    .bind(now)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, id: VendorUserId) -> StoreResult<Option<VendorUser>> {
    Ok(sqlx::query_as(sql!(SELECT, "u.id = ?")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Finds a user by the address to sign in with.
pub async fn find_by_email(conn: &mut Conn, email: &str) -> StoreResult<Option<VendorUser>> {
    // The column is ASCII: the database refuses to compare it with other characters, and they cannot match.
    if !email.is_ascii() {
        return Ok(None);
    }
    Ok(sqlx::query_as(sql!(SELECT, "u.email = ?")).bind(email).fetch_optional(conn).await?)
}

/// Finds a user of a vendor and locks the row until the transaction ends.
pub async fn lock(conn: &mut Conn, vendor: VendorId, id: VendorUserId) -> StoreResult<Option<VendorUser>> {
    Ok(sqlx::query_as(sql!(SELECT, "u.id = ? AND u.vendor_id = ? FOR UPDATE"))
        .bind(id.to_string())
        .bind(vendor.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Disabled ones too, by id.
pub async fn list_of_vendor(conn: &mut Conn, vendor: VendorId) -> StoreResult<Vec<VendorUser>> {
    Ok(sqlx::query_as(sql!(SELECT, "u.vendor_id = ? ORDER BY u.id"))
        .bind(vendor.to_string())
        .fetch_all(conn)
        .await?)
}

/// Lists all users, for the rotation of keys. There are few.
pub async fn list_all(conn: &mut Conn) -> StoreResult<Vec<VendorUser>> {
    Ok(sqlx::query_as(sql!(SELECT, "1 = 1 ORDER BY u.id")).fetch_all(conn).await?)
}

/// Replaces name and password, removes the second factor, and enables the user: another invitation was accepted.
pub async fn renew(
    conn: &mut Conn,
    id: VendorUserId,
    name: &str,
    password_hash: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query(
        "UPDATE vendor_users SET name = ?, password_hash = ?, totp_sealed = NULL, totp_confirmed_at = NULL, totp_step = 0,
                disabled_at = NULL, updated_at = ? WHERE id = ?",
    )
    .bind(name)
    .bind(password_hash)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&result, "vendor's user")
}

/// Disables or enables a user.
pub async fn write_disabled(
    conn: &mut Conn,
    id: VendorUserId,
    disabled_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query("UPDATE vendor_users SET disabled_at = ?, updated_at = ? WHERE id = ?")
        .bind(disabled_at)
        .bind(now)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    expect_one(&result, "vendor's user")
}
