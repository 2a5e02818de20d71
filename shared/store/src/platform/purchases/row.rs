//! Rows of `coin_purchases`.

use chrono::{DateTime, Utc};
use flysk_domain::id::{InstallId, LotId, PackageId, PurchaseId, UserId, WalletId, WidgetId};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::purchases::{Discrepancy, PurchaseSnapshot, PurchaseState};
use flysk_domain::platform::tbank::PaymentStatus;

use crate::StoreError;

/// A purchase: one order at the bank with at most one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// Id of the purchase; also the bank's order number.
    pub id: PurchaseId,
    /// Wallet that receives the coins.
    pub wallet_id: WalletId,
    /// Install that owns the wallet.
    pub install_id: InstallId,
    /// Widget of the install.
    pub widget_id: WidgetId,
    /// Version of the package.
    pub package_id: PackageId,
    /// Title of the package.
    pub title: String,
    /// Price of the package.
    pub price: Kopecks,
    /// Coins that were bought; they never expire.
    pub coins: MicroCoins,
    /// Coins given in addition; may be zero.
    pub bonus: MicroCoins,
    /// Lifetime of the bonus in days; `None` if it never expires.
    pub bonus_days: Option<u32>,
    /// `Failed` may still become `Paid`: a late success is accepted.
    pub state: PurchaseState,
    /// Key of the terminal on which it was opened.
    pub terminal_key: String,
    /// The bank's number of the order.
    pub order_id: String,
    /// The bank's number of the payment.
    pub payment_id: Option<String>,
    /// URL of the bank's payment form.
    pub payment_url: Option<String>,
    /// Last known status of the payment.
    pub status: Option<PaymentStatus>,
    /// Why it failed: the bank's code or one of ours.
    pub error_code: Option<String>,
    /// Why an operator must review it.
    pub discrepancy: Option<Discrepancy>,
    /// Receipt's e-mail address, sealed for `coin_purchases.contact:<id>`.
    pub contact_sealed: String,
    /// Whether the buyer agreed to save the card.
    pub save_card: bool,
    /// Whether a card is saved.
    pub has_card: bool,
    /// Masked card number.
    pub card_pan: Option<String>,
    /// amoCRM's number of the user who ordered, if a user did.
    pub bought_by: Option<UserId>,
    /// Lot of the purchased coins, once credited.
    pub coins_lot: Option<LotId>,
    /// Lot of the bonus, once credited.
    pub bonus_lot: Option<LotId>,
    /// Money refunded or being refunded.
    pub refunded: Kopecks,
    /// Hash of the request body under its idempotency key.
    pub body_hash: Option<String>,
    /// When the bank is queried next.
    pub poll_at: Option<DateTime<Utc>>,
    /// When the coins were credited.
    pub credited_at: Option<DateTime<Utc>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl Purchase {
    /// The part of the row that decides the effect of a payment update.
    pub fn snapshot(&self) -> PurchaseSnapshot<'_> {
        PurchaseSnapshot {
            state: self.state,
            credited: self.coins_lot.is_some(),
            status: self.status.as_ref(),
            payment_id: self.payment_id.as_deref(),
            price: self.price,
        }
    }
}

/// Columns of a [`Purchase`]; aliases: `p` the purchase, `w` its wallet, `k` its package.
pub(super) const SELECT: &str = "SELECT p.id, p.wallet_id, w.install_id, w.widget_id, p.package_id, k.title,
        p.price_kopecks, p.coins_micro, p.bonus_micro, p.bonus_days, p.state, p.terminal_key, p.order_id,
        p.payment_id, p.payment_url, p.bank_status, p.error_code, p.discrepancy, p.contact_sealed, p.save_card,
        p.rebill_sealed, p.card_pan, p.bought_by, p.coins_lot_id, p.bonus_lot_id, p.refunded_kopecks,
        p.body_hash, p.poll_at, p.credited_at, p.created_at, p.updated_at
    FROM coin_purchases p JOIN wallets w ON w.id = p.wallet_id JOIN coin_packages k ON k.id = p.package_id WHERE ";

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: String,
    wallet_id: String,
    install_id: String,
    widget_id: String,
    package_id: String,
    title: String,
    price_kopecks: i64,
    coins_micro: i64,
    bonus_micro: i64,
    bonus_days: Option<u32>,
    state: String,
    terminal_key: String,
    order_id: String,
    payment_id: Option<String>,
    payment_url: Option<String>,
    bank_status: Option<String>,
    error_code: Option<String>,
    discrepancy: Option<String>,
    contact_sealed: String,
    save_card: bool,
    rebill_sealed: Option<String>,
    card_pan: Option<String>,
    bought_by: Option<u64>,
    coins_lot_id: Option<String>,
    bonus_lot_id: Option<String>,
    refunded_kopecks: i64,
    body_hash: Option<String>,
    poll_at: Option<DateTime<Utc>>,
    credited_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Purchase {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let lot = |id: Option<String>| id.as_deref().map(|id| super::decode_text("lot id", id)).transpose();
        Ok(Self {
            id: super::decode_text("purchase id", &row.id)?,
            wallet_id: super::decode_text("wallet id", &row.wallet_id)?,
            install_id: super::decode_text("install id", &row.install_id)?,
            widget_id: super::decode_text("widget id", &row.widget_id)?,
            package_id: super::decode_text("package id", &row.package_id)?,
            title: row.title,
            price: Kopecks(row.price_kopecks),
            coins: MicroCoins(row.coins_micro),
            bonus: MicroCoins(row.bonus_micro),
            bonus_days: row.bonus_days,
            state: super::decode_text("purchase state", &row.state)?,
            terminal_key: row.terminal_key,
            order_id: row.order_id,
            payment_id: row.payment_id,
            payment_url: row.payment_url,
            status: row.bank_status.map(PaymentStatus::from),
            error_code: row.error_code,
            discrepancy: row
                .discrepancy
                .as_deref()
                .map(|text| super::decode_text("discrepancy", text))
                .transpose()?,
            contact_sealed: row.contact_sealed,
            save_card: row.save_card,
            has_card: row.rebill_sealed.is_some(),
            card_pan: row.card_pan,
            bought_by: row.bought_by.map(UserId),
            coins_lot: lot(row.coins_lot_id)?,
            bonus_lot: lot(row.bonus_lot_id)?,
            refunded: Kopecks(row.refunded_kopecks),
            body_hash: row.body_hash,
            poll_at: row.poll_at,
            credited_at: row.credited_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
