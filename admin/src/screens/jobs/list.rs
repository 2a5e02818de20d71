//! The list of jobs.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::admin::BulkAction;
use flysk_domain::id::JobId;
use flysk_jobs::catalogue;
use flysk_jobs::queues;
use flysk_store::admin::lists::jobs::{self, JobFilter, JobListRow};
use flysk_store::jobs::JobState;
use flysk_store::{Conn, StoreResult};

use crate::http::{Fault, Pairs};
use crate::lists::{Keyset, List};
use crate::view::{Cell, Field, Labeled, Row};

/// The list of jobs.
pub(crate) struct Jobs;

/// States for a filter.
pub(super) const STATES: [JobState; 5] =
    [JobState::Queued, JobState::Running, JobState::Dead, JobState::Done, JobState::Cancelled];

impl List for Jobs {
    type Filter = JobFilter;
    type Record = JobListRow;

    const TITLE: &'static str = "Задания";
    const PATH: &'static str = "/jobs";
    const HEAD: &'static [&'static str] =
        &["Создано", "Вид", "Состояние", "Попытки", "Аккаунт", "Начать не раньше", "Последняя ошибка"];
    const EMPTY: &'static str = "Таких заданий нет. Завершённые хранятся 7 дней, остановленные 90.";

    const BULK: &'static [BulkAction] = &[BulkAction::JobReplay, BulkAction::JobCancel];

    fn filter(query: &Pairs) -> Result<JobFilter, Fault> {
        let text = |name: &str| query.ascii(name);
        Ok(JobFilter {
            state: query.parsed("state", "Состояние")?,
            queue: text("queue"),
            kind: text("kind"),
            tenant: text("account"),
            correlation: text("correlation"),
        })
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        vec![
            Field::filter("state", "Состояние", STATES.map(|state| (state.as_str(), state.label())))
                .value(value("state")),
            Field::filter("queue", "Очередь", queues::ALL.map(|queue| (queue.as_str(), queue.as_str())))
                .value(value("queue")),
            Field::filter(
                "kind",
                "Вид",
                catalogue::kinds().filter(|info| info.policy.is_some()).map(|info| (info.kind, info.kind)),
            )
            .value(value("kind")),
            Field::text("account", "Аккаунт").value(value("account")),
            Field::text("correlation", "Запрос").value(value("correlation")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        JobId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &JobFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        jobs::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<JobListRow>> {
        jobs::rows(conn, ids).await
    }

    fn id(job: &JobListRow) -> Option<String> {
        Some(job.id.to_string())
    }

    fn row(job: &JobListRow) -> Row {
        let href = format!("/jobs/{}", job.id);
        Row::linked(
            href.clone(),
            vec![
                Cell::time(job.created_at),
                Cell::link(href, &job.kind),
                job.state.cell(),
                Cell::text(format!("{} из {}", job.attempt, job.max_attempts)),
                account_of(job.tenant.as_deref()),
                Cell::time(job.run_at),
                Cell::maybe(job.last_error.clone()),
            ],
        )
    }
}

/// The tenant of a job, which is an account if it is a number.
pub(super) fn account_of(tenant: Option<&str>) -> Cell {
    match tenant {
        Some(tenant) if tenant.bytes().all(|b| b.is_ascii_digit()) => {
            Cell::link(format!("/accounts/{tenant}"), tenant)
        }
        other => Cell::maybe(other),
    }
}
