//! The card that can be charged for a subscription.

use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::subscriptions::InvoiceKind;
use flysk_store::platform::invoice_payments::{self as store, Card, CardSeller, OfferedCard};
use flysk_store::platform::subscriptions::{self, Invoice, SubscriptionRow};
use flysk_store::{Conn, StoreResult};

/// The card for renewals of a subscription, if the seller of the next period can charge it today: the one of its open invoice, or
/// of the widget. `None`: there is none, it was saved at another terminal, or the account has uninstalled the widget. Locks nothing:
/// a charge decides by [`super::begin_charge`].
///
/// # Errors
///
/// The database fails, or a stored value cannot be read.
pub async fn find_chargeable_card(conn: &mut Conn, row: &SubscriptionRow) -> StoreResult<Option<Card>> {
    if row.card_id.is_none() {
        return Ok(None);
    }
    let open = subscriptions::find_open_invoice(conn, row.id).await?;
    find_card_for(conn, row, open.as_ref()).await
}

/// [`find_chargeable_card`] for a caller that has read the open invoice.
pub(crate) async fn find_card_for(
    conn: &mut Conn,
    row: &SubscriptionRow,
    open: Option<&Invoice>,
) -> StoreResult<Option<Card>> {
    let Some(id) = row.card_id else { return Ok(None) };
    let seller = match open.filter(|open| open.kind == InvoiceKind::Renewal) {
        Some(renewal) => CardSeller::Vendor(renewal.vendor_id),
        None => CardSeller::OwnerOf(row.widget_id),
    };
    let Some(found) = store::find_offered_card(conn, id, seller).await? else { return Ok(None) };
    let OfferedCard { card, install_status, is_at_vendors_terminal, sellers_terminal_key } = found;
    let own = sellers_terminal_key.as_deref();
    let is_chargeable = is_chargeable_by(own, &card.terminal_key, is_at_vendors_terminal, install_status);
    Ok(is_chargeable.then_some(card))
}

/// Whether the seller can charge a card that is linked: it was saved at the seller's terminal, and its account has not uninstalled the
/// widget. It was saved at another terminal if the widget was moved since, or the seller has got a terminal of its own.
pub(super) fn is_chargeable_by(
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
