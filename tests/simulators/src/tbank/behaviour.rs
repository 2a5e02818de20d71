//! Questions the bank's documents leave open, and mishaps of its notices.

use serde::{Deserialize, Serialize};

/// In which order `AUTHORIZED` and `CONFIRMED` of a one-stage payment arrive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// At the same time, as documented.
    #[default]
    Together,
    /// The first a moment before the second.
    InOrder,
    /// The second a moment before the first.
    Reversed,
}

/// How money goes back for a payment that took it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refunds {
    /// With the answer.
    #[default]
    AtOnce,
    /// The payment is `REFUNDING` until somebody settles it.
    Slow,
    /// As SBP has it: `ASYNC_REFUNDING` until somebody settles it, ids of refunds are not heeded, one try per hour and
    /// five per day (3029, 3030).
    Sbp,
}

/// How the bank behaves. `PUT /_sim/behaviour` sets all fields, those left out to their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is an open question of its own")]
pub struct Behaviour {
    /// A second `Init` with one order id is refused (20, or 623 when it is paid). The documents say so and
    /// do not promise that every terminal does.
    pub unique_orders: bool,
    /// How many times each notice is sent; 0: never.
    pub notice_copies: u32,
    /// In which order notices of one change arrive.
    pub notice_order: Order,
    /// `Charge` answers only after its notices were answered, or 10 s passed.
    pub charge_waits_for_notices: bool,
    /// `Payments[].Success` and numbers are texts, as the older document has them.
    pub texts_for_numbers: bool,
    /// `Cancel` under a known `ExternalRequestId` answers with the first call's state; SBP knows no such ids.
    pub refund_ids_count: bool,
    /// How money goes back.
    pub refunds: Refunds,
    /// `GetState` tells `RebillId`, as the newer document has it.
    pub state_tells_rebill: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            unique_orders: true,
            notice_copies: 1,
            notice_order: Order::Together,
            charge_waits_for_notices: true,
            texts_for_numbers: false,
            refund_ids_count: true,
            refunds: Refunds::AtOnce,
            state_tells_rebill: true,
        }
    }
}
