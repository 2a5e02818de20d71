//! Table `vendor_invitations`: invitations of vendors' people to the portal.

use std::fmt;

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::admin::{Invited, check_invited};
use flysk_domain::id::{InvitationId, VendorId};
use flysk_domain::platform::mail::MailState;

use crate::error::expect_one;
use crate::sql_text::sql;
use crate::{Conn, StoreResult, TextColumn};

/// Row of `vendor_invitations`: permission for an address to become a user of a vendor.
#[derive(Clone, sqlx::FromRow)]
pub struct Invitation {
    /// `viv_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: InvitationId,
    /// Row of `vendors`.
    #[sqlx(try_from = "String")]
    pub vendor_id: VendorId,
    /// Address of the letter, lower-case: the user signs in with it.
    pub email: String,
    /// Login of the operator, or name of the program.
    pub invited_by: String,
    /// State of the letter.
    #[sqlx(try_from = "TextColumn")]
    pub mail_state: MailState,
    /// End of its validity.
    pub expires_at: DateTime<Utc>,
    /// When it was accepted.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

/// Without the address.
impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation")
            .field("id", &self.id)
            .field("vendor_id", &self.vendor_id)
            .finish_non_exhaustive()
    }
}

impl Invitation {
    /// Whether it can be accepted at `now`.
    pub fn state(&self, now: DateTime<Utc>) -> Invited {
        check_invited(self.accepted_at, self.revoked_at, self.expires_at, now)
    }
}

const SELECT: &str =
    "SELECT id, vendor_id, email, invited_by, mail_state, expires_at, accepted_at, revoked_at, created_at
     FROM vendor_invitations WHERE ";

/// Stores an invitation whose letter has to be sent.
pub async fn insert(conn: &mut Conn, invitation: &Invitation) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO vendor_invitations (id, vendor_id, email, invited_by, mail_state, expires_at, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(invitation.id.to_string())
    .bind(invitation.vendor_id.to_string())
    .bind(&invitation.email)
    .bind(&invitation.invited_by)
    .bind(invitation.mail_state.as_str())
    .bind(invitation.expires_at)
    .bind(invitation.created_at)
    .bind(invitation.created_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, id: InvitationId) -> StoreResult<Option<Invitation>> {
    Ok(sqlx::query_as(sql!(SELECT, "id = ?")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Lists the newest `limit` invitations of a vendor, newest first.
pub async fn list_of_vendor(conn: &mut Conn, vendor: VendorId, limit: u32) -> StoreResult<Vec<Invitation>> {
    Ok(sqlx::query_as(sql!(SELECT, "vendor_id = ? ORDER BY id DESC LIMIT ?"))
        .bind(vendor.to_string())
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// Uses up an open invitation: of two at once only one gets `true`.
pub async fn accept(conn: &mut Conn, id: InvitationId, now: DateTime<Utc>) -> StoreResult<bool> {
    let accepted = sqlx::query(
        "UPDATE vendor_invitations SET accepted_at = ?, updated_at = ?
         WHERE id = ? AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > ?",
    )
    .bind(now)
    .bind(now)
    .bind(id.to_string())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(accepted.rows_affected() == 1)
}

/// Revokes an open invitation of a vendor; `false` if there is none.
pub async fn revoke(
    conn: &mut Conn,
    vendor: VendorId,
    id: InvitationId,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let revoked = sqlx::query(
        "UPDATE vendor_invitations SET revoked_at = ?, updated_at = ?
         WHERE id = ? AND vendor_id = ? AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > ?",
    )
    .bind(now)
    .bind(now)
    .bind(id.to_string())
    .bind(vendor.to_string())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(revoked.rows_affected() == 1)
}

/// Revokes all open invitations to an address; returns how many.
pub async fn revoke_all(conn: &mut Conn, email: &str, now: DateTime<Utc>) -> StoreResult<u64> {
    let revoked = sqlx::query(
        "UPDATE vendor_invitations SET revoked_at = ?, updated_at = ?
         WHERE email = ? AND accepted_at IS NULL AND revoked_at IS NULL",
    )
    .bind(now)
    .bind(now)
    .bind(email)
    .execute(conn)
    .await?;
    Ok(revoked.rows_affected())
}

/// Moves the letter of an invitation from one state to another.
pub async fn set_mail_state(
    conn: &mut Conn,
    id: InvitationId,
    (from, to): (MailState, MailState),
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query(
        "UPDATE vendor_invitations SET mail_state = ?, updated_at = ? WHERE id = ? AND mail_state = ?",
    )
    .bind(to.as_str())
    .bind(now)
    .bind(id.to_string())
    .bind(from.as_str())
    .execute(conn)
    .await?;
    expect_one(&result, "letter of an invitation")
}

/// Deletes at most `limit` invitations that expired before `before`; returns how many.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned =
        sqlx::query("DELETE FROM vendor_invitations WHERE expires_at < ? ORDER BY expires_at LIMIT ?")
            .bind(before)
            .bind(limit)
            .execute(conn)
            .await?;
    Ok(pruned.rows_affected())
}
