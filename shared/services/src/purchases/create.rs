//! Creating a purchase.

use chrono::TimeDelta;
use flysk_crypto::{Keyring, KeyringError, SealedContact, aad};
use flysk_domain::id::{PackageId, PurchaseId, UserId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::purchases::{
    Email, PAYMENT_LINK_TTL, PurchaseState, next_status_query, package_of_sum,
};
use flysk_domain::trace::Trace;
use flysk_jobs::platform::billing::OpenPayment;
use flysk_queue::{Outbox, UnitOfWork};
use flysk_store::platform::ledger::{self, WalletRow};
use flysk_store::platform::purchases::{self, NewPurchase, Package, Purchase};
use flysk_store::{Conn, StoreError, StoreResult, repeat_contended};

/// Maximum number of unpaid purchases per wallet; more indicate a script or a stuck button.
pub const MAX_OPEN_PURCHASES: i64 = 20;

/// What somebody wants to buy, checked against the widget's offer when the purchase is created.
#[derive(Debug, Clone, Copy)]
pub struct PurchaseOrder<'a> {
    /// The wallet to credit.
    pub wallet: &'a WalletRow,
    /// Item to buy.
    pub item: PurchaseItem,
    /// The terminal to pay at.
    pub terminal_key: &'a str,
    /// Address of the receipt.
    pub email: &'a Email,
    /// Whether the buyer agreed to save the card.
    pub save_card: bool,
    /// amoCRM's number of the user who ordered.
    pub bought_by: UserId,
    /// Idempotency key, unique per wallet: 1 to 120 visible ASCII characters.
    pub key: &'a str,
}

/// What is bought: a package on offer, or coins for a sum of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurchaseItem {
    /// A version of a package.
    Package(PackageId),
    /// Coins for a sum, see [`package_of_sum`].
    Sum(Kopecks),
}

impl std::fmt::Display for PurchaseItem {
    /// Part of the text that is hashed to compare two orders with one key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Package(id) => id.fmt(f),
            Self::Sum(sum) => write!(f, "sum:{}", sum.0),
        }
    }
}

/// Values of a new purchase's row.
struct PurchaseRequest<'a> {
    order: PurchaseOrder<'a>,
    id: PurchaseId,
    /// Id of the package of a sum, if this is the first purchase of it.
    sum_package_id: PackageId,
    /// Encrypted e-mail address, with `coin_purchases.contact:<id>` as associated data, and its hash.
    contact: SealedContact,
    /// Hashes of the order under all keys of the ring, the current one first.
    body_hashes: Vec<String>,
}

/// A purchase cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum CreatePurchaseError {
    /// The contact cannot be encrypted.
    #[error("key ring: {0}")]
    Keyring(#[from] KeyringError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether there is a purchase now, and whether it is new.
#[derive(Debug)]
pub enum CreatePurchaseOutcome {
    /// It was not ordered before under the idempotency key.
    Created(Box<Purchase>),
    /// The same request has already created this purchase.
    Replayed(Box<Purchase>),
    /// The idempotency key was used with another request.
    KeyReused,
    /// The widget does not sell this version of the package, or not any more.
    PackageNotAvailable,
    /// The wallet has too many unpaid purchases.
    TooManyOpen,
}

/// Inserts a purchase and enqueues the job that opens its payment, or returns the purchase of an earlier identical order. Runs in
/// a transaction of its own.
///
/// # Errors
///
/// The contact cannot be encrypted, or the database fails.
pub async fn create_purchase(
    outbox: &Outbox,
    keyring: &Keyring,
    trace: &Trace,
    order: PurchaseOrder<'_>,
) -> Result<CreatePurchaseOutcome, CreatePurchaseError> {
    let id = PurchaseId::generate(outbox.clock().as_ref());
    let contact = keyring.seal_email(order.email.as_str(), &aad::purchase_contact(id))?;
    let body_hashes = body_hashes(keyring, &order);
    let sum_package_id = PackageId::generate(outbox.clock().as_ref());
    let request = PurchaseRequest { order, id, sum_package_id, contact, body_hashes };
    let insert = || async {
        let mut unit = outbox.begin(trace.clone()).await?;
        let outcome = insert_purchase(&mut unit, &request).await?;
        unit.commit().await?;
        StoreResult::Ok(outcome)
    };
    Ok(repeat_contended(insert).await?)
}

/// The answer to an order that must not buy anything new: that of an earlier identical order, whatever has happened since. `None`
/// if its key was not used.
///
/// # Errors
///
/// The database fails.
pub async fn find_repeated_purchase(
    conn: &mut Conn,
    keyring: &Keyring,
    order: PurchaseOrder<'_>,
) -> StoreResult<Option<CreatePurchaseOutcome>> {
    let existing = purchases::find_purchase_asked(conn, order.wallet.id, order.key).await?;
    Ok(existing.map(|existing| replayed_or_key_reused(existing, &body_hashes(keyring, &order))))
}

/// Hashes of an order under all keys of the ring, the current one first. They are keyed, because an email address could be guessed
/// from a plain one.
fn body_hashes(keyring: &Keyring, order: &PurchaseOrder<'_>) -> Vec<String> {
    let body = format!("purchase\n{}\n{}\n{}", order.item, order.save_card, order.email.as_str());
    keyring.blind_indexes(&body).iter().map(ToString::to_string).collect()
}

async fn insert_purchase(
    unit: &mut UnitOfWork,
    request: &PurchaseRequest<'_>,
) -> StoreResult<CreatePurchaseOutcome> {
    let now = unit.now();
    // Before the first read: concurrent orders of a wallet would each count the purchases without the other's.
    ledger::write_lock_wallet(unit, request.order.wallet.id, now).await?;
    if let Some(existing) =
        purchases::find_purchase_asked(unit, request.order.wallet.id, request.order.key).await?
    {
        return Ok(replayed_or_key_reused(existing, &request.body_hashes));
    }
    let Some(package) = find_item(unit, request).await? else {
        return Ok(CreatePurchaseOutcome::PackageNotAvailable);
    };
    let since = now - PAYMENT_LINK_TTL;
    if purchases::count_open_purchases(unit, request.order.wallet.id, since).await? >= MAX_OPEN_PURCHASES {
        return Ok(CreatePurchaseOutcome::TooManyOpen);
    }
    let poll_after =
        next_status_query(PurchaseState::Created, None, TimeDelta::zero()).unwrap_or(PAYMENT_LINK_TTL);
    let new = NewPurchase {
        id: request.id,
        wallet_id: request.order.wallet.id,
        package: &package,
        terminal_key: request.order.terminal_key,
        contact_sealed: &request.contact.sealed,
        contact_hash: request.contact.index.as_bytes(),
        save_card: request.order.save_card,
        bought_by: request.order.bought_by,
        key: request.order.key,
        body_hash: request.body_hashes.first().map_or("", String::as_str),
        poll_at: now + poll_after,
        now,
    };
    match purchases::insert_purchase(unit, &new).await {
        Ok(()) => {}
        // A concurrent request created it.
        Err(StoreError::Duplicate { .. }) => {
            let existing =
                purchases::find_purchase_just_asked(unit, request.order.wallet.id, request.order.key).await?;
            return Ok(replayed_or_key_reused(
                existing.ok_or(StoreError::WrongState { what: "purchase" })?,
                &request.body_hashes,
            ));
        }
        Err(error) => return Err(error),
    }
    unit.enqueue(&OpenPayment { purchase_id: request.id }).await?;
    let written = purchases::find_purchase(unit, request.id).await?;
    Ok(CreatePurchaseOutcome::Created(Box::new(written.ok_or(StoreError::WrongState { what: "purchase" })?)))
}

/// The package to buy: one on offer, or that of the sum. `None` if the widget does not sell it.
async fn find_item(unit: &mut UnitOfWork, request: &PurchaseRequest<'_>) -> StoreResult<Option<Package>> {
    let (now, widget) = (unit.now(), request.order.wallet.widget_id);
    match request.order.item {
        PurchaseItem::Package(id) => {
            let package = purchases::find_package(unit, id).await?;
            Ok(package.filter(|package| package.active && package.widget_id == widget))
        }
        PurchaseItem::Sum(sum) => {
            let Ok((code, terms)) = package_of_sum(sum) else { return Ok(None) };
            Ok(Some(
                purchases::package_for_sum(unit, request.sum_package_id, widget, &code, &terms, now).await?,
            ))
        }
    }
}

/// The outcome of an order under the key of an earlier purchase; `hashes` are those of the order.
pub(crate) fn replayed_or_key_reused(existing: Purchase, hashes: &[String]) -> CreatePurchaseOutcome {
    if existing.body_hash.as_ref().is_some_and(|hash| hashes.contains(hash)) {
        CreatePurchaseOutcome::Replayed(Box::new(existing))
    } else {
        CreatePurchaseOutcome::KeyReused
    }
}
