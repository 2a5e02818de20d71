//! Writes of `subscriptions`.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, CardId, InstallId, SubscriptionId, WidgetId};
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::subscriptions::{AnchorDay, Subscription};

use super::row::SubscriptionRow;
use crate::error::{expect_one, unless_duplicate};
use crate::platform::cache_invalidations::{self, Subject};
use crate::{Conn, StoreResult};

/// A subscription to be inserted.
#[derive(Debug)]
pub struct NewSubscription<'a> {
    /// `sub_…`, chosen by the caller.
    pub id: SubscriptionId,
    /// Row of `installs`, which has the widget and the account.
    pub install_id: InstallId,
    /// Row of `widgets`.
    pub widget_id: WidgetId,
    /// Service that the account belongs to.
    pub crm: Crm,
    /// amoCRM's number of the account.
    pub account_id: AccountId,
    /// State and trial.
    pub subscription: &'a Subscription,
    /// When the next step is due.
    pub next_due_at: Option<DateTime<Utc>>,
    /// Time of the insertion, by the caller's clock.
    pub now: DateTime<Utc>,
}

/// Inserts a subscription without periods; `false` if the account has one for this widget.
pub async fn insert_subscription(conn: &mut Conn, new: &NewSubscription<'_>) -> StoreResult<bool> {
    let trial = new.subscription.trial;
    let inserted = sqlx::query(
        "INSERT INTO subscriptions (id, install_id, widget_id, platform, account_id, state, trial_from, trial_until,
             next_due_at, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.to_string())
    .bind(new.install_id.to_string())
    .bind(new.widget_id.to_string())
    .bind(new.crm.as_str())
    .bind(new.account_id.0)
    .bind(new.subscription.state.as_str())
    .bind(trial.map(|trial| trial.from))
    .bind(trial.map(|trial| trial.until))
    .bind(new.next_due_at)
    .bind(new.now)
    .bind(new.now)
    .execute(&mut *conn)
    .await;
    let is_new = unless_duplicate(inserted)?;
    if is_new {
        cache_invalidations::record(conn, Subject::Install(new.install_id)).await?;
    }
    Ok(is_new)
}

/// Writes a subscription's new state, unless it changed since `read`.
pub async fn update_subscription(
    conn: &mut Conn,
    read: &SubscriptionRow,
    new: &Subscription,
    next_due_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let terms = new.terms;
    let updated = sqlx::query(
        "UPDATE subscriptions SET version = version + 1, state = ?, trial_from = ?, trial_until = ?, plan_id = ?,
             seat_kopecks = ?, seats = ?, months = ?, anchor_day = ?, period_no = ?, period_from = ?,
             period_until = ?, prepaid_from = ?, prepaid_until = ?, is_granted = ?, cancels = ?, reminded_days = ?,
             needs_person = ?, last_charge_on = ?, next_due_at = ?, updated_at = ?
         WHERE id = ? AND version = ?",
    )
    .bind(new.state.as_str())
    .bind(new.trial.map(|trial| trial.from))
    .bind(new.trial.map(|trial| trial.until))
    .bind(terms.map(|terms| terms.plan.to_string()))
    .bind(terms.map(|terms| terms.seat_price.0))
    .bind(terms.map(|terms| terms.seats))
    .bind(terms.map(|terms| terms.length.months()))
    .bind(new.anchor.map(AnchorDay::day))
    .bind(new.period_no)
    .bind(new.period.map(|period| period.from))
    .bind(new.period.map(|period| period.until))
    .bind(new.prepaid.map(|period| period.from))
    .bind(new.prepaid.map(|period| period.until))
    .bind(new.is_granted)
    .bind(new.cancels)
    .bind(new.reminded_days)
    .bind(new.needs_person)
    .bind(new.last_charge_on)
    .bind(next_due_at)
    .bind(now)
    .bind(read.id.to_string())
    .bind(read.version)
    .execute(conn)
    .await?;
    expect_one(&updated, "subscription")
}

/// Sets the card that is charged for renewals, or switches renewal off. The caller holds the row's lock.
pub async fn set_card(
    conn: &mut Conn,
    id: SubscriptionId,
    card: Option<CardId>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE subscriptions SET card_id = ?, version = version + 1, updated_at = ? WHERE id = ?",
    )
    .bind(card.map(|card| card.to_string()))
    .bind(now)
    .bind(id.to_string())
    .execute(&mut *conn)
    .await?;
    expect_one(&updated, "subscription")?;
    cache_invalidations::record_subscription(conn, id).await
}
