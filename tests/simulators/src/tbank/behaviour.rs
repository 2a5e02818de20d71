//! Switches for behaviour that the bank's documents leave open, and faults of its notifications.

use serde::{Deserialize, Serialize};

/// Order in which `AUTHORIZED` and `CONFIRMED` of a one-stage payment arrive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// At the same time, as documented.
    #[default]
    Together,
    /// `AUTHORIZED` shortly before `CONFIRMED`.
    InOrder,
    /// `CONFIRMED` shortly before `AUTHORIZED`.
    Reversed,
}

/// Course of refunds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refunds {
    /// Completed with the response.
    #[default]
    AtOnce,
    /// The payment stays `REFUNDING` until the test settles it.
    Slow,
    /// As with SBP: `ASYNC_REFUNDING` until the test settles it, refund ids are ignored, at most one attempt per
    /// hour and five per day (3029, 3030).
    Sbp,
}

/// Behaviour of the bank. `PUT /_sim/behaviour` sets all fields, and omitted fields to their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is an open question of its own")]
pub struct Behaviour {
    /// A second `Init` with the same order id is rejected (20, or 623 if it is paid). The documents describe this
    /// but do not guarantee it for every terminal.
    pub unique_orders: bool,
    /// Number of copies of each notification; 0: none are sent.
    pub notification_copies: u32,
    /// Order of notifications about one change.
    pub notification_order: Order,
    /// Delay of notifications by the simulator's clock, seconds. Delayed ones are not waited for.
    pub notification_delay_s: u32,
    /// `Charge` responds only after its notifications were answered, or after 10 s.
    pub charge_waits_for_notifications: bool,
    /// `Payments[].Success` and numbers are strings, as in the older document.
    pub texts_for_numbers: bool,
    /// A repeated `Cancel` with the same `ExternalRequestId` returns the state of the first one. SBP ignores
    /// these ids.
    pub refund_ids_count: bool,
    /// Course of refunds.
    pub refunds: Refunds,
    /// `GetState` returns `RebillId`, as in the newer document.
    pub state_tells_rebill: bool,
    /// A removed card can still be charged. The documents do not say whether `RemoveCard` ends its `RebillId`.
    pub removed_cards_chargeable: bool,
    /// Requests per second that are accepted, in real time; the others get 429. The bank publishes no number.
    pub requests_per_second: Option<u32>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            unique_orders: true,
            notification_copies: 1,
            notification_order: Order::Together,
            notification_delay_s: 0,
            charge_waits_for_notifications: true,
            texts_for_numbers: false,
            refund_ids_count: true,
            refunds: Refunds::AtOnce,
            state_tells_rebill: true,
            removed_cards_chargeable: false,
            requests_per_second: None,
        }
    }
}
