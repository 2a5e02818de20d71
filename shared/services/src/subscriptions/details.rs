//! Everything that pages and backends show of a subscription, in one read.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::platform::billing::BillingSettings;
use flysk_domain::platform::subscriptions::{Access, Notice, PendingChange, SeatCount, SubscriptionSettings};
use flysk_store::platform::subscriptions::{self, Invoice, Plan, PriceNotice, SubscriptionRow, WidgetSale};
use flysk_store::platform::widgets::Widget;
use flysk_store::{Conn, StoreResult};
use serde_json::Value;

use super::announced_price::price_announcement;
use crate::live_payments::find_card_for;

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
    /// Whether the seller can charge the card for renewals; not if it was saved at another terminal.
    pub can_charge_card: bool,
    /// The new price of which the customer was notified, and the first day of the first period that has it.
    pub new_price: Option<(PriceNotice, NaiveDate)>,
    /// Seats that users occupy; `None` if the widget gives no seats to users, and before the first purchase.
    pub seats: Option<SeatCount>,
    /// Access now: that of the account, and of users who have a seat.
    pub access: Access,
    /// Notices for users now.
    pub notices: Vec<Notice>,
}

/// The widget's settings for subscriptions, and whether it sells any at present. Invalid billing settings are the vendor's mistake
/// and must not change who has access: the default settings apply, with an alert.
pub fn settings_of(widget: &Widget) -> SubscriptionSettings {
    let stored = stored_settings(&widget.code, widget.billing.as_deref());
    SubscriptionSettings { not_sold: !widget.uses_subscriptions, ..stored }
}

/// [`settings_of`] the widget that sells a subscription.
pub(super) fn settings_of_sale(sale: &WidgetSale) -> SubscriptionSettings {
    let stored = stored_settings(&sale.code, sale.billing.as_deref());
    SubscriptionSettings { not_sold: !sale.uses_subscriptions, ..stored }
}

fn stored_settings(code: &str, billing: Option<&Value>) -> SubscriptionSettings {
    let Some(billing) = billing else { return SubscriptionSettings::default() };
    match BillingSettings::read(billing, code) {
        Ok(settings) => settings.subscriptions,
        Err(error) => {
            tracing::error!(
                alert = "billing_settings", widget.code = code, error = %error,
                "invalid billing settings: default settings of subscriptions apply"
            );
            SubscriptionSettings::default()
        }
    }
}

/// Stored data of a subscription and of its parts. Only writes change it, so that it can be cached; access and
/// notices follow from it, the widget's settings and the time.
#[derive(Debug, Clone)]
pub struct SubscriptionFacts {
    row: SubscriptionRow,
    plan: Option<Plan>,
    pending: Vec<PendingChange>,
    open_invoice: Option<Invoice>,
    can_charge_card: bool,
    new_price: Option<(PriceNotice, NaiveDate)>,
    seats: Option<SeatCount>,
}

impl SubscriptionFacts {
    /// The subscription.
    pub fn row(&self) -> &SubscriptionRow {
        &self.row
    }

    /// Whether seats were counted as the settings of the widget ask for. They may have been read for the widget as it was before
    /// a change of its settings, by a request that saw both sides of the change.
    pub fn fits(&self, widget: &Widget) -> bool {
        self.seats.is_some() == gives_seats(widget, &self.row)
    }

    /// The subscription at `now`.
    pub fn details_at(self, widget: &Widget, now: DateTime<Utc>) -> SubscriptionDetails {
        let Self { row, plan, pending, open_invoice, can_charge_card, new_price, seats } = self;
        let settings = settings_of(widget);
        let access = row.subscription.access(now, &settings);
        let mut notices = row.subscription.notices(now, &settings, can_charge_card);
        if let Some((told, on)) = new_price {
            notices.push(Notice::of_new_price(told.old_price, told.new_price, on));
        }
        SubscriptionDetails {
            row,
            plan,
            pending,
            open_invoice,
            can_charge_card,
            new_price,
            seats,
            access,
            notices,
        }
    }
}

/// Reads what belongs to a subscription.
///
/// # Errors
///
/// The database fails, or a stored value cannot be read.
pub async fn load_facts(
    conn: &mut Conn,
    widget: &Widget,
    row: SubscriptionRow,
) -> StoreResult<SubscriptionFacts> {
    let plan = match row.subscription.terms {
        Some(terms) => subscriptions::find_plan(conn, terms.plan).await?,
        None => None,
    };
    let pending = subscriptions::list_pending(conn, row.id).await?;
    let open_invoice = subscriptions::find_open_invoice(conn, row.id).await?;
    let can_charge_card = find_card_for(conn, &row, open_invoice.as_ref()).await?.is_some();
    let new_price = price_announcement(conn, &row).await?;
    let seats =
        if gives_seats(widget, &row) { Some(subscriptions::count_seats(conn, row.id).await?) } else { None };
    Ok(SubscriptionFacts { row, plan, pending, open_invoice, can_charge_card, new_price, seats })
}

/// Whether users occupy seats of a subscription.
fn gives_seats(widget: &Widget, row: &SubscriptionRow) -> bool {
    row.subscription.seat_limit().is_some() && settings_of(widget).seats_per_user
}

/// Reads what belongs to a subscription, and what follows from it at `now`.
pub async fn load_details(
    conn: &mut Conn,
    widget: &Widget,
    row: SubscriptionRow,
    now: DateTime<Utc>,
) -> StoreResult<SubscriptionDetails> {
    Ok(load_facts(conn, widget, row).await?.details_at(widget, now))
}
