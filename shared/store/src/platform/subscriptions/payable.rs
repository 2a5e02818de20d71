//! Invoices with what decides about their payment, in one read.

use std::collections::BTreeMap;

use flysk_domain::id::{InvoiceId, InvoicePaymentId, SubscriptionId, VendorId, WidgetId};
use flysk_domain::platform::subscriptions::ReceiptMode;
use serde_json::Value;
use sqlx::types::Json;

use super::invoices::{COLUMNS, Invoice, Row};
use super::row::{PREFIXED_COLUMNS, PrefixedRow, SubscriptionRow, hold};
use crate::platform::widgets::EventRules;
use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// How a widget sells subscriptions, and what its backend is told of them.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct WidgetSale {
    /// Unique code of the widget.
    #[sqlx(rename = "widget_code")]
    pub code: String,
    /// Whether access is sold by subscription.
    #[sqlx(rename = "sells_subscriptions")]
    pub uses_subscriptions: bool,
    /// Other billing settings, as JSON.
    #[sqlx(rename = "widget_billing")]
    pub billing: Option<Json<Value>>,
    #[sqlx(rename = "widget_kinds")]
    event_kinds: Option<Json<Vec<String>>>,
    #[sqlx(rename = "widget_url")]
    event_url: Option<String>,
    #[sqlx(rename = "widget_urls")]
    event_urls: Option<Json<BTreeMap<String, String>>>,
}

impl WidgetSale {
    /// What decides about the events of the widget, which has this id.
    pub fn event_rules(&self, widget: WidgetId) -> EventRules<'_> {
        EventRules {
            widget,
            chosen: self.event_kinds.as_ref().map(|kinds| kinds.0.as_slice()),
            has_default_url: self.event_url.is_some(),
            urls: self.event_urls.as_ref().map(|urls| &urls.0),
        }
    }
}

/// The part of a vendor that decides how an invoice of it is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seller {
    /// The vendor.
    pub id: VendorId,
    /// Key of the vendor's own terminal; `None` for the terminal of the environment.
    pub terminal_key: Option<String>,
    /// `OperationInitiatorType` of recurring charges: `R` or `I`.
    pub charge_initiator: String,
    /// Receipts that the vendor gives.
    pub receipts: ReceiptMode,
}

/// An attempt that may still take money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAttempt {
    /// The attempt.
    pub id: InvoicePaymentId,
    /// The payer must not pay it any more.
    pub is_withdrawn: bool,
}

/// An invoice with what decides about its payment.
#[derive(Debug, Clone)]
pub struct PayableInvoice {
    /// The invoice.
    pub invoice: Invoice,
    /// Its subscription.
    pub row: SubscriptionRow,
    /// The widget of the subscription.
    pub sale: WidgetSale,
    /// Its seller.
    pub seller: Seller,
    /// The attempt that may still take money for it.
    pub open_attempt: Option<OpenAttempt>,
    /// Whether a transfer invoice waits for its money.
    pub awaits_transfer: bool,
    /// Whether changes of its subscription wait for the next period.
    pub has_pending_changes: bool,
}

#[derive(sqlx::FromRow)]
struct SellerRow {
    #[sqlx(rename = "seller_terminal")]
    terminal: Option<String>,
    #[sqlx(rename = "seller_initiator")]
    initiator: String,
    #[sqlx(rename = "seller_prepayment")]
    prepayment: bool,
    #[sqlx(rename = "seller_closing")]
    closing: bool,
}

#[derive(sqlx::FromRow)]
pub(super) struct PayableRow {
    #[sqlx(flatten)]
    invoice: Row,
    #[sqlx(flatten)]
    subscription: PrefixedRow,
    #[sqlx(flatten)]
    sale: WidgetSale,
    #[sqlx(flatten)]
    seller: SellerRow,
    live_attempt: Option<String>,
    live_is_withdrawn: Option<bool>,
    awaits_transfer: bool,
    has_pending: bool,
}

impl TryFrom<PayableRow> for PayableInvoice {
    type Error = StoreError;

    fn try_from(row: PayableRow) -> Result<Self, StoreError> {
        let invoice: Invoice = row.invoice.try_into()?;
        let seller = Seller {
            id: invoice.vendor_id,
            terminal_key: row.seller.terminal,
            charge_initiator: row.seller.initiator,
            receipts: ReceiptMode { prepayment: row.seller.prepayment, closing: row.seller.closing },
        };
        let open_attempt = match row.live_attempt.as_deref() {
            Some(id) => Some(OpenAttempt {
                id: decode_text("invoice payment id", id)?,
                is_withdrawn: row.live_is_withdrawn.unwrap_or_default(),
            }),
            None => None,
        };
        Ok(Self {
            invoice,
            row: row.subscription.try_into()?,
            sale: row.sale,
            seller,
            open_attempt,
            awaits_transfer: row.awaits_transfer,
            has_pending_changes: row.has_pending,
        })
    }
}

/// What a [`PayableRow`] has beside the invoice and its subscription. Aliases are those of [`TABLES`].
pub(super) const DECIDING: &str = ", w.code AS widget_code, w.uses_subscriptions AS sells_subscriptions,
    w.billing AS widget_billing, w.event_kinds AS widget_kinds, w.event_url AS widget_url,
    w.event_urls AS widget_urls, v.terminal_key AS seller_terminal,
    v.charge_initiator AS seller_initiator, v.prepayment_receipts AS seller_prepayment,
    v.closing_receipts AS seller_closing, a.id AS live_attempt, a.is_withdrawn AS live_is_withdrawn,
    EXISTS (SELECT 1 FROM transfer_invoices t WHERE t.pays_invoice_id = i.id AND t.open_slot = 1) AS awaits_transfer,
    EXISTS (SELECT 1 FROM subscription_pending_changes p WHERE p.subscription_id = i.subscription_id) AS has_pending";

/// The invoice, its subscription, the widget, the seller, and the attempt that may still take money.
pub(super) const TABLES: &str =
    " FROM subscription_invoices i JOIN subscriptions s ON s.id = i.subscription_id
    JOIN widgets w ON w.id = s.widget_id JOIN vendors v ON v.id = i.vendor_id
    LEFT JOIN invoice_payments a ON a.invoice_id = i.id AND a.open_slot = 1";

/// Locks a subscription, as [`super::lock_subscription`], and reads an invoice of it with what decides about its payment; `None` if
/// there is no such invoice.
///
/// While the lock is held neither invoice, attempt nor changes are written by others, and no transfer invoice begins to wait: all
/// that does it holds that lock. Widget and seller are not locked.
pub async fn lock_payable_invoice(
    conn: &mut Conn,
    subscription: SubscriptionId,
    id: InvoiceId,
) -> StoreResult<Option<PayableInvoice>> {
    hold(conn, subscription).await?;
    find_payable_invoice(conn, id).await
}

/// Reads an invoice with what decides about its payment; `None` if there is no such invoice.
pub async fn find_payable_invoice(conn: &mut Conn, id: InvoiceId) -> StoreResult<Option<PayableInvoice>> {
    let row: Option<PayableRow> =
        sqlx::query_as(sql!("SELECT ", COLUMNS, ", ", PREFIXED_COLUMNS, DECIDING, TABLES, " WHERE i.id = ?"))
            .bind(id.to_string())
            .fetch_optional(conn)
            .await?;
    row.map(TryInto::try_into).transpose()
}

/// The subscription of an invoice, which never changes, and whether there are attempts to pay the invoice.
pub async fn find_subscription_of_invoice(
    conn: &mut Conn,
    id: InvoiceId,
) -> StoreResult<Option<(SubscriptionId, bool)>> {
    let found: Option<(String, bool)> = sqlx::query_as(
        "SELECT i.subscription_id, EXISTS (SELECT 1 FROM invoice_payments a WHERE a.invoice_id = i.id)
         FROM subscription_invoices i WHERE i.id = ?",
    )
    .bind(id.to_string())
    .fetch_optional(conn)
    .await?;
    found.map(|(id, is_tried)| Ok((decode_text("subscription id", &id)?, is_tried))).transpose()
}
