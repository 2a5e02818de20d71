//! The price that was announced to the customer of a subscription.

use chrono::NaiveDate;
use flysk_domain::platform::subscriptions::{PriceChange, moscow_day};
use flysk_store::platform::subscriptions::{self, AnnouncedPrice, PriceNotice, SubscriptionRow};
use flysk_store::{Conn, StoreResult};

/// When an announced price concerns its customer.
pub(super) fn price_change(announced: &AnnouncedPrice) -> PriceChange {
    PriceChange { effective_on: announced.effective_on, noticed_on: moscow_day(announced.notice.noticed_at) }
}

/// The new price of which a customer was notified and that is still ahead, with the first day of the first period that has it,
/// counted again from where the subscription stands now.
pub async fn price_announcement(
    conn: &mut Conn,
    row: &SubscriptionRow,
) -> StoreResult<Option<(PriceNotice, NaiveDate)>> {
    let Some(terms) = row.subscription.terms else { return Ok(None) };
    let announced = subscriptions::find_announced_price(conn, row.id, terms.plan).await?;
    Ok(announced.and_then(|announced| {
        let on = price_change(&announced).first_boundary(&row.subscription)?;
        Some((announced.notice, on))
    }))
}
