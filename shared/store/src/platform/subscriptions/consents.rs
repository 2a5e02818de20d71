//! Table `subscription_consents`: evidence of consents to recurring charges.

use chrono::{DateTime, Utc};
use flysk_domain::id::{CardId, ConsentId, InvoiceId, SubscriptionId, UserId};

use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// Row of `subscription_consents`: evidence that a payer agreed to recurring charges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// `cns_…`, ordered by the time of creation.
    pub id: ConsentId,
    /// Row of `subscriptions`; an install has at most one.
    pub subscription_id: SubscriptionId,
    /// The invoice whose payment saved the card.
    pub invoice_id: InvoiceId,
    /// The card, once it is known.
    pub card_id: Option<CardId>,
    /// The user who agreed.
    pub user_id: Option<UserId>,
    /// Version that was shown to the payer.
    pub offer_version: String,
    /// The text that was agreed to, in Russian.
    pub offer_text: String,
    /// IP address of the user.
    pub ip_address: String,
    /// When the payer agreed.
    pub agreed_at: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    subscription_id: String,
    invoice_id: String,
    card_id: Option<String>,
    user_id: Option<u64>,
    offer_version: String,
    offer_text: String,
    ip_address: String,
    agreed_at: DateTime<Utc>,
    revoked_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Consent {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: decode_text("consent id", &row.id)?,
            subscription_id: decode_text("subscription id", &row.subscription_id)?,
            invoice_id: decode_text("invoice id", &row.invoice_id)?,
            card_id: row.card_id.as_deref().map(|id| decode_text("card id", id)).transpose()?,
            user_id: row.user_id.map(UserId),
            offer_version: row.offer_version,
            offer_text: row.offer_text,
            ip_address: row.ip_address,
            agreed_at: row.agreed_at,
            revoked_at: row.revoked_at,
        })
    }
}

const SELECT: &str =
    "SELECT id, subscription_id, invoice_id, card_id, user_id, offer_version, offer_text, ip_address,
    agreed_at, revoked_at FROM subscription_consents WHERE ";

/// Stores a consent; the card follows when it is known.
pub async fn insert_consent(conn: &mut Conn, consent: &Consent) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO subscription_consents (id, subscription_id, invoice_id, user_id, offer_version, offer_text,
             ip_address, agreed_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(consent.id.to_string())
    .bind(consent.subscription_id.to_string())
    .bind(consent.invoice_id.to_string())
    .bind(consent.user_id.map(|user| user.0))
    .bind(&consent.offer_version)
    .bind(&consent.offer_text)
    .bind(&consent.ip_address)
    .bind(consent.agreed_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Binds the living consents of an invoice to the card that its payment saved; `false` if there are none.
pub async fn bind_consent(conn: &mut Conn, invoice: InvoiceId, card: CardId) -> StoreResult<bool> {
    let bound = sqlx::query(
        "UPDATE subscription_consents SET card_id = ?
         WHERE invoice_id = ? AND card_id IS NULL AND revoked_at IS NULL",
    )
    .bind(card.to_string())
    .bind(invoice.to_string())
    .execute(conn)
    .await?;
    Ok(bound.rows_affected() > 0)
}

/// Revokes all living consents of a card.
pub async fn revoke_consents(
    conn: &mut Conn,
    card: CardId,
    revoked_by: &str,
    now: DateTime<Utc>,
) -> StoreResult<u64> {
    let revoked = sqlx::query(
        "UPDATE subscription_consents SET revoked_at = ?, revoked_by = ? WHERE card_id = ? AND revoked_at IS NULL",
    )
    .bind(now)
    .bind(revoked_by)
    .bind(card.to_string())
    .execute(conn)
    .await?;
    Ok(revoked.rows_affected())
}

/// Lists the consents of a subscription, oldest first.
pub async fn list_consents(conn: &mut Conn, subscription: SubscriptionId) -> StoreResult<Vec<Consent>> {
    let rows: Vec<Row> = sqlx::query_as(sql!(SELECT, "subscription_id = ? ORDER BY id"))
        .bind(subscription.to_string())
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
