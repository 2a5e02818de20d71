//! A row of `coin_purchases`.

use chrono::{DateTime, Utc};
use flysk_domain::id::{InstallId, LotId, PackageId, PurchaseId, UserId, WalletId, WidgetId};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::purchases::{Known, PurchaseState};
use flysk_domain::platform::tbank::PaymentStatus;

use crate::StoreError;

/// A purchase: one attempt, one order at the bank, at most one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// Which; also the bank's number of the order.
    pub id: PurchaseId,
    /// Whose coins.
    pub wallet_id: WalletId,
    /// Whose wallet.
    pub install_id: InstallId,
    /// Of which widget.
    pub widget_id: WidgetId,
    /// The version of the package.
    pub package_id: PackageId,
    /// Its title.
    pub title: String,
    /// What it costs.
    pub price: Kopecks,
    /// What is bought.
    pub coins: MicroCoins,
    /// What is given on top.
    pub bonus: MicroCoins,
    /// How long that can be spent.
    pub bonus_days: Option<u32>,
    /// Where it stands.
    pub state: PurchaseState,
    /// The terminal it was opened on.
    pub terminal_key: String,
    /// The bank's number of the order.
    pub order_id: String,
    /// The bank's number of the payment.
    pub payment_id: Option<String>,
    /// The bank's form.
    pub payment_url: Option<String>,
    /// Where the payment stood when last heard of.
    pub status: Option<PaymentStatus>,
    /// Why it was not paid: the bank's code, or one of ours.
    pub error_code: Option<String>,
    /// Why a person has to look.
    pub doubt: Option<String>,
    /// Where the receipt goes, sealed for `coin_purchases.contact:<id>`.
    pub contact_sealed: String,
    /// The buyer agreed to keep the card.
    pub save_card: bool,
    /// A card is kept.
    pub has_card: bool,
    /// The card, masked.
    pub card_pan: Option<String>,
    /// Who asked for it.
    pub bought_by: Option<UserId>,
    /// The lot of the bought coins, once they are credited.
    pub coins_lot: Option<LotId>,
    /// The lot of the bonus, once it is credited.
    pub bonus_lot: Option<LotId>,
    /// What was given back, or is on its way.
    pub refunded: Kopecks,
    /// Hash of what was asked for under its key.
    pub body_hash: Option<String>,
    /// When the bank is to be asked about it.
    pub poll_at: Option<DateTime<Utc>>,
    /// When the coins came.
    pub credited_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When anything of it last changed.
    pub updated_at: DateTime<Utc>,
}

impl Purchase {
    /// What decides about news.
    pub fn known(&self) -> Known<'_> {
        Known {
            state: self.state,
            credited: self.coins_lot.is_some(),
            status: self.status.as_ref(),
            payment_id: self.payment_id.as_deref(),
            price: self.price,
        }
    }
}

/// Every column a [`Purchase`] is read from; `p` is the purchase, `w` its wallet, `k` its package.
pub(super) const SELECT: &str = "SELECT p.id, p.wallet_id, w.install_id, w.widget_id, p.package_id, k.title,
        p.price_kopecks, p.coins_micro, p.bonus_micro, p.bonus_days, p.state, p.terminal_key, p.order_id,
        p.payment_id, p.payment_url, p.bank_status, p.error_code, p.doubt, p.contact_sealed, p.save_card,
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
    doubt: Option<String>,
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
        let lot = |id: Option<String>| id.as_deref().map(|id| super::read_text("lot id", id)).transpose();
        Ok(Self {
            id: super::read_text("purchase id", &row.id)?,
            wallet_id: super::read_text("wallet id", &row.wallet_id)?,
            install_id: super::read_text("install id", &row.install_id)?,
            widget_id: super::read_text("widget id", &row.widget_id)?,
            package_id: super::read_text("package id", &row.package_id)?,
            title: row.title,
            price: Kopecks(row.price_kopecks),
            coins: MicroCoins(row.coins_micro),
            bonus: MicroCoins(row.bonus_micro),
            bonus_days: row.bonus_days,
            state: super::known("purchase state", &row.state, PurchaseState::from_code(&row.state))?,
            terminal_key: row.terminal_key,
            order_id: row.order_id,
            payment_id: row.payment_id,
            payment_url: row.payment_url,
            status: row.bank_status.map(PaymentStatus::from),
            error_code: row.error_code,
            doubt: row.doubt,
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
