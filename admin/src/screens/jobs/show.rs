//! The page of one job: state machine, times, payload, and the other jobs of its request.

use std::cmp::Reverse;

use flysk_domain::id::JobId;
use flysk_store::admin::audit::{self, AuditRow};
use flysk_store::jobs::{self, JobRow, JobState};
use flysk_store::{Conn, StoreResult};
use poem::Response;

use super::acts::MINUTES_LABEL;
use super::attempts;
use super::list::account_of;
use crate::http::{Fault, Support, Visit};
use crate::screens::audit::{acts_of_request, acts_section};
use crate::view::{Cell, DetailPage, Field, Form, Labeled, Row, Section, Table};

/// Jobs of the same request that the page shows.
const RELATED_SHOWN: u32 = 100;
/// Acts on the job that the page shows, and acts of its request.
const ACTS_SHOWN: u32 = 20;

/// `GET /jobs/:id`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: JobId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let job = jobs::find(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let related = jobs::list_by_correlation(&mut conn, &job.correlation_id, RELATED_SHOWN).await?;
    let recorded = jobs::list_attempts(&mut conn, id, attempts::ATTEMPTS_SHOWN).await?;
    let done = acts_of(&mut conn, &job).await?;
    let mut page = DetailPage::new(visit.layout(job.kind.clone()));
    page.state = Some(job.state.cell());
    page.machine = machine(&job);
    page.facts = facts(&job);
    page.blocks = vec![("Данные", Cell::json(&job.payload.0.to_string()))];
    page.blocks.extend(job.last_error.clone().map(|error| ("Последняя ошибка", Cell::Block(error))));
    page.acts = acts(&job);
    page.sections = vec![
        Section::new("Попытки", attempts::table(&job, recorded), "Задание ещё не начиналось.").text(
            "Записываются попытки без успеха; последнюю показывает само задание. Ожидания попытками не считаются.",
        ),
        Section::new("Задания того же запроса", related_table(&related), "Других заданий нет.")
            .more(format!("/jobs?correlation={}", job.correlation_id)),
        acts_section(&done)
            .text("Действия с этим заданием и того запроса, который его вызвал.")
            .more(format!("/audit?correlation={}", job.correlation_id)),
    ];
    visit.page(&page)
}

/// Acts on the job, and those of the request that caused it, newest first.
async fn acts_of(conn: &mut Conn, job: &JobRow) -> StoreResult<Vec<AuditRow>> {
    let mut acts = audit::list_of_subject(conn, "job", &job.id.to_string(), ACTS_SHOWN).await?;
    let causes = acts_of_request(conn, &job.correlation_id, ACTS_SHOWN).await?;
    let new: Vec<AuditRow> =
        causes.into_iter().filter(|cause| acts.iter().all(|act| act.id != cause.id)).collect();
    acts.extend(new);
    acts.sort_by_key(|act| Reverse(act.happened_at));
    Ok(acts)
}

/// States in the order of a job's life; the current one is marked. The path ends with the end that the job has had, or with all ends
/// that it may have.
fn machine(job: &JobRow) -> Vec<(String, bool)> {
    let attempts = format!("попытка {} из {}", job.attempt, job.max_attempts);
    let running = format!("{} ({attempts})", JobState::Running.label());
    let queued = match (job.state, job.attempt) {
        (JobState::Queued, 1..) => format!("{}, снова ({attempts} была)", JobState::Queued.label()),
        _ => JobState::Queued.label().to_owned(),
    };
    let end = match job.state {
        JobState::Done | JobState::Dead | JobState::Cancelled => job.state.label().to_owned(),
        JobState::Queued | JobState::Running => {
            [JobState::Done, JobState::Dead, JobState::Cancelled].map(JobState::label).join(" / ")
        }
    };
    let has_ended = !matches!(job.state, JobState::Queued | JobState::Running);
    vec![(queued, job.state == JobState::Queued), (running, job.state == JobState::Running), (end, has_ended)]
}

fn facts(job: &JobRow) -> Vec<(&'static str, Cell)> {
    let took = job.finished_at.zip(job.started_at).map(|(end, start)| (end - start).num_milliseconds());
    vec![
        ("Id", Cell::code(job.id)),
        ("Очередь", Cell::link(format!("/jobs?queue={}", job.queue), &job.queue)),
        ("Попытки", Cell::text(format!("{} из {}", job.attempt, job.max_attempts))),
        ("Ожидания", Cell::number(job.waits)),
        ("Аккаунт", account_of(job.tenant.as_deref())),
        ("Запрос", Cell::code(&job.correlation_id)),
        ("Создано", Cell::time(job.created_at)),
        ("Начать не раньше", Cell::time(job.run_at)),
        ("Последняя попытка начата", Cell::time(job.started_at)),
        ("Воркер", Cell::maybe_code(job.lease_owner.as_deref())),
        ("Аренда до", Cell::time(job.lease_until)),
        ("Завершено", Cell::time(job.finished_at)),
        ("Последняя попытка шла", Cell::duration_ms(took)),
    ]
}

fn acts(job: &JobRow) -> Vec<Form> {
    match job.state {
        JobState::Dead | JobState::Cancelled => vec![
            Form::act(format!("/jobs/{}/replay", job.id), "Повторить", "Повторить").text(
                "Задание начнётся заново со всеми попытками. Этап звонка перезапустит весь звонок, событие будет доставлено \
                 заново.",
            ),
        ],
        JobState::Queued => vec![
            Form::act(format!("/jobs/{}/cancel", job.id), "Отменить", "Отменить")
                .text("Отменить можно только то, что ещё не началось.")
                .danger(),
            Form::act(format!("/jobs/{}/reschedule", job.id), "Перенести", "Перенести")
                .text("0 минут — начать сейчас. Попытки задания остаются.")
                .field(Field::number("minutes", MINUTES_LABEL).value(0).required()),
        ],
        JobState::Running | JobState::Done => Vec::new(),
    }
}

fn related_table(jobs: &[JobRow]) -> Table {
    let row = |job: &JobRow| {
        let href = format!("/jobs/{}", job.id);
        Row::linked(
            href.clone(),
            vec![
                Cell::time(job.created_at),
                Cell::link(href, &job.kind),
                job.state.cell(),
                Cell::text(format!("{} из {}", job.attempt, job.max_attempts)),
                Cell::maybe(job.last_error.clone()),
            ],
        )
    };
    let head = ["Создано", "Вид", "Состояние", "Попытки", "Последняя ошибка"];
    Table::new(&head, jobs.iter().map(row).collect())
}
