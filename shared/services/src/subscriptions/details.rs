//! Everything that pages and backends show of a subscription, in one read.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::platform::billing::BillingSettings;
use flysk_domain::platform::subscriptions::{Access, Notice, PendingChange, SeatCount, SubscriptionSettings};
use flysk_store::platform::subscriptions::{self, Invoice, Plan, PriceNotice, SubscriptionRow};
use flysk_store::platform::widgets::Widget;
use flysk_store::{Conn, StoreResult};

use super::price_campaigns::price_announcement;

/// A subscription with what belongs to it.
#[derive(Debug, Clone)]
pub struct SubscriptionDetails {
    /// The subscription.
    pub row: SubscriptionRow,
    /// Version of the plan that it has.
    pub plan: Option<Plan>,
    /// Changes that wait for the next period.
    pub pending: Vec<PendingChange>,
    /// The open invoice.
    pub open_invoice: Option<Invoice>,
    /// The new price of which the customer was told, and the first day of the first period that has it.
    pub new_price: Option<(PriceNotice, NaiveDate)>,
    /// Seats that users occupy; `None` if the widget gives no seats to users, and before the first purchase.
    pub seats: Option<SeatCount>,
    /// Access now: that of the account, and of users who have a seat.
    pub access: Access,
    /// What users should read now.
    pub notices: Vec<Notice>,
}

/// The widget's settings for subscriptions. Invalid billing settings are the vendor's mistake and must not change who has
/// access: the default settings apply, with an alert.
pub fn settings_of(widget: &Widget) -> SubscriptionSettings {
    let Some(billing) = &widget.billing else { return SubscriptionSettings::default() };
    match BillingSettings::read(billing, &widget.code) {
        Ok(settings) => settings.subscriptions,
        Err(error) => {
            tracing::error!(
                alert = "billing_settings", widget.code = %widget.code, error = %error,
                "invalid billing settings: default settings of subscriptions apply"
            );
            SubscriptionSettings::default()
        }
    }
}

/// Reads what belongs to a subscription.
pub async fn load_details(
    conn: &mut Conn,
    widget: &Widget,
    row: SubscriptionRow,
    now: DateTime<Utc>,
) -> StoreResult<SubscriptionDetails> {
    let plan = match row.subscription.terms {
        Some(terms) => subscriptions::find_plan(conn, terms.plan).await?,
        None => None,
    };
    let pending = subscriptions::list_pending(conn, row.id).await?;
    let open_invoice = subscriptions::find_open_invoice(conn, row.id).await?;
    let settings = settings_of(widget);
    let access = row.subscription.access(now, &settings);
    let mut notices = row.subscription.notices(now, &settings, row.card_id.is_some());
    let new_price = price_announcement(conn, &row).await?;
    if let Some((told, on)) = new_price {
        notices.push(Notice::of_new_price(told.old_price, told.new_price, on));
    }
    let seats = match row.subscription.seat_limit() {
        Some(_) if settings.seats_per_user => Some(subscriptions::count_seats(conn, row.id).await?),
        _ => None,
    };
    Ok(SubscriptionDetails { row, plan, pending, open_invoice, new_price, seats, access, notices })
}
