//! Typed ids.
//!
//! Our ids are ULIDs (26 characters, sortable by time). Each kind is a type of its own, so that an install id cannot be
//! passed where a job id is expected. amoCRM's ids are numbers. In JSON and SQL our ids are text with a prefix
//! (`tr_01J…`) that names the kind.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use ulid::{ULID_LEN, Ulid};

use crate::Clock;

/// The text is not an id of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid id: expected {wanted}")]
pub struct InvalidId {
    /// Description of a valid id.
    pub wanted: &'static str,
    /// The rejected text, cut to 40 characters.
    pub text: String,
}

/// A new ULID with the clock's time.
fn fresh(clock: &dyn Clock) -> Ulid {
    let ms = u64::try_from(clock.now().timestamp_millis()).unwrap_or_default();
    Ulid::from_parts(ms, clock.random_u128())
}

/// Joins prefix and ULID in `text`, which has room for both and no more: an id is written in one piece, because statements have many
/// and every piece is a call, and may let a buffer grow.
fn join<'t>(prefix: &str, ulid: Ulid, text: &'t mut [u8]) -> Result<&'t str, fmt::Error> {
    let mut digits = [0; ULID_LEN];
    let digits = ulid.array_to_str(&mut digits);
    let (head, tail) = text.split_at_mut_checked(prefix.len()).ok_or(fmt::Error)?;
    head.copy_from_slice(prefix.as_bytes());
    tail.copy_from_slice(digits.as_bytes());
    std::str::from_utf8(text).map_err(|_| fmt::Error)
}

macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Ulid);

        impl $name {
            /// Prefix of the id's text.
            pub const PREFIX: &'static str = $prefix;

            /// A new id with the clock's time.
            pub fn generate(clock: &dyn Clock) -> Self {
                Self(fresh(clock))
            }

            /// The smallest id with this time. Ids sort by time, so it bounds the ids of a period.
            pub fn first_at(time: DateTime<Utc>) -> Self {
                Self(Ulid::from_parts(u64::try_from(time.timestamp_millis()).unwrap_or_default(), 0))
            }

            /// The time in the id, whole milliseconds.
            pub fn time(self) -> DateTime<Utc> {
                let ms = i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX);
                DateTime::from_timestamp_millis(ms).unwrap_or(DateTime::<Utc>::MAX_UTC)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(join($prefix, self.0, &mut [0_u8; $prefix.len() + ULID_LEN])?)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix($prefix)
                    .and_then(|ulid| Ulid::from_string(ulid).ok())
                    .map(Self)
                    .ok_or_else(|| InvalidId {
                        wanted: concat!("`", $prefix, "` and 26 characters"),
                        text: text.chars().take(40).collect(),
                    })
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

ulid_id!(
    /// Id of a job.
    JobId, "job_"
);
ulid_id!(
    /// Id of a widget: an integration of amoCRM with its secret.
    WidgetId, "wgt_"
);
ulid_id!(
    /// Id of an install: a widget in an amoCRM account.
    InstallId, "ins_"
);
ulid_id!(
    /// Id of a received authorization code.
    OauthCodeId, "cod_"
);
ulid_id!(
    /// Id of a transcription: the processing of one call.
    TranscriptionId, "tr_"
);
ulid_id!(
    /// Id of a raw hook delivery from amoCRM.
    HookId, "hok_"
);

ulid_id!(
    /// Id of a lifecycle event, sent to the vendor's backend.
    EventId, "evt_"
);

ulid_id!(
    /// Id of a wallet: the Flycoins of an install.
    WalletId, "wal_"
);
ulid_id!(
    /// Id of a lot: Flycoins of one origin.
    LotId, "lot_"
);
ulid_id!(
    /// Id of a hold: Flycoins reserved for work in progress.
    HoldId, "hld_"
);
ulid_id!(
    /// Id of a ledger transaction.
    TransactionId, "ltx_"
);
ulid_id!(
    /// Id of a package version.
    PackageId, "pkg_"
);
ulid_id!(
    /// Id of a purchase.
    PurchaseId, "pur_"
);
ulid_id!(
    /// Id of a stored notification of the bank.
    NotificationId, "ntf_"
);
ulid_id!(
    /// Id of a discrepancy between the bank's data and ours.
    DiscrepancyId, "dsc_"
);

ulid_id!(
    /// Id of a vendor: the seller of widgets.
    VendorId, "vnd_"
);
ulid_id!(
    /// Id of a version of a subscription plan.
    PlanId, "pln_"
);
ulid_id!(
    /// Id of a subscription: the paid access of an install.
    SubscriptionId, "sub_"
);
ulid_id!(
    /// Id of a quote: the price of a change of a subscription.
    QuoteId, "quo_"
);
ulid_id!(
    /// Id of an invoice of a subscription.
    InvoiceId, "inv_"
);
ulid_id!(
    /// Id of one attempt to pay an invoice; also the bank's order number.
    InvoicePaymentId, "ipm_"
);
ulid_id!(
    /// Id of a saved bank card.
    CardId, "crd_"
);
ulid_id!(
    /// Id of a payer's consent to recurring charges.
    ConsentId, "cns_"
);
ulid_id!(
    /// Id of a closing or refund receipt.
    ReceiptId, "rcp_"
);
ulid_id!(
    /// Id of an update that a messenger delivered.
    BotUpdateId, "upd_"
);
ulid_id!(
    /// Id of a message of a bot.
    BotMessageId, "bms_"
);
ulid_id!(
    /// Id of a link that activates FlySense through a messenger.
    LinkId, "lnk_"
);
ulid_id!(
    /// Id of a binding: a person in a messenger and an account.
    BindingId, "bnd_"
);
ulid_id!(
    /// Id of a notice by e-mail.
    MailNoticeId, "mln_"
);
ulid_id!(
    /// Id of an operator of the admin panel.
    OperatorId, "opr_"
);
ulid_id!(
    /// Id of an operator's session.
    OperatorSessionId, "ops_"
);
ulid_id!(
    /// Id of an operator's passkey.
    PasskeyId, "psk_"
);
ulid_id!(
    /// Id of a vendor's user of the portal.
    VendorUserId, "vus_"
);
ulid_id!(
    /// Id of a session of a vendor's user.
    VendorSessionId, "vse_"
);
ulid_id!(
    /// Id of an invitation to the portal.
    InvitationId, "viv_"
);
ulid_id!(
    /// Id of a row of the audit log.
    AuditId, "aud_"
);
ulid_id!(
    /// Id of an act that waits for a second operator.
    PendingActId, "pnd_"
);
ulid_id!(
    /// Id of a saved view of a list.
    ViewId, "viw_"
);
ulid_id!(
    /// Id of an export of a list.
    ExportId, "exp_"
);
ulid_id!(
    /// Id of a bulk act.
    BulkActId, "blk_"
);
ulid_id!(
    /// Id of the result of a bulk act for one row.
    BulkResultId, "blr_"
);
ulid_id!(
    /// Id of a price campaign.
    PriceCampaignId, "pcm_"
);
ulid_id!(
    /// Id of an invoice that a firm pays by bank transfer.
    TransferInvoiceId, "tin_"
);
ulid_id!(
    /// Id of an operation of a bank statement.
    BankOperationId, "bop_"
);
ulid_id!(
    /// Id of an operator's view of an install in the name of its account.
    ActAsId, "aas_"
);
ulid_id!(
    /// Id of an erasure of an account's personal data.
    ErasureId, "ers_"
);

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.parse()
                    .map(Self)
                    .map_err(|_| InvalidId { wanted: "a number", text: text.chars().take(40).collect() })
            }
        }

        impl From<u64> for $name {
            fn from(number: u64) -> Self {
                Self(number)
            }
        }
    };
}

number_id!(
    /// Id of an amoCRM account: the stable key of a customer, whose subdomain may change.
    AccountId
);
number_id!(
    /// Id of a user of amoCRM.
    UserId
);
number_id!(
    /// Id of a note in amoCRM; calls are notes.
    NoteId
);
number_id!(
    /// Id of a lead, contact, company or customer in amoCRM.
    EntityId
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;

    #[test]
    fn an_id_survives_its_text_and_refuses_that_of_another_kind() {
        let id = InstallId::generate(&SystemClock);
        assert_eq!(id.to_string().parse::<InstallId>(), Ok(id));
        assert!(id.to_string().parse::<JobId>().is_err());
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{id}\""));
        assert_eq!(id.to_string(), format!("ins_{}", id.0));
        assert_eq!(TranscriptionId(Ulid::from_parts(7, 9)).to_string(), "tr_00000000070000000000000009");
    }

    #[test]
    fn the_time_of_an_id_is_that_of_its_creation_in_whole_milliseconds() {
        let time = DateTime::from_timestamp_millis(1_796_000_000_123).expect("a time");
        let id = JobId::generate(&crate::ManualClock::at(time + chrono::TimeDelta::microseconds(456)));
        assert_eq!((id.time(), JobId::first_at(id.time()).time()), (time, time));
        assert!(JobId::first_at(time) <= id);
    }

    #[test]
    fn ids_of_one_clock_sort_by_its_time() {
        let clock = crate::ManualClock::at(chrono::DateTime::UNIX_EPOCH);
        let first = JobId::generate(&clock);
        clock.advance(chrono::Duration::milliseconds(1));
        assert!(first < JobId::generate(&clock));
    }
}
