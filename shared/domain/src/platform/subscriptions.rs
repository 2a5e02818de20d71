//! Subscriptions: paid access of an account to a widget, by seats and months.
//!
//! Everything is counted in whole days of Moscow time. A period is half-open, and the day of a change belongs to the
//! new state. Money is in kopecks; every amount that is not exact names its rounding.

mod access;
mod action;
mod bonus;
mod calendar;
mod campaign;
mod change;
mod due;
mod dunning;
mod late_payment;
mod notice;
mod plan;
mod quote;
mod receipt;
mod refund;
mod reinstate;
mod reminder;
mod seats;
mod settings;
mod subscription;
mod vendor;

pub use access::{Access, AccessLevel, AccessReason};
pub use action::SubscriptionAction;
pub use bonus::{BonusRefusal, MAX_BONUS_DAYS_PER_GRANT};
pub use calendar::{AnchorDay, MOSCOW_OFFSET, Period, PeriodLength, ZONE, day_start, moscow_day};
pub use campaign::{
    CampaignRefusal, MAX_CAMPAIGN_LEAD_DAYS, PRICE_NOTICE_DAYS, PriceChange, check_campaign_day,
};
pub use change::{Change, ChangeKind, NextTerms, PendingChange, PendingKind, Unavailable};
pub use due::DueStep;
pub use dunning::{ChargePlan, next_charge, tells_payer};
pub use late_payment::{
    InvoiceKind, InvoiceState, LatePayment, PaidInvoice, RefundReason, can_be_paid, late_payment,
    payable_until,
};
pub use notice::{Notice, NoticeKind};
pub use plan::{Currency, InvalidPlan, MAX_SEATS, PlanCode, PlanTerms, Terms};
pub use quote::{Effect, LineKind, PlanVersion, Quote, QuoteError, QuoteLine, Rounding, period_line, quote};
pub use receipt::{ReceiptBasis, ReceiptKind, ReceiptLine, ReceiptMode, VatRate, receipt_line};
pub use refund::{InvalidRefund, RefundableInvoice};
pub use reinstate::ReinstateRefusal;
pub use reminder::{TRIAL_REMINDER_DAYS, charge_reminder_days};
pub use seats::{Seat, SeatCount, SeatOffer, offer_seat, renumbered_seats, surplus_seats, suspect_seats};
pub use settings::{AfterEnd, InvalidSettings, SubscriptionSettings};
pub use subscription::{CancelOutcome, ChangeRefusal, EndReason, Subscription, SubscriptionState};
pub use vendor::{
    InvalidVendor, TAXATIONS, check_charge_initiator, check_inn, check_legal_name, check_phone,
    check_taxation, check_terminal_key, check_vendor_code,
};
