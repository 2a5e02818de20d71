//! Identity of the operations of a statement.
//!
//! The bank changes the ids of operations made between 22:00 and 03:00, and may list an operation twice. So an operation is
//! known by what the payer's bank wrote, and equal operations of one day are numbered. Source: T-API, `GET /statement`.

use std::collections::{HashMap, HashSet};
use std::fmt;

use chrono::{DateTime, NaiveDate, TimeDelta, Timelike as _, Utc};
use sha2::{Digest as _, Sha256};

use crate::money::Kopecks;
use crate::platform::subscriptions::{MOSCOW_OFFSET, day_start, moscow_day};

/// Hour of Moscow from which ids do not change any more.
const IDS_FINAL_FROM_HOUR: i64 = 3;
/// Hour of Moscow from which a reading may not end before ids change; one hour before they do.
const IDS_CHANGE_FROM_HOUR: u32 = 21;

/// Fields of a statement that identify an operation.
#[derive(Debug, Clone, Copy)]
pub struct StatementLine<'a> {
    /// Account that was paid to.
    pub account: &'a str,
    /// Day on which the bank booked it, Moscow.
    pub booked_on: NaiveDate,
    /// Credited to the account, above zero.
    pub amount: Kopecks,
    /// The payer's INN, as the bank gives it; may be empty.
    pub payer_inn: &'a str,
    /// The payer's account; may be empty.
    pub payer_account: &'a str,
    /// Number of the payment order.
    pub document_number: &'a str,
    /// Purpose of the payment.
    pub purpose: &'a str,
}

/// Hash of an operation's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a line. Letter case and white space of the purpose do not count.
    pub fn of(line: &StatementLine<'_>) -> Self {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update(text.as_bytes());
            // No field contains it, so that two fields cannot be cut elsewhere.
            hash.update([0]);
        };
        add(line.account);
        add(&line.booked_on.to_string());
        add(&line.amount.0.to_string());
        for word in [line.payer_inn, line.payer_account, line.document_number] {
            add(word.trim());
        }
        for word in line.purpose.split_whitespace() {
            add(&word.to_lowercase());
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Fingerprint {
    /// 64 hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Numbers equal operations within one reading of whole days.
#[derive(Debug, Default)]
pub struct DailyOccurrences {
    listed: HashSet<String>,
    counts: HashMap<Fingerprint, u32>,
}

impl DailyOccurrences {
    /// The number of an operation among equal ones, from 0; `None` if this reading has listed it already.
    pub fn number(&mut self, fingerprint: Fingerprint, bank_id: &str) -> Option<u32> {
        if !self.listed.insert(bank_id.to_owned()) {
            return None;
        }
        let count = self.counts.entry(fingerprint).or_default();
        let number = *count;
        *count += 1;
        Some(number)
    }
}

/// Whether a reading that began at this time is believed about a second equal operation of a day: the ids of the day are
/// final, so that what has another id is another operation.
pub fn believes_repetition(booked_on: NaiveDate, reading_began_at: DateTime<Utc>) -> bool {
    let is_final = booked_on
        .succ_opt()
        .is_some_and(|next| reading_began_at >= day_start(next) + TimeDelta::hours(IDS_FINAL_FROM_HOUR));
    let hour = (reading_began_at + MOSCOW_OFFSET).hour();
    let is_quiet = i64::from(hour) >= IDS_FINAL_FROM_HOUR && hour < IDS_CHANGE_FROM_HOUR;
    is_final && is_quiet && moscow_day(reading_began_at) > booked_on
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: StatementLine<'static> = StatementLine {
        account: "40702810900000000001",
        booked_on: NaiveDate::MIN,
        amount: Kopecks(499_000),
        payer_inn: "7707083893",
        payer_account: "40702810100000000002",
        document_number: "12",
        purpose: "Оплата по счету 1000017",
    };

    #[test]
    fn an_operation_is_known_by_what_the_payers_bank_wrote() {
        let first = Fingerprint::of(&LINE);
        let same = StatementLine {
            purpose: " оплата  ПО счету\n1000017 ", document_number: " 12", ..LINE
        };
        assert_eq!(first, Fingerprint::of(&same));
        assert_eq!(first.to_string().len(), 64);
        let later = NaiveDate::MIN.succ_opt().unwrap();
        for other in [
            StatementLine { account: "40702810900000000003", ..LINE },
            StatementLine { booked_on: later, ..LINE },
            StatementLine { amount: Kopecks(499_001), ..LINE },
            StatementLine { payer_inn: "", ..LINE },
            StatementLine { payer_account: "", ..LINE },
            StatementLine { document_number: "13", ..LINE },
            StatementLine { purpose: "Оплата по счету 1000025", ..LINE },
            // The same characters in other fields.
            StatementLine { payer_inn: "770708389", payer_account: "340702810100000000002", ..LINE },
        ] {
            assert_ne!(first, Fingerprint::of(&other), "{other:?}");
        }
    }

    #[test]
    fn equal_operations_are_numbered_and_one_listed_twice_is_one() {
        let (line, mut reading) = (Fingerprint::of(&LINE), DailyOccurrences::default());
        assert_eq!(reading.number(line, "a"), Some(0));
        assert_eq!(reading.number(line, "a"), None);
        assert_eq!(reading.number(line, "b"), Some(1));
        let other = Fingerprint::of(&StatementLine { document_number: "13", ..LINE });
        assert_eq!(reading.number(other, "c"), Some(0));
    }

    #[test]
    fn a_repetition_is_believed_once_the_ids_of_its_day_are_final() {
        let booked: NaiveDate = "2026-11-30".parse().unwrap();
        for (began, wanted) in [
            // 12:00 of the same day, 02:59 and 03:00 of the next one, 21:00, and 12:00 of the day after.
            ("2026-11-30T09:00:00Z", false),
            ("2026-11-30T23:59:00Z", false),
            ("2026-12-01T00:00:00Z", true),
            ("2026-12-01T18:00:00Z", false),
            ("2026-12-02T09:00:00Z", true),
        ] {
            assert_eq!(believes_repetition(booked, began.parse().unwrap()), wanted, "{began}");
        }
    }
}
