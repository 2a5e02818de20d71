//! The platform's side of an erasure: the customer's name, settings, tokens, letters, comments, addresses and cards.

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use flysk_domain::admin::{ErasedKind, ErasureSide};
use flysk_domain::id::ErasureId;
use flysk_queue::UnitOfWork;
use flysk_store::admin::erasures::Erasure;
use flysk_store::admin::exports::{self, ListExport};
use flysk_store::platform::erasure::{self as store, ErasedInstall};
use flysk_store::platform::subscriptions;
use flysk_store::{Conn, StoreResult};

use super::{Piece, add_counts, is_installed, lock_running};
use crate::invoice_payments::unlink_card;

/// Rows of each kind and install that one transaction erases.
const BATCH_SIZE: u32 = 500;
/// Actor in the rows of cards that an erasure unlinks.
const UNLINKED_BY: &str = "erasure";
const UNLINKED_CHANNEL: &str = "operator";

/// Erases a batch of each kind of all installs of the account.
///
/// # Errors
///
/// The database fails.
pub async fn erase_batch(unit: &mut UnitOfWork, clock: &dyn Clock, id: ErasureId) -> StoreResult<Piece> {
    let Some(erasure) = lock_running(unit, id, ErasureSide::Customer).await? else {
        return Ok(Piece::Stopped);
    };
    let installs = store::list_installs(unit, erasure.crm, erasure.account_id).await?;
    if is_installed(&installs) {
        super::stop(unit, id).await?;
        return Ok(Piece::Stopped);
    }
    let now = unit.now();
    let names = store::erase_account_name(unit, erasure.crm, erasure.account_id, now).await?;
    let mut erased = add_counts(unit, id, &[(ErasedKind::Names, names)]).await?;
    for install in &installs {
        erased += erase_profile(unit, &erasure, install).await?;
        erased += erase_payments(unit, clock, &erasure, install).await?;
    }
    Ok(Piece::Erased(erased))
}

async fn erase_profile(
    unit: &mut UnitOfWork,
    erasure: &Erasure,
    install: &ErasedInstall,
) -> StoreResult<u64> {
    let now = unit.now();
    let settings = store::erase_settings(unit, install.id, now).await?
        + store::delete_settings_history(unit, install.id, BATCH_SIZE).await?;
    let comments = match install.wallet {
        Some(wallet) => store::erase_comments(unit, wallet, BATCH_SIZE).await?,
        None => 0,
    };
    let subscription = install.subscription.map(|(id, ..)| id);
    let counts = [
        (ErasedKind::Settings, settings),
        (ErasedKind::Tokens, store::delete_tokens(unit, install.id).await?),
        (ErasedKind::Letters, store::delete_letters(unit, install.id, subscription).await?),
        (ErasedKind::Seats, store::delete_seats(unit, subscription).await?),
        (ErasedKind::EventData, store::erase_event_data(unit, install.id, BATCH_SIZE).await?),
        (ErasedKind::Answers, store::erase_answers(unit, install.id, BATCH_SIZE).await?),
        (ErasedKind::Comments, comments),
    ];
    add_counts(unit, erasure.id, &counts).await
}

async fn erase_payments(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    erasure: &Erasure,
    install: &ErasedInstall,
) -> StoreResult<u64> {
    let (wallet, subscription) = (install.wallet, install.subscription.map(|(id, ..)| id));
    unlink_cards(unit, clock, install).await?;
    let mut contacts = 0;
    if let Some(wallet) = wallet {
        contacts += store::erase_purchase_contacts(unit, wallet, BATCH_SIZE).await?;
    }
    if let Some(subscription) = subscription {
        contacts += store::erase_invoice_contacts(unit, subscription, BATCH_SIZE).await?;
    }
    contacts += store::erase_transfer_emails(unit, install.id, BATCH_SIZE).await?;
    let now = unit.now();
    let counts = [
        (ErasedKind::Cards, store::erase_rebill_ids(unit, install.id).await?),
        (ErasedKind::Contacts, contacts),
        (ErasedKind::Notifications, store::erase_notifications(unit, wallet, subscription, now).await?),
    ];
    add_counts(unit, erasure.id, &counts).await
}

/// Unlinks the cards with their consents: a card without its number must not be charged.
async fn unlink_cards(unit: &mut UnitOfWork, clock: &dyn Clock, install: &ErasedInstall) -> StoreResult<()> {
    let now = unit.now();
    if store::list_linked_cards(unit, install.id).await?.is_empty() {
        return Ok(());
    }
    if let Some((subscription, ..)) = install.subscription {
        // Whoever begins or permits a charge holds this lock.
        subscriptions::lock_subscription(unit, subscription).await?;
    }
    let cards = store::list_linked_cards(unit, install.id).await?;
    for card in &cards {
        subscriptions::revoke_consents(unit, *card, UNLINKED_BY, now).await?;
        unlink_card(unit, clock, *card, UNLINKED_BY, UNLINKED_CHANNEL).await?;
    }
    if let Some((subscription, ..)) = install.subscription
        && !cards.is_empty()
    {
        subscriptions::set_card(unit, subscription, None, now).await?;
    }
    Ok(())
}

/// Exports of lists that may contain the account: those that were requested before the erasure.
///
/// # Errors
///
/// The database fails.
pub async fn list_exports(conn: &mut Conn, erasure: &Erasure, limit: u32) -> StoreResult<Vec<ListExport>> {
    exports::list_made_until(conn, erasure.requested_at, limit).await
}

/// Records that the caller has deleted the file of an export.
///
/// # Errors
///
/// The database fails.
pub async fn forget_export(unit: &mut UnitOfWork, id: ErasureId, export: &ListExport) -> StoreResult<Piece> {
    if lock_running(unit, id, ErasureSide::Customer).await?.is_none() {
        return Ok(Piece::Stopped);
    }
    let now = unit.now();
    exports::mark_deleted(unit, export.id, now).await?;
    Ok(Piece::Erased(add_counts(unit, id, &[(ErasedKind::Exports, 1)]).await?))
}

/// Whether events of the account are still being delivered: their data is erased afterwards.
///
/// # Errors
///
/// The database fails.
pub async fn has_waiting_events(conn: &mut Conn, erasure: &Erasure) -> StoreResult<bool> {
    for install in store::list_installs(conn, erasure.crm, erasure.account_id).await? {
        if store::has_waiting_events(conn, install.id).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Addresses for receipts that payments, refunds or closing receipts still need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeptContacts {
    /// Number of addresses.
    pub count: i64,
    /// When the next closing receipt is due.
    pub receipt_at: Option<DateTime<Utc>>,
}

/// Counts the addresses for receipts of the account that are still needed.
///
/// # Errors
///
/// The database fails.
pub async fn kept_contacts(conn: &mut Conn, erasure: &Erasure) -> StoreResult<KeptContacts> {
    let mut kept = KeptContacts::default();
    for install in store::list_installs(conn, erasure.crm, erasure.account_id).await? {
        let subscription = install.subscription.map(|(id, ..)| id);
        kept.count += store::count_kept_contacts(conn, install.wallet, subscription).await?;
        kept.count += store::count_kept_transfer_emails(conn, install.id).await?;
        if let Some(subscription) = subscription {
            let due = store::next_receipt_at(conn, subscription).await?;
            kept.receipt_at = kept.receipt_at.into_iter().chain(due).min();
        }
    }
    Ok(kept)
}
