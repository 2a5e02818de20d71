//! The list of purchases.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::PurchaseId;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_store::admin::lists::purchases::{self, PurchaseFilter, PurchaseRow};
use flysk_store::admin::sorting::SortColumn;
use flysk_store::{Conn, StoreResult};

use crate::http::{Fault, Pairs};
use crate::lists::sorting::Sort;
use crate::lists::{Keyset, List};
use crate::view::{Cell, Field, Labeled, Row};

/// States for a filter.
const STATES: [PurchaseState; 6] = [
    PurchaseState::Paid,
    PurchaseState::Review,
    PurchaseState::Awaiting,
    PurchaseState::Failed,
    PurchaseState::Opening,
    PurchaseState::Created,
];

/// The list of purchases.
pub(crate) struct Purchases;

impl List for Purchases {
    type Filter = PurchaseFilter;
    type Record = PurchaseRow;

    const TITLE: &'static str = "Покупки";
    const PATH: &'static str = "/purchases";
    const HEAD: &'static [&'static str] =
        &["Создана", "Покупка", "Аккаунт", "Пакет", "Цена", "Возвращено", "Flycoins", "Платёж", "Состояние"];
    const EMPTY: &'static str = "Таких покупок нет.";
    const SORTS: &'static [Sort] = &[Sort::largest_first(SortColumn::Amount, 4)];

    fn filter(query: &Pairs) -> Result<PurchaseFilter, Fault> {
        Ok(PurchaseFilter {
            state: query.parsed("state", "Состояние")?,
            wallet_id: query.parsed("wallet", "Кошелёк")?,
            payment_id: query.ascii("payment"),
            is_disputed: query.is_set("disputed"),
        })
    }

    fn can_sort_by(filter: &PurchaseFilter, column: SortColumn) -> bool {
        filter.can_sort_by(column)
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        vec![
            Field::filter("state", "Состояние", STATES.map(|state| (state.as_str(), state.label())))
                .value(value("state")),
            Field::text("payment", "Платёж").value(value("payment")),
            Field::text("wallet", "Кошелёк").value(value("wallet")).hint("wal_…"),
            Field::check("disputed", "Только с расхождением").value(value("disputed")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        PurchaseId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &PurchaseFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        purchases::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<PurchaseRow>> {
        purchases::rows(conn, ids).await
    }

    fn row(purchase: &PurchaseRow) -> Row {
        let href = format!("/purchases/{}", purchase.id);
        let account = purchase.account_name.clone().filter(|name| !name.is_empty());
        let refunded = purchase.refunded();
        Row::linked(
            href.clone(),
            vec![
                Cell::time(purchase.created_at),
                Cell::link(href, purchase.id),
                Cell::link(
                    format!("/accounts/{}", purchase.account_id),
                    account.unwrap_or_else(|| purchase.account_id.to_string()),
                ),
                Cell::text(purchase.title.clone()),
                Cell::roubles(purchase.price()),
                if refunded.is_zero() { Cell::Empty } else { Cell::roubles(refunded) },
                Cell::coins(purchase.coins()),
                Cell::maybe_code(purchase.payment_id.clone()),
                purchase.state.cell(),
            ],
        )
    }
}
