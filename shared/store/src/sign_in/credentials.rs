//! Password and second factor of a principal, in the principal's own row.

use chrono::{DateTime, Utc};

use super::StoredId;
use super::sealed::Sealed;
use crate::error::expect_one;
use crate::{Conn, StoreResult};

/// The table of a kind of principals, and its statements about their credentials.
pub trait CredentialTable: StoredId + Sealed {
    /// Kind of the row, for errors.
    const KIND: &'static str;
    /// Writes the last accepted step of the row with this id, unless it is this or a later one.
    const USE_TOTP_STEP: &'static str;
    /// Writes sealed secret and time of the row with this id, whose second factor is not confirmed.
    const PROPOSE_TOTP: &'static str;
    /// Writes the time of the confirmation and of the change of the row with this id, whose second factor is proposed.
    const CONFIRM_TOTP: &'static str;
    /// Writes hash and time of the row with this id.
    const WRITE_PASSWORD: &'static str;
    /// Writes the time of the row with this id and this hash, unless it is disabled.
    const HOLD_PASSWORD: &'static str;
    /// Writes the sealed secret of the row with this id and this sealed secret.
    const RESEAL_TOTP: &'static str;
}

/// Accepts a code of time step `step`, unless one of this or a later step was accepted: `false`.
pub async fn use_totp_step<P: CredentialTable>(conn: &mut Conn, id: P, step: u64) -> StoreResult<bool> {
    let used = sqlx::query(<P as CredentialTable>::USE_TOTP_STEP)
        .bind(step)
        .bind(id.to_string())
        .bind(step)
        .execute(conn)
        .await?;
    Ok(used.rows_affected() == 1)
}

/// Stores a secret of the second factor that is not confirmed yet.
pub async fn propose_totp<P: CredentialTable>(
    conn: &mut Conn,
    id: P,
    sealed: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query(<P as CredentialTable>::PROPOSE_TOTP)
        .bind(sealed)
        .bind(now)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    expect_one(&result, "second factor")
}

/// Confirms the proposed second factor.
pub async fn confirm_totp<P: CredentialTable>(conn: &mut Conn, id: P, now: DateTime<Utc>) -> StoreResult<()> {
    let result = sqlx::query(<P as CredentialTable>::CONFIRM_TOTP)
        .bind(now)
        .bind(now)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    expect_one(&result, "second factor")
}

/// Replaces the password.
pub async fn write_password<P: CredentialTable>(
    conn: &mut Conn,
    id: P,
    password_hash: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query(<P as CredentialTable>::WRITE_PASSWORD)
        .bind(password_hash)
        .bind(now)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    expect_one(&result, P::KIND)
}

/// Holds the row of a principal until the transaction ends, in which a session begins: who replaces the password ends that
/// session, too. `false` if the password was replaced since its hash was read, or the principal was disabled.
pub async fn hold_password<P: CredentialTable>(
    conn: &mut Conn,
    id: P,
    password_hash: &str,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let held = sqlx::query(<P as CredentialTable>::HOLD_PASSWORD)
        .bind(now)
        .bind(id.to_string())
        .bind(password_hash)
        .execute(conn)
        .await?;
    Ok(held.rows_affected() == 1)
}

/// Replaces the sealed secret of the second factor; `false` if it has changed since it was read.
pub async fn reseal_totp<P: CredentialTable>(
    conn: &mut Conn,
    id: P,
    read: &str,
    sealed: &str,
) -> StoreResult<bool> {
    let resealed = sqlx::query(<P as CredentialTable>::RESEAL_TOTP)
        .bind(sealed)
        .bind(id.to_string())
        .bind(read)
        .execute(conn)
        .await?;
    Ok(resealed.rows_affected() == 1)
}
