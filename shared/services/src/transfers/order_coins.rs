//! Purchases of Flycoins that are paid by transfer.

use flysk_crypto::{Keyring, aad};
use flysk_domain::id::{PackageId, PurchaseId, UserId};
use flysk_domain::platform::purchases::{Email, PAYMENT_LINK_TTL, package_of_sum};
use flysk_queue::UnitOfWork;
use flysk_store::platform::ledger::{self, WalletRow};
use flysk_store::platform::purchases::{self, NewPurchase, Package};
use flysk_store::platform::transfers;
use flysk_store::{Conn, StoreError, StoreResult};

use super::{TransferContext, TransferError};
use crate::purchases::{
    CreatePurchaseOutcome, MAX_OPEN_PURCHASES, PurchaseItem, TRANSFER_TERMINAL, replayed_or_key_reused,
};

/// Coins that a firm wants to pay by transfer.
#[derive(Debug, Clone, Copy)]
pub struct CoinOrder<'a> {
    /// The wallet to credit.
    pub wallet: &'a WalletRow,
    /// Item to buy.
    pub item: PurchaseItem,
    /// Address that documents are sent to.
    pub email: &'a Email,
    /// amoCRM's number of the user who ordered.
    pub bought_by: UserId,
    /// Idempotency key, unique per wallet: 1 to 120 visible ASCII characters.
    pub key: &'a str,
}

/// Inserts the purchase that a transfer invoice pays, or returns that of an earlier order with the same key.
///
/// # Errors
///
/// See [`TransferError`].
pub async fn order_coins_by_transfer(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    order: CoinOrder<'_>,
) -> Result<CreatePurchaseOutcome, TransferError> {
    let now = context.clock.now();
    let hashes = body_hashes(context.keyring, order);
    // Before the first read, as orders at a terminal do.
    ledger::write_lock_wallet(unit, order.wallet.id, now).await?;
    if let Some(earlier) = purchases::find_purchase_asked(unit, order.wallet.id, order.key).await? {
        return Ok(replayed_or_key_reused(earlier, &hashes));
    }
    let Some(package) = find_item(unit, context, order).await? else {
        return Ok(CreatePurchaseOutcome::PackageNotAvailable);
    };
    let since = now - PAYMENT_LINK_TTL;
    if purchases::count_open_purchases(unit, order.wallet.id, since).await? >= MAX_OPEN_PURCHASES {
        return Ok(CreatePurchaseOutcome::TooManyOpen);
    }
    let id = PurchaseId::generate(context.clock);
    let contact = context.keyring.seal_email(order.email.as_str(), &aad::purchase_contact(id))?;
    let new = NewPurchase {
        id,
        wallet_id: order.wallet.id,
        package: &package,
        terminal_key: TRANSFER_TERMINAL,
        contact_sealed: &contact.sealed,
        contact_hash: contact.index.as_bytes(),
        save_card: false,
        bought_by: order.bought_by,
        key: order.key,
        body_hash: hashes.first().map_or("", String::as_str),
        poll_at: now,
        now,
    };
    purchases::insert_purchase(unit, &new).await?;
    transfers::await_transfer(unit, id, now).await?;
    let written = purchases::find_purchase(unit, id).await?;
    Ok(CreatePurchaseOutcome::Created(Box::new(written.ok_or(StoreError::WrongState { what: "purchase" })?)))
}

/// The answer to an order that must not buy anything new: that of an earlier identical order, whatever has happened since. `None`
/// if its key was not used.
///
/// # Errors
///
/// The database fails.
pub async fn find_repeated_coin_order(
    conn: &mut Conn,
    keyring: &Keyring,
    order: CoinOrder<'_>,
) -> StoreResult<Option<CreatePurchaseOutcome>> {
    let earlier = purchases::find_purchase_asked(conn, order.wallet.id, order.key).await?;
    Ok(earlier.map(|earlier| replayed_or_key_reused(earlier, &body_hashes(keyring, order))))
}

/// Hashes of an order under all keys of the ring, the current one first. They are keyed, because an email address could be guessed
/// from a plain one.
fn body_hashes(keyring: &Keyring, order: CoinOrder<'_>) -> Vec<String> {
    let body = format!("transfer\n{}\n{}", order.item, order.email.as_str());
    keyring.blind_indexes(&body).iter().map(ToString::to_string).collect()
}

/// The package to buy: one on offer, or that of the sum. `None` if the widget does not sell it.
async fn find_item(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    order: CoinOrder<'_>,
) -> StoreResult<Option<Package>> {
    let widget = order.wallet.widget_id;
    match order.item {
        PurchaseItem::Package(id) => {
            let package = purchases::find_package(unit, id).await?;
            Ok(package.filter(|package| package.active && package.widget_id == widget))
        }
        PurchaseItem::Sum(sum) => {
            let Ok((code, terms)) = package_of_sum(sum) else { return Ok(None) };
            let id = PackageId::generate(context.clock);
            let now = context.clock.now();
            purchases::package_for_sum(unit, id, widget, &code, &terms, now).await.map(Some)
        }
    }
}
