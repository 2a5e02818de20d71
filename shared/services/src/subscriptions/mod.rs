//! Subscriptions: trials, quotes, invoices and their payment, renewals, and the acts of users and operators.
//!
//! Every use case locks the subscription's row first, decides by `flysk_domain::platform::subscriptions`, and writes the
//! new state with its next due time and an entry of the log.

mod action_log;
mod announce;
mod announced_price;
mod apply;
mod cancel;
mod cards;
mod charge_plan;
mod closing_receipt;
mod context;
mod details;
mod due;
mod invoices;
mod letters;
mod next_terms;
mod offers;
mod operators;
mod payment_lock;
mod price_campaigns;
mod quotes;
mod refunded_period;
mod refunds;
mod reinstate;
mod sale;
mod save;
mod seats;
mod settle;
mod trial;

pub use action_log::{Actor, SubscriptionAction};
pub use announced_price::price_announcement;
pub use apply::{ApplyError, ApplyOutcome, ApplyRequest, apply_quote};
pub use cancel::{CancelError, cancel, discard_invoice, restore, withdraw_pending};
pub use cards::{bind_card, record_consent, unlink_card, unlink_saved_card};
pub use closing_receipt::{
    LOST_RECEIPT_JOB_DELAY, ReceiptDecision, begin_closing_receipt, decide_receipt, left_to_close,
    receipt_needs_decision,
};
pub use details::{SubscriptionDetails, SubscriptionFacts, load_details, load_facts, settings_of};
pub(crate) use due::NOT_SOLD_DELAY;
pub use due::{PerformedStep, find_due, perform_due_step};
pub use invoices::{expire_overdue_invoices, find_chargeable, set_contact};
pub use next_terms::{ResolvedTerms, next_terms};
pub use operators::{
    OperatorAct, OperatorError, clear_review, force_renewal, grant_bonus_days, mark_paid, void_invoice,
};
pub use payment_lock::clear_payment_lock;
pub(crate) use payment_lock::record_ended_attempt;
pub use price_campaigns::{
    CampaignError, CampaignPreview, NewCampaign, announce_price, preview_campaign, start_campaign,
    stop_campaign,
};
pub use quotes::{QuoteRefusal, create_quote};
pub use refunded_period::{end_refunded, is_refunded_whole};
pub(crate) use refunded_period::{restore_prepaid, withdraw_prepaid};
pub(crate) use refunds::refundable;
pub use refunds::suggested_refund;
pub use reinstate::reinstate;
pub use sale::{BegunSale, begin_sale};
pub use seats::{
    OccupiedSeat, free_blocked_seat, free_seat, list_occupied_seats, request_seat_check, take_seat,
};
pub use settle::{FailedCharge, SettleOutcome, Settlement, record_failed_charge, settle_invoice};
pub(crate) use settle::{
    Locked, leave_to_payer, lock, lock_both, lock_for_charge, record_failed_locked, settle_locked,
};
pub use trial::{LosesAccess, list_losing_access, open_late_subscription, start_trial};
