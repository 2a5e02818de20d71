//! The page of one job: state machine, times, payload, and the other jobs of its request.

use flysk_domain::id::JobId;
use flysk_store::jobs::{self, JobRow, JobState};
use poem::Response;

use super::list::account_of;
use crate::http::{Fault, Support, Visit};
use crate::view::{Cell, DetailPage, Form, Labeled, Row, Section, Table};

/// Jobs of the same request that the page shows.
const RELATED_SHOWN: usize = 100;

/// `GET /jobs/:id`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: JobId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let job = jobs::find(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let related = jobs::list_by_correlation(&mut conn, &job.correlation_id).await?;
    let mut page = DetailPage::new(visit.layout(job.kind.clone()));
    page.state = Some(job.state.cell());
    page.machine = machine(&job);
    page.facts = facts(&job);
    page.blocks = vec![("Данные", Cell::json(&job.payload.0.to_string()))];
    page.blocks.extend(job.last_error.clone().map(|error| ("Последняя ошибка", Cell::Block(error))));
    page.acts = acts(&job);
    page.sections = vec![
        Section::new("Задания того же запроса", related_table(&related), "Других заданий нет.")
            .more(format!("/jobs?correlation={}", job.correlation_id)),
    ];
    visit.page(&page)
}

/// States in the order of a job's life; the current one is marked.
fn machine(job: &JobRow) -> Vec<(String, bool)> {
    let end = match job.state {
        JobState::Dead | JobState::Cancelled => job.state,
        _ => JobState::Done,
    };
    let name = |state: JobState| match state {
        JobState::Running => format!("{} (попытка {} из {})", state.label(), job.attempt, job.max_attempts),
        state => state.label().to_owned(),
    };
    [JobState::Queued, JobState::Running, end].map(|state| (name(state), state == job.state)).into()
}

fn facts(job: &JobRow) -> Vec<(&'static str, Cell)> {
    let took = job.finished_at.zip(job.started_at).map(|(end, start)| (end - start).num_milliseconds());
    vec![
        ("Id", Cell::code(job.id)),
        ("Очередь", Cell::link(format!("/jobs?queue={}", job.queue), &job.queue)),
        ("Попытки", Cell::text(format!("{} из {}", job.attempt, job.max_attempts))),
        ("Аккаунт", account_of(job.tenant.as_deref())),
        ("Запрос", Cell::code(&job.correlation_id)),
        ("Создано", Cell::time(job.created_at)),
        ("Начать не раньше", Cell::time(job.run_at)),
        ("Последняя попытка начата", Cell::time(job.started_at)),
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
    Table::new(&head, jobs.iter().take(RELATED_SHOWN).map(row).collect())
}
