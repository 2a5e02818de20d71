//! List of subscriptions.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, SubscriptionId, WidgetId};
use flysk_domain::platform::subscriptions::SubscriptionState;
use sqlx::{MySql, QueryBuilder};

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::admin::sorting::{SortColumn, SortedPage, push_sorted_page, push_sorted_selection};
use crate::listed::push_in;
use crate::{Conn, StoreResult};

/// Filter of subscriptions; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct SubscriptionFilter {
    /// Keeps rows in this state.
    pub state: Option<SubscriptionState>,
    /// Keeps rows of this widget.
    pub widget_id: Option<WidgetId>,
    /// Keeps rows of this account.
    pub account_id: Option<AccountId>,
    /// Whether a person must decide.
    pub needs_person: bool,
}

impl SubscriptionFilter {
    /// Whether an index has the rows of the filter in the order of a column, so that a page reads no others; the
    /// subscriptions of an account, one per widget, are few enough to be sorted.
    pub const fn can_sort_by(&self, column: SortColumn) -> bool {
        let Self { state, widget_id, account_id, needs_person } = self;
        match column {
            SortColumn::Until if account_id.is_some() => true,
            SortColumn::Until => !*needs_person && (state.is_none() || widget_id.is_none()),
            SortColumn::NextStep => {
                !*needs_person && state.is_none() && widget_id.is_none() && account_id.is_none()
            }
            _ => false,
        }
    }
}

/// Columns of a subscription that the panel's list shows.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SubscriptionListRow {
    /// `sub_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: SubscriptionId,
    state: String,
    /// Unique word by which commands name the widget.
    pub widget_code: String,
    /// amoCRM's number of the account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// As amoCRM spells it; `None` while the account has no row.
    pub account_name: Option<String>,
    /// In Russian; `None` before a plan is bought.
    pub plan_title: Option<String>,
    /// Number of seats.
    pub seats: Option<u32>,
    /// End of the current or last period.
    pub period_until: Option<NaiveDate>,
    /// End of the trial.
    pub trial_until: Option<NaiveDate>,
    /// Whether it ends with its period.
    pub cancels: bool,
    /// Whether a person must decide.
    pub needs_person: bool,
    /// When the next step is due.
    pub next_due_at: Option<DateTime<Utc>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

impl SubscriptionListRow {
    /// State; `None` if the stored text is unknown to this release.
    pub fn state(&self) -> Option<SubscriptionState> {
        self.state.parse().ok()
    }
}

/// Ids of the subscriptions that match, one page of them; their keys if the list is sorted.
pub async fn ids(conn: &mut Conn, filter: &SubscriptionFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    if let Some(column) = keyset.sort {
        return sorted(conn, filter, column, keyset).await;
    }
    let mut query = QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    // Otherwise the servers read all rows of the value by another of its indexes, and sort them.
    match filter {
        SubscriptionFilter { account_id: None, widget_id: Some(_), .. } => {
            query.push(" FROM subscriptions FORCE INDEX (subscriptions_widget)")
        }
        SubscriptionFilter { account_id: None, needs_person: false, state: Some(_), .. } => {
            query.push(" FROM subscriptions FORCE INDEX (subscriptions_state)")
        }
        _ => query.push(" FROM subscriptions"),
    };
    query.push(" WHERE 1 = 1");
    push_subscription_filter(&mut query, filter);
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

async fn sorted(
    conn: &mut Conn,
    filter: &SubscriptionFilter,
    column: SortColumn,
    keyset: &Keyset,
) -> StoreResult<Vec<String>> {
    let mut page = SortedPage::of(column, keyset);
    while let Some(part) = page.next_part() {
        let mut query = QueryBuilder::new("SELECT ");
        push_sorted_selection(&mut query, &part);
        match (column, filter) {
            (SortColumn::NextStep, _) => {
                query.push("next_due_at AS sort_value FROM subscriptions FORCE INDEX (subscriptions_due)")
            }
            (_, SubscriptionFilter { account_id: Some(_), .. }) => {
                query.push("ends_on AS sort_value FROM subscriptions FORCE INDEX (subscriptions_account_id)")
            }
            (_, SubscriptionFilter { widget_id: Some(_), .. }) => {
                query.push("ends_on AS sort_value FROM subscriptions FORCE INDEX (subscriptions_widget_ends)")
            }
            (_, SubscriptionFilter { state: Some(_), .. }) => {
                query.push("ends_on AS sort_value FROM subscriptions FORCE INDEX (subscriptions_state_ends)")
            }
            _ => query.push("ends_on AS sort_value FROM subscriptions FORCE INDEX (subscriptions_ends)"),
        };
        query.push(" WHERE 1 = 1");
        push_subscription_filter(&mut query, filter);
        push_sorted_page(&mut query, &part);
        page.take(query.build_query_scalar().fetch_all(&mut *conn).await?);
    }
    Ok(page.into_keys())
}

fn push_subscription_filter(query: &mut QueryBuilder<MySql>, filter: &SubscriptionFilter) {
    if let Some(state) = filter.state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(id) = filter.widget_id {
        query.push(" AND widget_id = ").push_bind(id.to_string());
    }
    if let Some(id) = filter.account_id {
        query.push(" AND account_id = ").push_bind(id.0);
    }
    if filter.needs_person {
        query.push(" AND needs_person = TRUE");
    }
}

/// The subscriptions with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<SubscriptionListRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(
        "SELECT s.id, s.state, w.code AS widget_code, s.account_id, a.name AS account_name, p.title AS plan_title, s.seats,
                s.period_until, s.trial_until, s.cancels, s.needs_person, s.next_due_at, s.created_at
         FROM subscriptions s STRAIGHT_JOIN widgets w ON w.id = s.widget_id
         LEFT JOIN subscription_plans p ON p.id = s.plan_id
         LEFT JOIN accounts a ON a.platform = s.platform AND a.id = s.account_id WHERE s.id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<SubscriptionListRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
