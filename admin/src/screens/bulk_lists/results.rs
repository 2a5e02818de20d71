//! The results of a bulk act, one for each row.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::BulkResultId;
use flysk_store::admin::bulk_acts::{self, BulkOutcome, BulkResult, ResultFilter};
use flysk_store::{Conn, StoreResult};

use crate::http::{Fault, Pairs};
use crate::lists::{Keyset, List};
use crate::view::{Cell, Field, Labeled as _, Row, Table};

const HEAD: &[&str] = &["Когда", "Строка", "Итог", "Что сделано"];

/// The list of results.
pub(crate) struct Results;

impl List for Results {
    type Filter = ResultFilter;
    type Record = BulkResult;

    const TITLE: &'static str = "Итоги массового действия";
    const PATH: &'static str = "/bulk-results";
    const HEAD: &'static [&'static str] = HEAD;
    const EMPTY: &'static str = "Таких строк нет.";

    fn filter(query: &Pairs) -> Result<ResultFilter, Fault> {
        let act = query.parsed("act", "Массовое действие")?;
        Ok(ResultFilter {
            bulk_act_id: act
                .ok_or_else(|| Fault::refused("Откройте итоги со страницы массового действия."))?,
            outcome: query.parsed("outcome", "Итог")?,
        })
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        let outcomes = [BulkOutcome::Done, BulkOutcome::Refused];
        vec![
            Field::text("act", "Массовое действие").value(value("act")).required(),
            Field::filter("outcome", "Итог", outcomes.map(|outcome| (outcome.as_str(), outcome.label())))
                .value(value("outcome")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        BulkResultId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &ResultFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        bulk_acts::result_ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<BulkResult>> {
        bulk_acts::result_rows(conn, ids).await
    }

    fn row(result: &BulkResult) -> Row {
        let subject = &result.subject_id;
        let section = if subject.starts_with("evt_") { "events" } else { "jobs" };
        let href = format!("/{section}/{subject}");
        Row::linked(
            href.clone(),
            vec![
                Cell::time(result.happened_at),
                Cell::link(href, subject),
                result.outcome.cell(),
                Cell::text(result.detail.clone()),
            ],
        )
    }
}

/// A table of results.
pub(crate) fn results_table(results: &[BulkResult]) -> Table {
    Table::new(HEAD, results.iter().map(Results::row).collect())
}
