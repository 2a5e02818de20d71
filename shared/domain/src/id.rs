//! Typed ids.
//!
//! Ours are ULIDs (26 characters, sortable by time), each kind a type of its own so that an install
//! can never be passed where a job is meant. amoCRM's are plain numbers. In JSON and SQL an id is
//! its text; public ids carry a prefix (`tr_01J…`) that says what they are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::Clock;

/// The text is not an id of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the id that is wanted here: {wanted}")]
pub struct InvalidId {
    /// What was wanted.
    pub wanted: &'static str,
    /// What was given instead.
    pub text: String,
}

/// A new ULID at the clock's time.
fn fresh(clock: &dyn Clock) -> Ulid {
    let ms = u64::try_from(clock.now().timestamp_millis()).unwrap_or_default();
    Ulid::from_parts(ms, rand::random())
}

macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Ulid);

        impl $name {
            /// What its text begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, stamped with the clock's time.
            pub fn generate(clock: &dyn Clock) -> Self {
                Self(fresh(clock))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0)
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
    /// One row of durable work.
    JobId, "job_"
);
ulid_id!(
    /// One widget of a vendor: an integration of amoCRM with its secret.
    WidgetId, "wgt_"
);
ulid_id!(
    /// One widget in one amoCRM account.
    InstallId, "ins_"
);
ulid_id!(
    /// An authorization code that arrived and waits to be exchanged.
    OauthCodeId, "cod_"
);
ulid_id!(
    /// One call's way from recording to transcript.
    TranscriptionId, "tr_"
);
ulid_id!(
    /// One hook delivery of amoCRM, kept raw.
    HookId, "hok_"
);

ulid_id!(
    /// One lifecycle event, told to the vendor's backend.
    EventId, "evt_"
);

ulid_id!(
    /// The Flycoins of one install.
    WalletId, "wal_"
);
ulid_id!(
    /// Flycoins of one origin.
    LotId, "lot_"
);
ulid_id!(
    /// Flycoins set aside for work in progress.
    HoldId, "hld_"
);
ulid_id!(
    /// One transaction of the ledger.
    TransactionId, "ltx_"
);
ulid_id!(
    /// One version of a package of Flycoins.
    PackageId, "pkg_"
);
ulid_id!(
    /// One purchase of a package.
    PurchaseId, "pur_"
);
ulid_id!(
    /// One notice of the bank, kept as it came.
    NoticeId, "ntc_"
);
ulid_id!(
    /// One disagreement between the bank's books and ours.
    DifferenceId, "dif_"
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
    /// An amoCRM account: the stable key of a customer (its subdomain may change).
    AccountId
);
number_id!(
    /// A user of an amoCRM account.
    UserId
);
number_id!(
    /// A note in amoCRM; calls are notes.
    NoteId
);
number_id!(
    /// A lead, contact, company or customer in amoCRM.
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
    }

    #[test]
    fn ids_of_one_clock_sort_by_its_time() {
        let clock = crate::ManualClock::at(chrono::DateTime::UNIX_EPOCH);
        let first = JobId::generate(&clock);
        clock.advance(chrono::Duration::milliseconds(1));
        assert!(first < JobId::generate(&clock));
    }
}
