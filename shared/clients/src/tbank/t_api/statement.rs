//! `GET /api/v1/statement`: operations of an account.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::moscow_day;
use flysk_domain::serde_lenient;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::roubles::read_roubles;

/// Operations per page.
const PAGE_SIZE: &str = "500";

/// Account and period of a statement.
#[derive(Debug, Clone, Copy)]
pub struct StatementPeriod<'a> {
    /// The account, 20 digits.
    pub account: &'a str,
    /// First moment.
    pub from: DateTime<Utc>,
    /// Moment after the last one.
    pub until: DateTime<Utc>,
}

impl StatementPeriod<'_> {
    pub(super) fn write_query(&self, url: &mut Url, cursor: Option<&str>) {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut query = url.query_pairs_mut();
        query
            .append_pair("accountNumber", self.account)
            .append_pair("from", &time(self.from))
            .append_pair("till", &time(self.until))
            .append_pair("limit", PAGE_SIZE);
        if let Some(cursor) = cursor {
            query.append_pair("cursor", cursor);
        }
    }
}

/// Money that was booked as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    /// The bank's id; it may change for operations between 22:00 and 03:00, Moscow.
    pub operation_id: String,
    /// Day of the booking, Moscow.
    pub booked_on: NaiveDate,
    /// Moment of the booking, UTC.
    pub booked_at: DateTime<Utc>,
    /// Received sum, above zero.
    pub amount: Kopecks,
    /// The payer's name; empty if the bank names none.
    pub payer_name: String,
    /// The payer's INN; empty if the bank names none.
    pub payer_inn: String,
    /// The payer's account; empty if the bank names none.
    pub payer_account: String,
    /// Number of the payment order; empty if the bank names none.
    pub document_number: String,
    /// Purpose of the payment.
    pub purpose: String,
}

/// Part of a statement, up to the bank's limit of operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementPage {
    /// Money that was received, in the bank's order.
    pub credits: Vec<Credit>,
    /// Sent to get what follows; `None` on the last page.
    pub next_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    operations: Vec<Operation>,
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "named as the bank names its fields")]
struct Operation {
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    operation_id: Option<String>,
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    operation_status: Option<String>,
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    type_of_operation: Option<String>,
    #[serde(default)]
    account_amount: Option<Box<RawValue>>,
    #[serde(default)]
    operation_amount: Option<Box<RawValue>>,
    #[serde(default)]
    trxn_post_date: Option<DateTime<Utc>>,
    #[serde(default)]
    operation_date: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    document_number: Option<String>,
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    pay_purpose: Option<String>,
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    description: Option<String>,
    #[serde(default)]
    payer: Option<Party>,
    #[serde(default)]
    counter_party: Option<Party>,
}

/// The other side of an operation, whichever name the bank gives it.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Party {
    #[serde(deserialize_with = "serde_lenient::optional_text")]
    name: Option<String>,
    #[serde(deserialize_with = "serde_lenient::optional_text")]
    inn: Option<String>,
    #[serde(alias = "acct", deserialize_with = "serde_lenient::optional_text")]
    account: Option<String>,
}

/// Classification of an operation of a statement.
enum Classified {
    Credit(Credit),
    /// Outgoing, or not booked yet.
    Ignored,
    /// Possibly a credit, but not readable.
    Unreadable,
}

impl Page {
    /// The credits; `None` if an operation cannot be read: money is not passed over in silence.
    pub(super) fn read(self) -> Option<StatementPage> {
        let mut credits = Vec::new();
        for operation in self.operations {
            match operation.classify() {
                Classified::Credit(credit) => credits.push(credit),
                Classified::Ignored => {}
                Classified::Unreadable => return None,
            }
        }
        Some(StatementPage { credits, next_cursor: self.next_cursor })
    }
}

impl Operation {
    fn classify(self) -> Classified {
        if self.operation_status.as_deref().is_some_and(|status| status.eq_ignore_ascii_case("authorization"))
        {
            return Classified::Ignored;
        }
        match self.type_of_operation.as_deref() {
            Some(kind) if kind.eq_ignore_ascii_case("debit") => return Classified::Ignored,
            Some(kind) if kind.eq_ignore_ascii_case("credit") => {}
            _ => return Classified::Unreadable,
        }
        let amount = self.account_amount.or(self.operation_amount).and_then(|raw| read_roubles(&raw));
        let booked_at = self.trxn_post_date.or(self.operation_date);
        let (Some(operation_id), Some(amount), Some(booked_at)) = (self.operation_id, amount, booked_at)
        else {
            return Classified::Unreadable;
        };
        if !amount.is_positive() {
            return Classified::Unreadable;
        }
        let party = self.payer.or(self.counter_party).unwrap_or_default();
        Classified::Credit(Credit {
            operation_id,
            booked_on: moscow_day(booked_at),
            booked_at,
            amount,
            payer_name: party.name.unwrap_or_default(),
            payer_inn: party.inn.unwrap_or_default(),
            payer_account: party.account.unwrap_or_default(),
            document_number: self.document_number.unwrap_or_default(),
            purpose: self.pay_purpose.or(self.description).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<StatementPage> {
        serde_json::from_str::<Page>(text).unwrap().read()
    }

    #[test]
    fn money_that_was_booked_is_read_and_nothing_else() {
        let page = read(
            r#"{"operations":[
                {"operationId":"a","operationStatus":"Transaction","typeOfOperation":"Credit","accountAmount":4990.05,
                 "trxnPostDate":"2026-11-30T21:30:00Z","documentNumber":"12","payPurpose":"Счет 1000017",
                 "payer":{"acct":"40702810100000000002","inn":"7707083893","name":"ООО «Ромашка»"}},
                {"operationId":"b","operationStatus":"Authorization","typeOfOperation":"Credit","accountAmount":1},
                {"operationId":"c","operationStatus":"Transaction","typeOfOperation":"Debit","accountAmount":1}
            ],"nextCursor":"next"}"#,
        )
        .unwrap();
        assert_eq!(page.next_cursor.as_deref(), Some("next"));
        let [credit] = page.credits.as_slice() else { panic!("{page:?}") };
        assert_eq!(credit.amount, Kopecks(499_005));
        assert_eq!(credit.booked_on.to_string(), "2026-12-01", "a day of Moscow");
        assert_eq!(credit.payer_account, "40702810100000000002");
        assert_eq!((credit.payer_inn.as_str(), credit.document_number.as_str()), ("7707083893", "12"));
    }

    #[test]
    fn money_that_cannot_be_read_fails_the_page() {
        for operation in [
            r#"{"operationId":"a","typeOfOperation":"Credit","accountAmount":0.001,"trxnPostDate":"2026-11-30T21:30:00Z"}"#,
            r#"{"operationId":"a","typeOfOperation":"Credit","accountAmount":1}"#,
            r#"{"operationId":"a","accountAmount":1,"trxnPostDate":"2026-11-30T21:30:00Z"}"#,
            r#"{"typeOfOperation":"Credit","accountAmount":1,"trxnPostDate":"2026-11-30T21:30:00Z"}"#,
        ] {
            assert!(read(&format!(r#"{{"operations":[{operation}]}}"#)).is_none(), "{operation}");
        }
        assert!(read(r#"{"operations":[]}"#).unwrap().next_cursor.is_none());
    }
}
