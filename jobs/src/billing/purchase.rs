//! Asking for a purchase.

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_domain::id::{PackageId, PurchaseId, UserId};
use flysk_domain::platform::purchases::{LINK_LIVES, PurchaseState, next_look};
use flysk_store::ledger::WalletRow;
use flysk_store::purchases::{self, NewPurchase, Purchase};
use flysk_store::{StoreError, StoreResult};

use super::OpenPayment;
use crate::outbox::Unit;

/// So many forms of one wallet may wait for a payer at once: more is a script, or a button that is stuck.
pub const MOST_OPEN: i64 = 20;

/// What somebody wants to buy.
#[derive(Debug)]
pub struct PurchaseRequest<'a> {
    /// The purchase's id to be: its contact is sealed for it.
    pub id: PurchaseId,
    /// Whose coins.
    pub wallet: &'a WalletRow,
    /// What.
    pub package_id: PackageId,
    /// On which terminal.
    pub terminal_key: &'a str,
    /// Where the receipt goes, sealed for `coin_purchases.contact:<id>`.
    pub contact_sealed: &'a str,
    /// Keep the card.
    pub save_card: bool,
    /// Who asks.
    pub bought_by: UserId,
    /// The same key is the same purchase; unique per wallet.
    pub key: &'a str,
    /// What is asked for, hashed under every key of the ring, the first one first.
    pub body_hashes: &'a [String],
}

/// What a request came to.
#[derive(Debug)]
pub enum Asked {
    /// A new purchase.
    Begun(Box<Purchase>),
    /// It was asked for before.
    Known(Box<Purchase>),
    /// Something else was asked for under this key.
    KeyReused,
    /// The widget does not offer this version of the package (any more).
    NotOnOffer,
    /// Too many forms wait for a payer.
    TooManyOpen,
}

/// Writes a purchase and the job that opens the bank's form, or finds the one that was asked for before.
pub async fn request_purchase(
    unit: &mut Unit,
    request: &PurchaseRequest<'_>,
    clock: &dyn Clock,
) -> StoreResult<Asked> {
    if let Some(known) = purchases::find_purchase_asked(unit, request.wallet.id, request.key).await? {
        return Ok(of_key(known, request));
    }
    let now = clock.now();
    let package = purchases::find_package(unit, request.package_id).await?;
    let offered = package.filter(|package| package.active && package.widget_id == request.wallet.widget_id);
    let Some(package) = offered else { return Ok(Asked::NotOnOffer) };
    let since = now - LINK_LIVES;
    if purchases::count_open_purchases(unit, request.wallet.id, since).await? >= MOST_OPEN {
        return Ok(Asked::TooManyOpen);
    }
    let look = next_look(PurchaseState::Created, None, TimeDelta::zero()).unwrap_or(LINK_LIVES);
    let new = NewPurchase {
        id: request.id,
        wallet_id: request.wallet.id,
        package: &package,
        terminal_key: request.terminal_key,
        contact_sealed: request.contact_sealed,
        save_card: request.save_card,
        bought_by: request.bought_by,
        key: request.key,
        body_hash: request.body_hashes.first().map_or("", String::as_str),
        poll_at: now + look,
        now,
    };
    match purchases::insert_purchase(unit, &new).await {
        Ok(()) => {}
        // Somebody asked in the same moment.
        Err(StoreError::Taken { .. }) => {
            let known = purchases::find_purchase_just_asked(unit, request.wallet.id, request.key).await?;
            return Ok(of_key(known.ok_or(StoreError::Stale { what: "purchase" })?, request));
        }
        Err(error) => return Err(error),
    }
    unit.enqueue(&OpenPayment { purchase_id: request.id }).await?;
    let written = purchases::find_purchase(unit, request.id).await?;
    Ok(Asked::Begun(Box::new(written.ok_or(StoreError::Stale { what: "purchase" })?)))
}

fn of_key(known: Purchase, request: &PurchaseRequest<'_>) -> Asked {
    if known.body_hash.as_ref().is_some_and(|hash| request.body_hashes.contains(hash)) {
        Asked::Known(Box::new(known))
    } else {
        Asked::KeyReused
    }
}
