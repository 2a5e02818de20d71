//! `GET /v1/flycoins/transactions`: what happened to an account's coins.

use chrono::{DateTime, Utc};
use flysk_domain::platform::ledger::TransactionKind;
use flysk_domain::trace::Trace;
use flysk_store::ledger::{self, Cursor, HistoryFilter, TransactionRow};
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::super::tag::Tag;
use super::pricing::{QuoteView, receipt_of};
use super::wallet::wallet_of;
use crate::auth::{WidgetCaller, WidgetUser};
use crate::deps::{Deps, on};
use crate::problem::{Problem, ProblemCode, answers};
use crate::query::QueryTime;

const MOST: u32 = 100;
const USUAL: u32 = 50;

/// Something that happened to the coins.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct TransactionView {
    /// Its id.
    id: String,
    /// When.
    time: DateTime<Utc>,
    /// `credit`, `charge`, `hold`, `capture`, `release`, `refund`, `withdraw` or `expire`.
    kind: String,
    /// The same for people, in Russian.
    label: String,
    /// What people see: what came (positive) or went (negative); for `hold` and `release` what was set aside or
    /// given back, though it stays the account's.
    amount_micro: i64,
    /// What it did to what can be spent.
    available_micro: i64,
    /// What it did to what is set aside.
    held_micro: i64,
    /// What for, in words.
    reference: Option<String>,
    /// What for, as it was charged.
    receipt: Vec<QuoteView>,
    /// The hold it placed or ended.
    hold_id: Option<String>,
    /// The charge it gave back.
    refund_of: Option<String>,
}

impl Example for TransactionView {
    fn example() -> Self {
        Self {
            id: "ltx_01KCQJ5V7M3S8W9GZ0B2E4R6TY".to_owned(),
            time: DateTime::from_timestamp(1_795_900_000, 0).unwrap_or_default(),
            kind: "capture".to_owned(),
            label: "Списание".to_owned(),
            amount_micro: -3_958_333,
            available_micro: 0,
            held_micro: -3_958_333,
            reference: Some("Звонок 12:41, Иванов".to_owned()),
            receipt: vec![QuoteView::example()],
            hold_id: Some("hld_01KCQJ4M2P7R9T1V3X5Z7B9D1F".to_owned()),
            refund_of: None,
        }
    }
}

impl From<&TransactionRow> for TransactionView {
    fn from(row: &TransactionRow) -> Self {
        let amount = match row.kind {
            TransactionKind::Hold | TransactionKind::Release => row.available.0,
            // Each is within the wallet's bounds, so the sum fits.
            _ => row.available.0.saturating_add(row.held.0),
        };
        Self {
            id: row.id.to_string(),
            time: row.at,
            kind: row.kind.code().to_owned(),
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

/// A page, the youngest first.
#[derive(Debug, Object)]
pub(crate) struct TransactionPage {
    /// The transactions.
    items: Vec<TransactionView>,
    /// Pass it as `after` for the next page; null at the end.
    next: Option<String>,
}

answers! {
    /// Answers of `listTransactions`.
    Listed {
        /// A page of them.
        200 => Ok(Json<TransactionPage>),
    }
    problems (InvalidRequest) {
        /// The request cannot be read.
        400 => BadRequest,
        /// The credential is missing or not accepted.
        401 => Unauthorized,
        /// The widget is not installed in the account.
        403 => Forbidden,
        /// The widget does not use Flycoins.
        409 => Conflict,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

/// Transactions.
pub(crate) struct TransactionsApi;

/// What is asked for.
struct Wanted {
    filter: HistoryFilter,
    after: Option<Cursor>,
    limit: u32,
}

#[OpenApi(tag = "Tag::Flycoins")]
impl TransactionsApi {
    /// What happened to the account's coins, the youngest first.
    #[oai(path = "/v1/flycoins/transactions", method = "get", operation_id = "listTransactions")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// Only these kinds, separated by commas: `charge,capture,refund`.
        kinds: Query<Option<String>>,
        /// Not before.
        from: Query<Option<QueryTime>>,
        /// Before.
        until: Query<Option<QueryTime>>,
        /// `next` of the page before.
        after: Query<Option<String>>,
        /// At most so many, up to 100.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u32>>,
    ) -> Listed {
        let wanted = || {
            let kinds = kinds.0.as_deref().map(read_kinds).transpose()?.unwrap_or_default();
            let after = after.0.as_deref().map(read_cursor).transpose()?;
            let limit = limit.0.unwrap_or(USUAL).min(MOST);
            Ok(Wanted {
                filter: HistoryFilter {
                    kinds,
                    from: from.0.map(|time| time.0),
                    until: until.0.map(|time| time.0),
                },
                after,
                limit,
            })
        };
        let listed = match wanted() {
            Ok(wanted) => list(&deps, &trace, &caller.0, &wanted).await,
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
    wanted: &Wanted,
) -> Result<TransactionPage, Problem> {
    let wallet = wallet_of(deps, trace, user).await?;
    let mut conn = deps.conn().await?;
    let Wanted { filter, after, limit } = wanted;
    // One more than is shown tells whether there is a next page.
    let mut rows =
        ledger::list_transactions(on(&mut conn), wallet.id, filter, *after, limit.saturating_add(1)).await?;
    let more = rows.len() > *limit as usize;
    rows.truncate(*limit as usize);
    let next = rows.last().filter(|_| more).map(|last| format!("{}.{}", last.at.timestamp_micros(), last.id));
    Ok(TransactionPage { items: rows.iter().map(TransactionView::from).collect(), next })
}

fn read_kinds(text: &str) -> Result<Vec<TransactionKind>, Problem> {
    let kind = |code: &str| {
        TransactionKind::from_code(code.trim()).ok_or_else(|| {
            let known = TransactionKind::ALL.map(TransactionKind::code).join(", ");
            invalid(format!("`{code:.20}` is no kind of transaction; there are {known}"))
        })
    };
    text.split(',').map(kind).collect()
}

/// Time and id of the last transaction seen.
fn read_cursor(text: &str) -> Result<Cursor, Problem> {
    let read = || {
        let (micros, id) = text.split_once('.')?;
        let at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
        Some(Cursor { at, id: id.parse().ok()? })
    };
    read().ok_or_else(|| invalid("`after` is the `next` of a page".to_owned()))
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
        let far = format!("{}.ltx_01ARZ3NDEKTSV4RRFFQ69G5FAV", i64::MAX);
        assert!(read_cursor(&far).is_err());
    }

    #[test]
    fn kinds_are_told_by_their_codes() {
        assert_eq!(read_kinds("charge, refund").unwrap(), [TransactionKind::Charge, TransactionKind::Refund]);
        assert!(read_kinds("charge,").is_err() && read_kinds("списание").is_err());
    }
}
