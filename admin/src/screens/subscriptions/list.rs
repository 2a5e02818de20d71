//! The list of subscriptions.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::SubscriptionId;
use flysk_domain::platform::subscriptions::SubscriptionState;
use flysk_store::admin::lists::subscriptions::{self, SubscriptionFilter, SubscriptionListRow};
use flysk_store::admin::sorting::SortColumn;
use flysk_store::{Conn, StoreResult};

use crate::http::{Fault, Pairs};
use crate::lists::sorting::Sort;
use crate::lists::{Keyset, List};
use crate::view::{Cell, Field, Labeled, Row};

/// States for a filter.
const STATES: [SubscriptionState; 7] = [
    SubscriptionState::Active,
    SubscriptionState::Trialing,
    SubscriptionState::Renewing,
    SubscriptionState::PastDue,
    SubscriptionState::TrialEnded,
    SubscriptionState::Expired,
    SubscriptionState::Cancelled,
];

/// The list of subscriptions.
pub(crate) struct Subscriptions;

impl List for Subscriptions {
    type Filter = SubscriptionFilter;
    type Record = SubscriptionListRow;

    const TITLE: &'static str = "Подписки";
    const PATH: &'static str = "/subscriptions";
    const HEAD: &'static [&'static str] = &[
        "Создана",
        "Подписка",
        "Аккаунт",
        "Виджет",
        "Тариф",
        "Мест",
        "Состояние",
        "Период до",
        "Следующий шаг",
    ];
    const EMPTY: &'static str = "Таких подписок нет.";
    const SORTS: &'static [Sort] =
        &[Sort::smallest_first(SortColumn::Until, 7), Sort::smallest_first(SortColumn::NextStep, 8)];

    fn filter(query: &Pairs) -> Result<SubscriptionFilter, Fault> {
        Ok(SubscriptionFilter {
            state: query.parsed("state", "Состояние")?,
            widget_id: query.parsed("widget", "Виджет")?,
            account_id: query.parsed("account", "Аккаунт")?,
            needs_person: query.is_set("review"),
        })
    }

    fn can_sort_by(filter: &SubscriptionFilter, column: SortColumn) -> bool {
        filter.can_sort_by(column)
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        vec![
            Field::filter("state", "Состояние", STATES.map(|state| (state.as_str(), state.label())))
                .value(value("state")),
            Field::text("account", "Аккаунт").value(value("account")),
            Field::text("widget", "Виджет").value(value("widget")).hint("wgt_…"),
            Field::check("review", "Ждут решения").value(value("review")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        SubscriptionId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &SubscriptionFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        subscriptions::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<SubscriptionListRow>> {
        subscriptions::rows(conn, ids).await
    }

    fn row(row: &SubscriptionListRow) -> Row {
        let href = format!("/subscriptions/{}", row.id);
        let account = row.account_name.clone().filter(|name| !name.is_empty());
        Row::linked(
            href.clone(),
            vec![
                Cell::time(row.created_at),
                Cell::link(href, row.id),
                Cell::link(
                    format!("/accounts/{}", row.account_id),
                    account.unwrap_or_else(|| row.account_id.to_string()),
                ),
                Cell::text(row.widget_code.clone()),
                Cell::maybe(row.plan_title.clone()),
                row.seats.map_or(Cell::Empty, Cell::number),
                row.state().map_or(Cell::Empty, Labeled::cell),
                day(row.period_until.or(row.trial_until)),
                Cell::time(row.next_due_at),
            ],
        )
    }
}

/// A day, `30.11.2026`.
pub(crate) fn day(day: Option<NaiveDate>) -> Cell {
    Cell::maybe(day.map(|day| day.format("%d.%m.%Y").to_string()))
}
