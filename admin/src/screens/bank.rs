//! The bank: notifications and discrepancies.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{DiscrepancyId, NotificationId};
use flysk_store::admin::lists::discrepancies::{self, DiscrepancyFilter, DiscrepancyRow};
use flysk_store::admin::lists::notifications::{self, NotificationFilter, NotificationRow};
use flysk_store::platform::purchases::NotificationState;
use flysk_store::{Conn, StoreResult};

use crate::http::{Fault, Pairs};
use crate::lists::{Keyset, List};
use crate::view::{Cell, Field, Labeled, Row, codes, labels};

/// The bank's error code for none.
const NO_ERROR: &str = "0";

/// The list of T-Bank's notifications. Their bodies stay sealed.
pub(crate) struct Notifications;

impl List for Notifications {
    type Filter = NotificationFilter;
    type Record = NotificationRow;

    const TITLE: &'static str = "Уведомления банка";
    const PATH: &'static str = "/notifications";
    const HEAD: &'static [&'static str] =
        &["Получено", "Заказ", "Платёж", "Статус", "Сумма", "Ошибка", "Состояние", "Пояснение"];
    const EMPTY: &'static str = "Таких уведомлений нет.";

    fn filter(query: &Pairs) -> Result<NotificationFilter, Fault> {
        let text = |name: &str| query.ascii(name);
        Ok(NotificationFilter {
            state: query.parsed("state", "Состояние")?,
            order_id: text("order"),
            payment_id: text("payment"),
        })
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        let states = [NotificationState::New, NotificationState::Applied, NotificationState::Ignored];
        vec![
            Field::filter("state", "Состояние", states.map(|state| (state.as_str(), state.label())))
                .value(value("state")),
            Field::text("order", "Заказ").value(value("order")).hint("pur_… или ipm_…"),
            Field::text("payment", "Платёж").value(value("payment")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        NotificationId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &NotificationFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        notifications::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<NotificationRow>> {
        notifications::rows(conn, ids).await
    }

    fn row(notification: &NotificationRow) -> Row {
        let error = Some(notification.error_code.clone()).filter(|code| code != NO_ERROR);
        Row::plain(vec![
            Cell::time(notification.received_at),
            order(&notification.order_id),
            Cell::code(&notification.payment_id),
            Cell::text(notification.status.clone()),
            Cell::roubles(notification.amount()),
            Cell::maybe(error),
            notification.state.cell(),
            Cell::maybe(notification.note.clone()),
        ])
    }
}

/// The purchase or the payment of an order, if it is one of ours.
fn order(id: &str) -> Cell {
    match id.split_once('_') {
        Some(("pur", _)) => Cell::link(format!("/purchases/{id}"), id),
        Some(("ipm", _)) => Cell::link(format!("/payments/{id}"), id),
        _ => Cell::code(id),
    }
}

/// The list of differences between the bank's data and ours.
pub(crate) struct Discrepancies;

impl List for Discrepancies {
    type Filter = DiscrepancyFilter;
    type Record = DiscrepancyRow;

    const TITLE: &'static str = "Расхождения с банком";
    const PATH: &'static str = "/discrepancies";
    const HEAD: &'static [&'static str] = &["Найдено", "День", "Вид", "Заказ", "Платёж", "У нас", "В банке"];
    const EMPTY: &'static str = "Расхождений нет.";

    fn filter(query: &Pairs) -> Result<DiscrepancyFilter, Fault> {
        Ok(DiscrepancyFilter {
            day: query.day("compared", "Сверенный день")?, kind: query.ascii("kind")
        })
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        vec![
            Field::date("compared", "Сверенный день").value(value("compared")),
            Field::filter("kind", "Вид", codes::DISCREPANCIES).value(value("kind")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        DiscrepancyId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &DiscrepancyFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        discrepancies::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<DiscrepancyRow>> {
        discrepancies::rows(conn, ids).await
    }

    fn row(found: &DiscrepancyRow) -> Row {
        let purchase = found.purchase_id.as_deref().map_or_else(|| order(&found.order_id), order);
        Row::plain(vec![
            Cell::time(found.found_at),
            Cell::text(found.day.format("%d.%m.%Y").to_string()),
            Cell::text(labels::label_of(&codes::DISCREPANCIES, &found.kind)),
            purchase,
            Cell::maybe_code(found.payment_id.clone()),
            Cell::text(found.ours.clone()),
            Cell::text(found.banks.clone()),
        ])
    }
}
