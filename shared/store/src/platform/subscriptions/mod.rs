//! Subscriptions: plans, subscriptions, quotes, invoices, consents, and records about them.
//!
//! Lock order: the subscription's row, then its invoice, then the install's row (events). Every write of a subscription
//! compares its version.

mod campaigns;
mod charge_basis;
mod consents;
mod due_parts;
mod invariants;
mod invoice_writes;
mod invoices;
mod payable;
mod plans;
mod quotes;
mod records;
mod row;
mod schedule_invariants;
mod seats;
mod write;

pub use campaigns::{
    AnnouncedPrice, PlanCustomers, PriceCampaign, PriceNotice, count_plan_customers, count_price_notices,
    find_announced_price, find_campaign, insert_campaign, insert_price_notice, list_campaigns,
    list_customers_to_notify, list_running_campaigns, stop_campaign,
};
pub use charge_basis::{ChargeBasis, LinkedCard, lock_charge_basis};
pub use consents::{Consent, bind_consent, insert_consent, list_consents, revoke_consents};
pub use due_parts::{DueParts, find_due_parts};
pub use invariants::{SUBSCRIPTION_RULES, SubscriptionViolation, verify_subscriptions};
pub use invoice_writes::{
    NewInvoice, add_refunded, free_period, insert_invoice, list_sealed_contacts, mark_invoice_paid,
    mark_invoice_void, record_failure, reopen_invoice_as_paid, reseal_contact, retake_period, set_charge_at,
    set_contact,
};
pub use invoices::{
    Failure, Invoice, find_invoice, find_invoice_of_period, find_last_contact, find_open_invoice,
    list_chargeable, list_invoices, list_overdue_invoices, lock_invoice,
};
pub use payable::{
    OpenAttempt, PayableInvoice, Seller, WidgetSale, find_payable_invoice, find_subscription_of_invoice,
    lock_payable_invoice,
};
pub use plans::{
    HeldPlan, Plan, find_held_plan, find_plan, find_plan_on_offer, list_all_plans, list_plans_by_ids,
    list_plans_on_offer, retire_plan, set_plan,
};
pub use quotes::{
    NewQuote, StoredQuote, find_quote, find_quote_asked, insert_quote, mark_quote_applied, prune_quotes,
    trim_quotes,
};
pub use records::{
    Action, BonusGrant, clear_pending, delete_pending, delete_pending_until, find_first_notice,
    insert_action, insert_bonus, insert_notice, list_actions, list_actions_before, list_pending, put_pending,
    sum_bonus_days_since,
};
pub use row::{
    SubscriptionRow, find_subscription, find_subscription_of_install, list_due_subscriptions,
    list_subscriptions_of_widget, lock_subscription, lock_subscription_of_install,
};
pub use schedule_invariants::{SCHEDULE_RULES, verify_schedule};
pub use seats::{
    count_seats, delete_seat, delete_unused_seat, find_seat, insert_seat, list_seat_names, list_seats,
    mark_seat_seen, mark_seats_changed, renumber_seat, set_seat_name,
};
pub use write::{NewSubscription, insert_subscription, set_card, update_subscription};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{StoreError, StoreResult};

/// Reads JSON of a column.
fn decode_json<T: DeserializeOwned>(what: &'static str, text: &str) -> StoreResult<T> {
    serde_json::from_str(text).map_err(|error| StoreError::InvalidRow { what, reason: error.to_string() })
}

/// Writes JSON for a column.
fn encode_json<T: Serialize>(what: &'static str, value: &T) -> StoreResult<String> {
    serde_json::to_string(value).map_err(|error| StoreError::InvalidRow { what, reason: error.to_string() })
}
