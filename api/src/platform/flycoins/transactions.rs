//! `GET /v1/flycoins/transactions`: the history of an account's wallet.

use chrono::{DateTime, Datelike as _};
use flysk_domain::UnknownText;
use flysk_domain::platform::ledger::TransactionKind;
use flysk_domain::trace::Trace;
use flysk_store::platform::ledger::{self, Cursor, HistoryFilter, TransactionRow};
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::super::tag::Tag;
use super::pricing::{PriceLine, receipt_of};
use super::wallet::wallet_of;
use crate::auth::{WidgetCaller, WidgetUser};
use crate::choice::Choice;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::query::{QueryTime, YEARS};
use crate::time::Time;

/// Default number of transactions on a page.
fn default_limit() -> u32 {
    50
}

/// A transaction of the wallet.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Transaction {
    /// Transaction id.
    id: String,
    /// Time of the transaction.
    time: Time,
    /// Kind.
    kind: Choice<TransactionKind>,
    /// Name of the kind in Russian.
    label: String,
    /// Amount to show to users, in micro-Flycoins: positive if coins were added, negative if they were taken. For `hold` and
    /// `release` the held or released amount, which stays in the wallet.
    amount_micro: i64,
    /// Change of the available balance, in micro-Flycoins.
    available_micro: i64,
    /// Change of the held balance, in micro-Flycoins.
    held_micro: i64,
    /// Text from the vendor's backend.
    reference: Option<String>,
    /// Prices of the charged lines.
    receipt: Vec<PriceLine>,
    /// Hold that the transaction created or ended.
    hold_id: Option<String>,
    /// Charge that the transaction refunded.
    refund_of: Option<String>,
}

impl Example for Transaction {
    fn example() -> Self {
        Self {
            id: "ltx_01KCQJ5V7M3S8W9GZ0B2E4R6TY".to_owned(),
            time: Time::example(),
            kind: TransactionKind::Capture.into(),
            label: "Списание".to_owned(),
            amount_micro: -3_958_333,
            available_micro: 0,
            held_micro: -3_958_333,
            reference: Some("Звонок 12:41, Иванов".to_owned()),
            receipt: vec![PriceLine::example()],
            hold_id: Some("hld_01KCQJ4M2P7R9T1V3X5Z7B9D1F".to_owned()),
            refund_of: None,
        }
    }
}

impl From<&TransactionRow> for Transaction {
    fn from(row: &TransactionRow) -> Self {
        let amount = match row.kind {
            TransactionKind::Hold | TransactionKind::Release => row.available.0,
            // Both are within the wallet's bounds, so the sum does not overflow.
            _ => row.available.0.saturating_add(row.held.0),
        };
        Self {
            id: row.id.to_string(),
            time: row.at.into(),
            kind: row.kind.into(),
            label: row.kind.label().to_owned(),
            amount_micro: amount,
            available_micro: row.available.0,
            held_micro: row.held.0,
            reference: row.reference.clone(),
            receipt: receipt_of(row.details.as_ref()),
            hold_id: row.hold.map(|id| id.to_string()),
            refund_of: row.reverses.map(|id| id.to_string()),
        }
    }
}

/// A page of transactions, newest first.
#[derive(Debug, Object)]
pub(crate) struct TransactionPage {
    /// The transactions.
    items: Vec<Transaction>,
    /// Value of `cursor` for the next page; null on the last page.
    next: Option<String>,
}

answers! {
    /// Responses of `listFlycoinTransactions`.
    Listed {
        /// A page of transactions.
        200 => Ok(Json<TransactionPage>),
    }
    problems (InvalidRequest) {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// The widget is not installed in the account.
        403 => Forbidden [NotInstalled],
        /// The widget does not use Flycoins.
        409 => Conflict [FlycoinsNotUsed],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operation to list transactions.
pub(crate) struct TransactionsApi;

/// The parsed query.
struct TransactionQuery {
    filter: HistoryFilter,
    after: Option<Cursor>,
    limit: u32,
}

#[OpenApi(tag = "Tag::Flycoins")]
impl TransactionsApi {
    /// List the transactions of the account's wallet, newest first.
    #[oai(path = "/v1/flycoins/transactions", method = "get", operation_id = "listFlycoinTransactions")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// Only transactions of these kinds, separated by commas: `charge,capture,refund`.
        kinds: Query<Option<String>>,
        /// Only transactions at or after this time.
        from: Query<Option<QueryTime>>,
        /// Only transactions before this time.
        until: Query<Option<QueryTime>>,
        /// `next` of the previous page.
        cursor: Query<Option<String>>,
        /// Maximum number of transactions.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
    ) -> Listed {
        let query = || {
            let kinds = kinds.0.as_deref().map(read_kinds).transpose()?.unwrap_or_default();
            let after = cursor.0.as_deref().map(read_cursor).transpose()?;
            let limit = limit.0;
            Ok(TransactionQuery {
                filter: HistoryFilter {
                    kinds,
                    from: from.0.map(|time| time.0),
                    until: until.0.map(|time| time.0),
                },
                after,
                limit,
            })
        };
        let listed = match query() {
            Ok(query) => list(&deps, &trace, &caller.0, &query).await,
            Err(problem) => Err(problem),
        };
        match listed {
            Ok(page) => Listed::Ok(Json(page)),
            Err(problem) => problem.into(),
        }
    }
}

async fn list(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    query: &TransactionQuery,
) -> Result<TransactionPage, Problem> {
    let wallet = wallet_of(deps, trace, user).await?;
    let mut conn = deps.conn().await?;
    let TransactionQuery { filter, after, limit } = query;
    // One row more than requested shows whether there is a next page.
    let mut rows = ledger::list_transactions(
        &mut conn,
        ledger::HistoryOf::Wallet(wallet.id),
        filter,
        *after,
        limit.saturating_add(1),
    )
    .await?;
    let more = rows.len() > *limit as usize;
    rows.truncate(*limit as usize);
    let next = rows.last().filter(|_| more).map(next_cursor);
    Ok(TransactionPage { items: rows.iter().map(Transaction::from).collect(), next })
}

pub(super) fn read_kinds(text: &str) -> Result<Vec<TransactionKind>, Problem> {
    let kind = |code: &str| {
        code.trim().parse().map_err(|UnknownText { known, .. }| {
            invalid(format!("`{code:.20}` is not a kind of transaction; the kinds are {known}"))
        })
    };
    text.split(',').map(kind).collect()
}

/// The cursor after a transaction: its time and id.
pub(super) fn next_cursor(last: &TransactionRow) -> String {
    format!("{}.{}", last.at.timestamp_micros(), last.id)
}

/// Parses a cursor: time and id of the last transaction of the previous page.
pub(super) fn read_cursor(text: &str) -> Result<Cursor, Problem> {
    let read = || {
        let (micros, id) = text.split_once('.')?;
        let at = DateTime::from_timestamp_micros(micros.parse().ok()?);
        let at = at.filter(|at| YEARS.contains(&at.year()))?;
        Some(Cursor { at, id: id.parse().ok()? })
    };
    read().ok_or_else(|| invalid("`cursor` must be the `next` of a page".to_owned()))
}

fn invalid(detail: String) -> Problem {
    Problem::new(ProblemCode::InvalidRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_and_nothing_else_passes() {
        let cursor = read_cursor("1795900000000001.ltx_01ARZ3NDEKTSV4RRFFQ69G5FAV").unwrap();
        assert_eq!(cursor.at.timestamp_micros(), 1_795_900_000_000_001);
        for text in [
            "",
            ".",
            "1795900000000001",
            "x.ltx_01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "1.hld_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        ] {
            assert!(read_cursor(text).is_err(), "{text}");
        }
        // Beyond chrono's times, and beyond those of the database.
        for micros in [i64::MAX, 8_000_000_000_000_000_000, -100_000_000_000_000_000] {
            let far = format!("{micros}.ltx_01ARZ3NDEKTSV4RRFFQ69G5FAV");
            assert!(read_cursor(&far).is_err(), "{far}");
        }
    }

    #[test]
    fn kinds_are_told_by_their_codes() {
        assert_eq!(read_kinds("charge, refund").unwrap(), [TransactionKind::Charge, TransactionKind::Refund]);
        assert!(read_kinds("charge,").is_err() && read_kinds("списание").is_err());
    }
}
