//! Table `operator_passkeys`: public keys of authenticators that replace codes of the second factor.

use chrono::{DateTime, Utc};
use flysk_domain::id::{OperatorId, PasskeyId};

use crate::sql_text::sql;
use crate::{Conn, StoreResult};

/// A passkey of an operator.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Passkey {
    /// `psk_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: PasskeyId,
    /// Name given by the operator.
    pub name: String,
    /// Id of the credential, in base64url.
    pub credential_id: String,
    /// Public key (`COSE_Key`), in base64url.
    pub public_key: String,
    /// Last use.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Registration.
    pub created_at: DateTime<Utc>,
}

/// A passkey to be inserted.
#[derive(Debug)]
pub struct NewPasskey<'a> {
    /// `psk_…`, chosen by the caller.
    pub id: PasskeyId,
    /// Operator who registered the passkey.
    pub operator_id: OperatorId,
    /// Name given by the operator.
    pub name: &'a str,
    /// Id of the credential, in base64url.
    pub credential_id: &'a str,
    /// SHA-256 of the credential's id, in hexadecimal digits.
    pub credential_hash: &'a str,
    /// Public key (`COSE_Key`), in base64url.
    pub public_key: &'a str,
    /// Signature counter at the registration.
    pub sign_count: u32,
}

const SELECT: &str =
    "SELECT id, name, credential_id, public_key, last_used_at, created_at FROM operator_passkeys WHERE ";

/// Inserts a passkey; [`crate::StoreError::Duplicate`] with `operator_passkeys_credential` if it is already registered.
pub async fn insert(conn: &mut Conn, passkey: &NewPasskey<'_>, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO operator_passkeys (id, operator_id, name, credential_id, credential_hash, public_key, sign_count,
                                        created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(passkey.id.to_string())
    .bind(passkey.operator_id.to_string())
    .bind(passkey.name)
    .bind(passkey.credential_id)
    .bind(passkey.credential_hash)
    .bind(passkey.public_key)
    .bind(passkey.sign_count)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lists the passkeys of an operator in the order of their registration. There are few.
pub async fn list(conn: &mut Conn, operator: OperatorId) -> StoreResult<Vec<Passkey>> {
    Ok(sqlx::query_as(sql!(SELECT, "operator_id = ? ORDER BY id"))
        .bind(operator.to_string())
        .fetch_all(conn)
        .await?)
}

/// Whether an operator has a passkey.
pub async fn has_any(conn: &mut Conn, operator: OperatorId) -> StoreResult<bool> {
    let registered: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM operator_passkeys WHERE operator_id = ?")
        .bind(operator.to_string())
        .fetch_one(conn)
        .await?;
    Ok(registered > 0)
}

/// Finds a passkey of an operator by the SHA-256 of its credential's id.
pub async fn find(
    conn: &mut Conn,
    operator: OperatorId,
    credential_hash: &str,
) -> StoreResult<Option<Passkey>> {
    Ok(sqlx::query_as(sql!(SELECT, "credential_hash = ? AND operator_id = ?"))
        .bind(credential_hash)
        .bind(operator.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Writes a use of a passkey. `false` if its signature counter is not below `sign_count`, unless both are 0 because the
/// authenticator counts nothing: then there may be a copy of the passkey (Web Authentication, level 3, section 7.2, step 22).
pub async fn write_use(
    conn: &mut Conn,
    id: PasskeyId,
    sign_count: u32,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let used = sqlx::query(
        "UPDATE operator_passkeys SET sign_count = ?, last_used_at = ?
         WHERE id = ? AND (sign_count < ? OR (sign_count = 0 AND ? = 0))",
    )
    .bind(sign_count)
    .bind(now)
    .bind(id.to_string())
    .bind(sign_count)
    .bind(sign_count)
    .execute(conn)
    .await?;
    Ok(used.rows_affected() == 1)
}

/// Removes a passkey of an operator; `false` if there is none.
pub async fn remove(conn: &mut Conn, operator: OperatorId, id: PasskeyId) -> StoreResult<bool> {
    let removed = sqlx::query("DELETE FROM operator_passkeys WHERE id = ? AND operator_id = ?")
        .bind(id.to_string())
        .bind(operator.to_string())
        .execute(conn)
        .await?;
    Ok(removed.rows_affected() == 1)
}

/// Removes all passkeys of an operator; returns how many.
pub async fn remove_all(conn: &mut Conn, operator: OperatorId) -> StoreResult<u64> {
    let removed = sqlx::query("DELETE FROM operator_passkeys WHERE operator_id = ?")
        .bind(operator.to_string())
        .execute(conn)
        .await?;
    Ok(removed.rows_affected())
}
