//! What a charge begins with, in one read.

use chrono::NaiveDate;
use flysk_domain::id::{CardId, InvoiceId, SubscriptionId};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::subscriptions::VatRate;

use super::invoices::COLUMNS;
use super::payable::{DECIDING, PayableInvoice, PayableRow, TABLES};
use super::row::{PREFIXED_COLUMNS, hold};
use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// The card for renewals, linked and with a living consent, and what else decides about a charge of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedCard {
    /// The card.
    pub id: CardId,
    /// Terminal at which it was saved.
    pub terminal_key: String,
    /// Status of its install; `None` if that is gone.
    pub install_status: Option<InstallStatus>,
    /// Whether its terminal is a vendor's own.
    pub is_at_vendors_terminal: bool,
}

/// What a charge begins with.
#[derive(Debug, Clone)]
pub struct ChargeBasis {
    /// The invoice.
    pub payable: PayableInvoice,
    /// The card for renewals.
    pub card: Option<LinkedCard>,
    /// T-Bank's code of the seller's taxation, and the VAT rate, on the day; `None` for those of the environment.
    pub taxes: Option<(String, VatRate)>,
    /// The address of receipts that the last payer of the subscription gave: the invoice to which it belongs, and the address, sealed
    /// for `subscription_invoices.contact:<id>`.
    pub last_contact: Option<(InvoiceId, String)>,
}

#[derive(sqlx::FromRow)]
struct BasisRow {
    #[sqlx(flatten)]
    payable: PayableRow,
    charged_card: Option<String>,
    charged_terminal: Option<String>,
    status_of_install: Option<String>,
    is_at_vendors: bool,
    tax_system: Option<String>,
    tax_rate: Option<String>,
    contact_of: Option<String>,
    contact_text: Option<String>,
}

impl TryFrom<BasisRow> for ChargeBasis {
    type Error = StoreError;

    fn try_from(row: BasisRow) -> Result<Self, StoreError> {
        let card = match (row.charged_card.as_deref(), row.charged_terminal) {
            (Some(id), Some(terminal_key)) => {
                let status = row.status_of_install.as_deref();
                Some(LinkedCard {
                    id: decode_text("card id", id)?,
                    terminal_key,
                    install_status: status.map(|text| decode_text("install status", text)).transpose()?,
                    is_at_vendors_terminal: row.is_at_vendors,
                })
            }
            _ => None,
        };
        let taxes = match (row.tax_system, row.tax_rate.as_deref()) {
            (Some(taxation), Some(vat)) => Some((taxation, decode_text("VAT rate", vat)?)),
            _ => None,
        };
        let last_contact = match (row.contact_of.as_deref(), row.contact_text) {
            (Some(invoice), Some(sealed)) => Some((decode_text("invoice id", invoice)?, sealed)),
            _ => None,
        };
        Ok(Self { payable: row.payable.try_into()?, card, taxes, last_contact })
    }
}

/// Locks a subscription, as [`super::lock_subscription`], and reads what a charge of an invoice of it begins with on `day`; `None` if
/// there is no such invoice. Card and consent are not locked: that is for the transaction that permits to send the charge.
pub async fn lock_charge_basis(
    conn: &mut Conn,
    subscription: SubscriptionId,
    id: InvoiceId,
    day: NaiveDate,
) -> StoreResult<Option<ChargeBasis>> {
    hold(conn, subscription).await?;
    let row: Option<BasisRow> = sqlx::query_as(sql!(
        "SELECT ",
        COLUMNS,
        ", ",
        PREFIXED_COLUMNS,
        DECIDING,
        ", c.id AS charged_card, c.terminal_key AS charged_terminal, n.status AS status_of_install,
           EXISTS (SELECT 1 FROM vendors o WHERE o.terminal_key = c.terminal_key) AS is_at_vendors,
           x.taxation AS tax_system, x.vat AS tax_rate, m.id AS contact_of, m.contact_sealed AS contact_text",
        TABLES,
        " LEFT JOIN payment_cards c ON c.id = s.card_id AND c.unlinked_at IS NULL AND EXISTS (
              SELECT 1 FROM subscription_consents k
              WHERE k.card_id = s.card_id AND k.subscription_id = s.id AND k.revoked_at IS NULL)
          LEFT JOIN installs n ON n.id = c.install_id
          LEFT JOIN vendor_taxes x ON x.vendor_id = v.id AND x.valid_from = (
              SELECT MAX(y.valid_from) FROM vendor_taxes y WHERE y.vendor_id = v.id AND y.valid_from <= ?)
          LEFT JOIN subscription_invoices m ON m.id = (
              SELECT l.id FROM subscription_invoices l
              WHERE l.subscription_id = i.subscription_id AND l.contact_sealed IS NOT NULL
              ORDER BY l.created_at DESC, l.id DESC LIMIT 1)
          WHERE i.id = ?"
    ))
    .bind(day)
    .bind(id.to_string())
    .fetch_optional(conn)
    .await?;
    row.map(TryInto::try_into).transpose()
}
