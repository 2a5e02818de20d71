//! `GET /v1/backend/flycoins/transactions`: the transactions of all wallets of a widget.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::{AccountId, WalletId};
use flysk_store::platform::installs;
use flysk_store::platform::ledger::{self, Cursor, HistoryFilter, HistoryOf, TransactionRow, WalletOwner};
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::super::tag::Tag;
use super::transactions::{Transaction, next_cursor, read_cursor, read_kinds};
use crate::auth::BackendCaller;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::query::QueryTime;

/// Maximum length of the period of one request.
const MAX_PERIOD: TimeDelta = TimeDelta::days(92);
/// Length of the period by default.
const DEFAULT_PERIOD: TimeDelta = TimeDelta::days(31);

/// Default number of transactions on a page.
fn default_limit() -> u32 {
    50
}

/// A transaction of one of the widget's wallets.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct WidgetTransaction {
    /// Account id in amoCRM.
    account_id: u64,
    /// Install id.
    install_id: String,
    /// The transaction.
    #[oai(flatten)]
    transaction: Transaction,
}

impl Example for WidgetTransaction {
    fn example() -> Self {
        Self {
            account_id: 31_234_567,
            install_id: "ins_01KCQJ1A3C5E7G9J1L3N5Q7S9V".to_owned(),
            transaction: Transaction::example(),
        }
    }
}

/// A page of the widget's transactions, newest first.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct WidgetTransactionPage {
    /// The transactions.
    items: Vec<WidgetTransaction>,
    /// Value of `cursor` for the next page; null on the last page.
    next: Option<String>,
}

impl Example for WidgetTransactionPage {
    fn example() -> Self {
        Self { items: vec![WidgetTransaction::example()], next: None }
    }
}

answers! {
    /// Responses of `listWidgetTransactions`.
    Listed {
        /// A page of transactions.
        200 => Ok(Json<WidgetTransactionPage>),
    }
    problems (InvalidRequest) {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// The account has never installed the widget.
        404 => NotFound [InstallNotFound],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operation to list a widget's transactions, for backends.
pub(crate) struct WidgetTransactionsApi;

#[OpenApi(tag = "Tag::Backend")]
impl WidgetTransactionsApi {
    /// List the transactions of all wallets of the widget, newest first.
    #[oai(
        path = "/v1/backend/flycoins/transactions",
        method = "get",
        operation_id = "listWidgetTransactions"
    )]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// Only transactions of this account.
        account_id: Query<Option<u64>>,
        /// Only transactions of these kinds, separated by commas: `charge,capture,refund`.
        kinds: Query<Option<String>>,
        /// Only transactions at or after this time; by default 31 days before `until`.
        from: Query<Option<QueryTime>>,
        /// Only transactions before this time; by default now. A request may cover at most 92 days.
        until: Query<Option<QueryTime>>,
        /// `next` of the previous page.
        cursor: Query<Option<String>>,
        /// Maximum number of transactions.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
    ) -> Listed {
        let listed = async {
            let kinds = kinds.0.as_deref().map(read_kinds).transpose()?.unwrap_or_default();
            let period = period(from.0, until.0, deps.clock().now())?;
            let after = cursor.0.as_deref().map(read_cursor).transpose()?;
            let filter = HistoryFilter { kinds, from: Some(period.0), until: Some(period.1) };
            list(&deps, &caller.0, account_id.0, &filter, after, limit.0).await
        };
        match listed.await {
            Ok(page) => Listed::Ok(Json(page)),
            Err(problem) => problem.into(),
        }
    }
}

/// The period of a request. The end is one millisecond in the future by default, so that it includes now.
fn period(
    from: Option<QueryTime>,
    until: Option<QueryTime>,
    now: DateTime<Utc>,
) -> Result<(DateTime<Utc>, DateTime<Utc>), Problem> {
    let until = until.map_or(now + TimeDelta::milliseconds(1), |time| time.0);
    let from = from.map_or(until - DEFAULT_PERIOD, |time| time.0);
    if from < until && until - from <= MAX_PERIOD {
        return Ok((from, until));
    }
    let why = "`from` must be before `until`, and a request may cover at most 92 days";
    Err(Problem::new(ProblemCode::InvalidRequest, why))
}

async fn list(
    deps: &Deps,
    widget: &Widget,
    account: Option<u64>,
    filter: &HistoryFilter,
    after: Option<Cursor>,
    limit: u32,
) -> Result<WidgetTransactionPage, Problem> {
    let mut conn = deps.conn().await?;
    // One row more than requested shows whether there is a next page.
    let wanted = limit.saturating_add(1);
    let owner = match account {
        None => Some(HistoryOf::Widget(widget.id)),
        Some(account) => wallet_in(&mut conn, widget, account).await?.map(HistoryOf::Wallet),
    };
    let mut rows = match owner {
        Some(owner) => ledger::list_transactions(&mut conn, owner, filter, after, wanted).await?,
        None => Vec::new(),
    };
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let mut wallets: Vec<WalletId> = rows.iter().map(|row| row.wallet_id).collect();
    wallets.sort_unstable();
    wallets.dedup();
    let owners = ledger::list_owners(&mut conn, &wallets).await?;
    let owners: HashMap<WalletId, WalletOwner> =
        owners.into_iter().map(|owner| (owner.wallet_id, owner)).collect();
    let next = rows.last().filter(|_| has_more).map(next_cursor);
    Ok(WidgetTransactionPage {
        items: rows.iter().filter_map(|row| with_owner(row, &owners)).collect(),
        next,
    })
}

/// The wallet of an account; `None` if its install has none yet.
async fn wallet_in(
    conn: &mut flysk_store::Conn,
    widget: &Widget,
    account: u64,
) -> Result<Option<WalletId>, Problem> {
    let install = installs::find_in_account(conn, widget.id, AccountId(account)).await?;
    let why = "the account has never installed the widget";
    let install = install.ok_or_else(|| Problem::new(ProblemCode::InstallNotFound, why))?;
    let wallet = ledger::find_wallet_of_install(conn, install.id).await?;
    Ok(wallet.map(|wallet| wallet.id))
}

fn with_owner(row: &TransactionRow, owners: &HashMap<WalletId, WalletOwner>) -> Option<WidgetTransaction> {
    let owner = owners.get(&row.wallet_id)?;
    Some(WidgetTransaction {
        account_id: owner.account_id.0,
        install_id: owner.install_id.to_string(),
        transaction: row.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_the_last_month_by_default_and_at_most_92_days() {
        let now = DateTime::from_timestamp(1_796_040_000, 0).unwrap();
        let ago = |days| Some(QueryTime(now - TimeDelta::days(days)));
        let (from, until) = period(None, None, now).unwrap();
        assert!(until > now && until - from == DEFAULT_PERIOD);
        assert!(period(ago(92), Some(QueryTime(now)), now).is_ok());
        assert!(period(ago(93), Some(QueryTime(now)), now).is_err());
        assert!(period(ago(1), ago(1), now).is_err());
    }
}
