//! The card that can be charged for a subscription.

use flysk_domain::id::CardId;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::subscriptions::InvoiceKind;
use flysk_store::platform::invoice_payments::{self as store, Card, CardSeller, OfferedCard};
use flysk_store::platform::subscriptions::{Invoice, SubscriptionRow};
use flysk_store::{Conn, StoreResult};

/// The card for renewals of a subscription, if the seller of the next period can charge it today: the one of its open invoice, or
/// of the widget. `None`: there is none, it was saved at another terminal, or the account has uninstalled the widget. Locks nothing:
/// a charge decides by [`crate::invoice_payments::begin_charge`].
///
/// # Errors
///
/// The database fails, or a stored value cannot be read.
pub async fn find_chargeable_card(conn: &mut Conn, row: &SubscriptionRow) -> StoreResult<Option<Card>> {
    let Some(id) = row.card_id else { return Ok(None) };
    let seller = CardSeller::OfNextPeriod { subscription: row.id, widget: row.widget_id };
    Ok(find_offer(conn, id, seller).await?.map(|offer| offer.card))
}

/// [`find_chargeable_card`] for a caller that has read the open invoice.
pub(crate) async fn find_card_for(
    conn: &mut Conn,
    row: &SubscriptionRow,
    open: Option<&Invoice>,
) -> StoreResult<Option<Card>> {
    Ok(find_offer_for(conn, row, open).await?.map(|offer| offer.card))
}

/// [`find_card_for`] with what was read about the card.
pub(crate) async fn find_offer_for(
    conn: &mut Conn,
    row: &SubscriptionRow,
    open: Option<&Invoice>,
) -> StoreResult<Option<OfferedCard>> {
    let Some(id) = row.card_id else { return Ok(None) };
    let seller = match open.filter(|open| open.kind == InvoiceKind::Renewal) {
        Some(renewal) => CardSeller::Vendor(renewal.vendor_id),
        None => CardSeller::OwnerOf(row.widget_id),
    };
    find_offer(conn, id, seller).await
}

/// The card, if it is linked and the seller can charge it.
async fn find_offer(conn: &mut Conn, id: CardId, seller: CardSeller) -> StoreResult<Option<OfferedCard>> {
    let found = store::find_offered_card(conn, id, seller).await?;
    Ok(found.filter(|offer| {
        let (own, terminal) = (offer.sellers_terminal_key.as_deref(), &offer.card.terminal_key);
        is_chargeable_by(own, terminal, offer.is_at_vendors_terminal, offer.install_status)
    }))
}

/// Whether the seller can charge a card that is linked: it was saved at the seller's terminal, and its account has not uninstalled the
/// widget. It was saved at another terminal if the widget was moved since, or the seller has got a terminal of its own.
pub(crate) fn is_chargeable_by(
    sellers_terminal: Option<&str>,
    terminal_key: &str,
    is_at_vendors_terminal: bool,
    install: Option<InstallStatus>,
) -> bool {
    let at_sellers = match sellers_terminal {
        Some(own) => own == terminal_key,
        // The seller is paid through the terminal of the environment, which no vendor has.
        None => !is_at_vendors_terminal,
    };
    at_sellers && install.is_some_and(|status| status != InstallStatus::Uninstalled)
}
