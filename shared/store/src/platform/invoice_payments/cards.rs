//! Table `payment_cards`: saved cards.

use chrono::{DateTime, Utc};
use flysk_domain::id::{CardId, InstallId, InvoicePaymentId, SubscriptionId, VendorId, WidgetId};
use flysk_domain::platform::lifecycle::InstallStatus;

use super::decode_text;
use crate::error::{expect_one, unless_duplicate_of};
use crate::sql_text::sql;
use crate::{Conn, StoreError, StoreResult};

/// A saved card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// `crd_…`, ordered by the time of creation.
    pub id: CardId,
    /// Install whose subscription it pays.
    pub install_id: InstallId,
    /// Terminal at which it was saved, and which alone can charge it.
    pub terminal_key: String,
    /// `RebillId`, sealed for `payment_cards.rebill:<id>`.
    pub rebill_sealed: String,
    /// Masked number.
    pub pan: Option<String>,
    /// When it was saved.
    pub linked_at: DateTime<Utc>,
    /// When the payer unlinked it. It is never charged afterwards.
    pub unlinked_at: Option<DateTime<Utc>>,
}

impl Card {
    /// The last four digits of the number, if the bank told it.
    pub fn tail(&self) -> Option<&str> {
        let tail = self.pan.as_deref()?.rsplit('*').next()?;
        (tail.len() == 4 && tail.bytes().all(|digit| digit.is_ascii_digit())).then_some(tail)
    }
}

/// A card to be inserted.
#[derive(Debug, Clone, Copy)]
pub struct NewCard<'a> {
    /// `crd_…`, chosen by the caller.
    pub id: CardId,
    /// Install whose subscription it pays.
    pub install_id: InstallId,
    /// Terminal of the payment.
    pub terminal_key: &'a str,
    /// The attempt that saved it.
    pub payment_row_id: InvoicePaymentId,
    /// `RebillId`, sealed for `payment_cards.rebill:<id>`.
    pub rebill_sealed: &'a str,
    /// Masked number.
    pub pan: Option<&'a str>,
    /// Time of the insertion, by the caller's clock.
    pub now: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    install_id: String,
    terminal_key: String,
    rebill_sealed: String,
    pan: Option<String>,
    linked_at: DateTime<Utc>,
    unlinked_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Card {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: decode_text("card id", &row.id)?,
            install_id: decode_text("install id", &row.install_id)?,
            terminal_key: row.terminal_key,
            rebill_sealed: row.rebill_sealed,
            pan: row.pan,
            linked_at: row.linked_at,
            unlinked_at: row.unlinked_at,
        })
    }
}

const SELECT: &str = "SELECT id, install_id, terminal_key, rebill_sealed, pan, linked_at, unlinked_at FROM payment_cards WHERE ";

/// Inserts a card; `false` if the attempt has saved one before.
pub async fn insert_card(conn: &mut Conn, new: &NewCard<'_>) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO payment_cards (id, install_id, terminal_key, payment_row_id, rebill_sealed, pan, linked_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.to_string())
    .bind(new.install_id.to_string())
    .bind(new.terminal_key)
    .bind(new.payment_row_id.to_string())
    .bind(new.rebill_sealed)
    .bind(new.pan)
    .bind(new.now)
    .execute(conn)
    .await;
    unless_duplicate_of(inserted, "payment_cards_payment")
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find_card(conn: &mut Conn, id: CardId) -> StoreResult<Option<Card>> {
    let row: Option<Row> =
        sqlx::query_as(sql!(SELECT, "id = ?")).bind(id.to_string()).fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// Finds the card that an attempt saved.
pub async fn find_card_of_payment(conn: &mut Conn, payment: InvoicePaymentId) -> StoreResult<Option<Card>> {
    let row: Option<Row> = sqlx::query_as(sql!(SELECT, "payment_row_id = ?"))
        .bind(payment.to_string())
        .fetch_optional(conn)
        .await?;
    row.map(TryInto::try_into).transpose()
}

/// Locks a card until the transaction ends: it is not unlinked meanwhile.
pub async fn lock_card(conn: &mut Conn, id: CardId) -> StoreResult<Option<Card>> {
    let row: Option<Row> =
        sqlx::query_as(sql!(SELECT, "id = ? FOR UPDATE")).bind(id.to_string()).fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// A card that a living consent permits to charge, and what else decides about a charge of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentedCard {
    /// The card.
    pub card: Card,
    /// Status of its install; `None` if that is gone.
    pub install_status: Option<InstallStatus>,
    /// Whether its terminal is a vendor's own.
    pub is_at_vendors_terminal: bool,
}

#[derive(sqlx::FromRow)]
struct DecidingRow {
    #[sqlx(flatten)]
    card: Row,
    status_of_install: Option<String>,
    is_at_vendors: bool,
}

impl TryFrom<DecidingRow> for ConsentedCard {
    type Error = StoreError;

    fn try_from(row: DecidingRow) -> Result<Self, StoreError> {
        let status = row.status_of_install.as_deref().map(|text| decode_text("install status", text));
        Ok(Self {
            card: row.card.try_into()?,
            install_status: status.transpose()?,
            is_at_vendors_terminal: row.is_at_vendors,
        })
    }
}

/// Locks a linked card and a living consent to charge it for a subscription until the transaction ends: it is not unlinked and the
/// consent is not revoked meanwhile. `None` if the card is unlinked or no consent to it lives. Locks neither install nor vendor.
pub async fn lock_consented_card(
    conn: &mut Conn,
    id: CardId,
    subscription: SubscriptionId,
) -> StoreResult<Option<ConsentedCard>> {
    let found: Option<DecidingRow> = sqlx::query_as(
        "SELECT c.id, c.install_id, c.terminal_key, c.rebill_sealed, c.pan, c.linked_at, c.unlinked_at,
             (SELECT n.status FROM installs n WHERE n.id = c.install_id) AS status_of_install,
             EXISTS (SELECT 1 FROM vendors v WHERE v.terminal_key = c.terminal_key) AS is_at_vendors
         FROM subscription_consents k JOIN payment_cards c ON c.id = k.card_id
         WHERE k.card_id = ? AND k.revoked_at IS NULL AND k.subscription_id = ? AND c.unlinked_at IS NULL
         ORDER BY k.id DESC LIMIT 1 FOR UPDATE",
    )
    .bind(id.to_string())
    .bind(subscription.to_string())
    .fetch_optional(conn)
    .await?;
    found.map(TryInto::try_into).transpose()
}

/// Whose charge of a card is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardSeller {
    /// This vendor.
    Vendor(VendorId),
    /// The vendor that the widget belongs to now.
    OwnerOf(WidgetId),
    /// The vendor of the subscription's open renewal; without one, that of the widget.
    OfNextPeriod {
        /// The subscription.
        subscription: SubscriptionId,
        /// Its widget.
        widget: WidgetId,
    },
}

/// A linked card, and what decides whether its seller can charge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedCard {
    /// The card.
    pub card: Card,
    /// Status of its install; `None` if that is gone.
    pub install_status: Option<InstallStatus>,
    /// Whether its terminal is a vendor's own.
    pub is_at_vendors_terminal: bool,
    /// Key of the seller's own terminal; `None` for the terminal of the environment.
    pub sellers_terminal_key: Option<String>,
    /// When the card's install was granted access after it had been disconnected; `None` if it never was.
    pub granted_again_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct OfferedRow {
    #[sqlx(flatten)]
    card: DecidingRow,
    seller: Option<String>,
    sellers_terminal: Option<String>,
    regranted_at: Option<DateTime<Utc>>,
}

const SELECT_OFFERED: &str =
    "SELECT c.id, c.install_id, c.terminal_key, c.rebill_sealed, c.pan, c.linked_at, c.unlinked_at,
         (SELECT n.status FROM installs n WHERE n.id = c.install_id) AS status_of_install,
         (SELECT r.granted_at FROM installs r
          WHERE r.id = c.install_id AND r.disconnected_at IS NOT NULL) AS regranted_at,
         EXISTS (SELECT 1 FROM vendors v WHERE v.terminal_key = c.terminal_key) AS is_at_vendors,
         s.id AS seller, s.terminal_key AS sellers_terminal
     FROM payment_cards c LEFT JOIN vendors s ON s.id = ";

/// Reads a card with what decides whether a seller can charge it, without a lock; `None` if it is unlinked, or gone.
pub async fn find_offered_card(
    conn: &mut Conn,
    id: CardId,
    seller: CardSeller,
) -> StoreResult<Option<OfferedCard>> {
    let found: Option<OfferedRow> =
        match seller {
            CardSeller::Vendor(vendor) => {
                sqlx::query_as(sql!(SELECT_OFFERED, "? WHERE c.id = ? AND c.unlinked_at IS NULL"))
                    .bind(vendor.to_string())
                    .bind(id.to_string())
                    .fetch_optional(conn)
                    .await?
            }
            CardSeller::OwnerOf(widget) => sqlx::query_as(sql!(
                SELECT_OFFERED,
                "(SELECT w.vendor_id FROM widgets w WHERE w.id = ?) WHERE c.id = ? AND c.unlinked_at IS NULL"
            ))
            .bind(widget.to_string())
            .bind(id.to_string())
            .fetch_optional(conn)
            .await?,
            CardSeller::OfNextPeriod { subscription, widget } => sqlx::query_as(sql!(
                SELECT_OFFERED,
                "COALESCE(
                     (SELECT i.vendor_id FROM subscription_invoices i
                      WHERE i.subscription_id = ? AND i.open_slot = 1 AND i.kind = 'renewal'),
                     (SELECT w.vendor_id FROM widgets w WHERE w.id = ?)) WHERE c.id = ? AND c.unlinked_at IS NULL"
            ))
            .bind(subscription.to_string())
            .bind(widget.to_string())
            .bind(id.to_string())
            .fetch_optional(conn)
            .await?,
        };
    let Some(OfferedRow { card, seller, sellers_terminal, regranted_at }) = found else { return Ok(None) };
    if seller.is_none() {
        return Err(StoreError::WrongState { what: "vendor" });
    }
    let ConsentedCard { card, install_status, is_at_vendors_terminal } = ConsentedCard::try_from(card)?;
    Ok(Some(OfferedCard {
        card,
        install_status,
        is_at_vendors_terminal,
        sellers_terminal_key: sellers_terminal,
        granted_again_at: regranted_at,
    }))
}

/// Lists the cards of an install that were not unlinked, oldest first.
pub async fn list_cards(conn: &mut Conn, install: InstallId) -> StoreResult<Vec<Card>> {
    let rows: Vec<Row> =
        sqlx::query_as(sql!(SELECT, "install_id = ? AND unlinked_at IS NULL ORDER BY linked_at, id"))
            .bind(install.to_string())
            .fetch_all(conn)
            .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Lists all cards of an install, unlinked ones too, newest first.
pub async fn list_all_cards(conn: &mut Conn, install: InstallId) -> StoreResult<Vec<Card>> {
    let rows: Vec<Row> = sqlx::query_as(sql!(SELECT, "install_id = ? ORDER BY linked_at DESC, id DESC"))
        .bind(install.to_string())
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Unlinks a card for ever. Fails if it was unlinked before.
pub async fn unlink_card(
    conn: &mut Conn,
    id: CardId,
    actor: &str,
    channel: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE payment_cards SET unlinked_at = ?, unlinked_by = ?, unlinked_channel = ?
         WHERE id = ? AND unlinked_at IS NULL",
    )
    .bind(now)
    .bind(actor)
    .bind(channel)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "card")
}
