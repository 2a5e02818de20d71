//! The list of bulk acts.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::admin::{BulkAction, BulkState};
use flysk_domain::id::BulkActId;
use flysk_store::admin::bulk_acts::{self, BulkAct, BulkActFilter};
use flysk_store::{Conn, StoreResult};

use crate::http::{Fault, Pairs};
use crate::lists::{Keyset, List};
use crate::view::{Cell, Field, Labeled as _, Row};

/// States for a filter.
const STATES: [BulkState; 4] = [BulkState::Running, BulkState::Paused, BulkState::Stopped, BulkState::Done];

/// The list of bulk acts.
pub(crate) struct BulkActs;

impl List for BulkActs {
    type Filter = BulkActFilter;
    type Record = BulkAct;

    const TITLE: &'static str = "Массовые действия";
    const PATH: &'static str = "/bulk";
    const HEAD: &'static [&'static str] =
        &["Начато", "Действие", "Состояние", "Строк", "Изменено", "Отказано", "Кто", "Причина"];
    const EMPTY: &'static str = "Таких массовых действий не было.";
    const TEXT: &'static str =
        "Действие начинается над списком заданий или событий: сначала проверка, потом подтверждение.";

    fn filter(query: &Pairs) -> Result<BulkActFilter, Fault> {
        Ok(BulkActFilter {
            state: query.parsed("state", "Состояние")?,
            action: query.parsed("action", "Действие")?,
            operator_id: query.parsed("operator", "Оператор")?,
        })
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        let actions = BulkAction::ALL.iter().map(|action| (action.code(), action.label()));
        vec![
            Field::filter("state", "Состояние", STATES.map(|state| (state.as_str(), state.label())))
                .value(value("state")),
            Field::filter("action", "Действие", actions).value(value("action")),
            Field::text("operator", "Оператор").value(value("operator")).hint("opr_…"),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        BulkActId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &BulkActFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        bulk_acts::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<BulkAct>> {
        bulk_acts::rows(conn, ids).await
    }

    fn row(act: &BulkAct) -> Row {
        let href = format!("/bulk/{}", act.id);
        Row::linked(
            href.clone(),
            vec![
                Cell::time(act.requested_at),
                Cell::link(href, act.action.label()),
                act.state.cell(),
                Cell::number(act.expected),
                Cell::number(act.done_count),
                Cell::number(act.refused_count),
                Cell::text(act.operator_login.clone()),
                Cell::text(act.reason.clone()),
            ],
        )
    }
}
