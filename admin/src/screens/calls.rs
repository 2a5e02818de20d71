//! Calls of FlySense: list and the page of one call with its stages and its price.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::flysense::payment::{RECOGNITION, ReceiptLine, SUMMARY};
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::TranscriptionId;
use flysk_domain::platform::ledger::price::Tariff;
use flysk_services::replay::restart_call;
use flysk_store::admin::audit;
use flysk_store::admin::lists::calls::{self as listed, CallFilter, CallRow};
use flysk_store::flysense::payments::{self, Payment, RunOf};
use flysk_store::flysense::stages::{self, StageRow};
use flysk_store::flysense::transcriptions::{self, Transcription};
use flysk_store::jobs::{self, JobRow};
use flysk_store::{Conn, StoreResult, repeat_contended};
use poem::Response;
use serde_json::json;

use super::audit::acts_section;
use super::jobs::to_fault;
use super::prices::tariff_text;
use crate::http::{Fault, Listening, Pairs, Record, Support, Visit};
use crate::lists::{Keyset, List};
use crate::view::{Cell, Decimal, DetailPage, Field, Form, Labeled, Row, Section, Table, format, labels};

/// The list of calls.
pub(crate) struct Calls;

impl List for Calls {
    type Filter = CallFilter;
    type Record = CallRow;

    const TITLE: &'static str = "Звонки";
    const PATH: &'static str = "/calls";
    const HEAD: &'static [&'static str] = &[
        "Создан",
        "Аккаунт",
        "Заметка",
        "Состояние",
        "Причина",
        "Длительность",
        "Списано",
        "Прогон",
        "Завершён",
    ];
    const EMPTY: &'static str = "Таких звонков нет.";

    fn filter(query: &Pairs) -> Result<CallFilter, Fault> {
        Ok(CallFilter {
            state: query.parsed("state", "Состояние")?,
            account_id: query.parsed("account", "Аккаунт")?,
            note_id: query.parsed("note", "Заметка")?,
        })
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        let states =
            TranscriptionState::ALL.iter().map(|state| (state.as_str(), TranscriptionState::label(*state)));
        vec![
            Field::filter("state", "Состояние", states).value(value("state")),
            Field::text("account", "Аккаунт").value(value("account")),
            Field::text("note", "Заметка").value(value("note")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        TranscriptionId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &CallFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        listed::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<CallRow>> {
        listed::rows(conn, ids).await
    }

    fn row(call: &CallRow) -> Row {
        let href = format!("/calls/{}", call.id);
        let account = call.host.clone().unwrap_or_else(|| call.account_id.to_string());
        Row::linked(
            href.clone(),
            vec![
                Cell::time(call.created_at),
                Cell::link(format!("/accounts/{}", call.account_id), account),
                Cell::link(href, call.note_id),
                call.state.cell(),
                Cell::maybe(call.failure_code.clone()),
                Cell::duration_ms(call.duration_ms.and_then(|ms| i64::try_from(ms).ok())),
                call.charged().map_or(Cell::Empty, Cell::coins),
                Cell::number(call.run),
                Cell::time(call.finished_at),
            ],
        )
    }
}

/// Jobs of the call's request that the page shows: those of a run, and some more.
const JOBS_SHOWN: u32 = 100;
/// Acts of operators shown on a call's page.
const ACTS_SHOWN: u32 = 20;
/// Names of FlySense's services, by code.
const SERVICES: [(&str, &str); 2] = [(RECOGNITION, "распознавание"), (SUMMARY, "итог разговора")];

/// Names of the stages of a call, by code.
const STAGES: [(&str, &str); 9] = [
    ("fetch", "скачивание записи"),
    ("convert", "подготовка записи"),
    ("hold", "резерв Flycoins"),
    ("upload", "загрузка для распознавания"),
    ("submit", "заказ распознавания"),
    ("recognize", "распознавание"),
    ("store", "сохранение текста"),
    ("summarize", "итог разговора"),
    ("settle", "завершение"),
];

/// `GET /calls/:id`. The transcript is not shown: an operator has no need to read conversations.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: TranscriptionId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let row = listed::rows(&mut conn, &[id.to_string()]).await?.into_iter().next().ok_or(Fault::NotFound)?;
    let call = transcriptions::find(&mut conn, row.account_id, id).await?.ok_or(Fault::NotFound)?;
    let passed = stages::list(&mut conn, id, call.run).await?;
    let payment = payments::find(&mut conn, RunOf { id, run: call.run }).await?;
    let related = jobs::list_by_correlation(&mut conn, &call.correlation_id, JOBS_SHOWN).await?;
    let acts = audit::list_of_subject(&mut conn, "call", &id.to_string(), ACTS_SHOWN).await?;
    let mut page = DetailPage::new(visit.layout(format!("Звонок {}", call.note_id)));
    page.state = Some(call.state.cell());
    page.links = vec![Cell::link(format!("/installs/{}", call.install_id), "Установка")];
    if call.state == TranscriptionState::Failed {
        page.acts.push(replay_form(id));
    }
    if visit.who.may::<Listening>() && visit.deps.storage.is_some() {
        page.acts.push(
            Form::act(format!("/calls/{id}/listen"), "Прослушать запись", "Прослушать")
                .text("Прослушивание попадёт в журнал. Запись берётся у телефонии, её может уже не быть."),
        );
    }
    page.facts = facts(&call, &row);
    page.facts.extend(payment.iter().flat_map(payment_facts));
    page.sections = vec![
        Section::new("Этапы", stages_table(&passed), "Ни один этап ещё не завершён."),
        Section::new("Цена", receipt_table(payment.as_ref()), "Цена ещё не рассчитана."),
        Section::new("Задания", jobs_table(&related), "Заданий не осталось: завершённые хранятся 7 дней.")
            .text("Остановленное задание можно повторить на его странице: это перезапустит звонок."),
        acts_section(&acts),
    ];
    visit.page(&page)
}

fn replay_form(id: TranscriptionId) -> Form {
    Form::act(format!("/calls/{id}/replay"), "Начать звонок заново", "Начать заново").text(
        "Когда причина неудачи устранена, например аккаунт снова подключён. Запись берётся у телефонии ещё раз, новый прогон \
         оплачивается отдельно: за неудавшийся ничего не списано.",
    )
}

/// `POST /calls/:id/replay`: another run of a call that failed. A form that was sent twice is refused: the call has begun again.
pub(crate) async fn replay(visit: Visit<Support>) -> Result<Response, Fault> {
    let (id, reason): (TranscriptionId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        let row = listed::rows(&mut act, &[id.to_string()]).await?.into_iter().next();
        let row = row.ok_or(Fault::NotFound)?;
        let run = restart_call(act.unit(), row.account_id, id).await.map_err(to_fault)?;
        act.commit(Record {
            action: "call.replay",
            subject: ("call", id.to_string()),
            reason,
            before: json!({ "state": row.state.as_str(), "failure": row.failure_code, "run": row.run }),
            after: json!({ "state": TranscriptionState::Queued.as_str(), "run": run }),
        })
        .await?;
        Ok::<_, Fault>(run)
    };
    let run = repeat_contended(run).await?;
    Ok(visit.done(&format!("/calls/{id}"), &format!("Звонок начат заново, прогон {run}.")))
}

fn facts(call: &Transcription, row: &CallRow) -> Vec<(&'static str, Cell)> {
    let duration = call.duration_ms.and_then(|ms| i64::try_from(ms).ok());
    vec![
        ("Id", Cell::code(call.id)),
        ("Аккаунт", Cell::link(format!("/accounts/{}", call.account_id), call.account_id)),
        ("Карточка", Cell::text(format!("{} {}", call.entity_type.label(), call.entity_id))),
        ("Разговор", Cell::time(call.called_at)),
        ("Прогон", Cell::number(call.run)),
        ("Причина неудачи", Cell::maybe(row.failure_code.clone())),
        ("Длительность записи", Cell::duration_ms(duration)),
        ("Каналов", call.channels.map_or(Cell::Empty, Cell::number)),
        ("Распознавание", Cell::maybe_code(call.operation_id.clone())),
        ("Запрос", Cell::link(format!("/jobs?correlation={}", call.correlation_id), &call.correlation_id)),
        ("Создан", Cell::time(call.created_at)),
        ("Завершён", Cell::time(call.finished_at)),
    ]
}

fn payment_facts(payment: &Payment) -> Vec<(&'static str, Cell)> {
    let transaction = payment.transaction();
    vec![
        ("Оплата", Cell::text(payment.state.label())),
        ("Оценка", payment.estimated().map_or(Cell::Empty, Cell::coins)),
        ("Зарезервировано", payment.held().map_or(Cell::Empty, Cell::coins)),
        ("Списано", payment.charged().map_or(Cell::Empty, Cell::coins)),
        ("Операция", Cell::maybe_code(transaction)),
        ("Ждёт баланса с", Cell::time(payment.short_since)),
    ]
}

fn stages_table(passed: &[StageRow]) -> Table {
    let row = |stage: &StageRow| {
        Row::plain(vec![
            Cell::text(labels::label_of(&STAGES, &stage.stage)),
            Cell::time(stage.started_at),
            Cell::time(stage.ended_at),
            Cell::duration_ms(Some((stage.ended_at - stage.started_at).num_milliseconds())),
        ])
    };
    Table::new(&["Этап", "Начат", "Завершён", "Шёл"], passed.iter().map(row).collect())
}

fn receipt_table(payment: Option<&Payment>) -> Table {
    let lines = payment.map(|payment| match payment.receipt() {
        [] => payment.estimate(),
        receipt => receipt,
    });
    let head = ["Услуга", "Количество", "К оплате", "Цена", "Сумма"];
    Table::new(&head, lines.unwrap_or_default().iter().map(receipt_row).collect())
}

/// A line of a receipt, with the version of its price, because prices change.
fn receipt_row(line: &ReceiptLine) -> Row {
    let price = match serde_json::from_value::<Tariff>(line.tariff.clone()) {
        Ok(tariff) => format!("{}, версия {}", tariff_text(tariff), line.version),
        Err(_) => format!("версия {}", line.version),
    };
    Row::plain(vec![
        Cell::text(labels::label_of(&SERVICES, &line.service)),
        counted(line.quantity, &line.unit),
        counted(line.billed, &line.unit),
        Cell::text(price),
        Cell::coins(line.amount),
    ])
}

/// A quantity with its unit.
fn counted(quantity: u64, unit: &str) -> Cell {
    let unit = match unit {
        "second" => "с",
        "piece" => "шт.",
        other => other,
    };
    let number = i64::try_from(quantity);
    let text = number.map_or_else(|_| quantity.to_string(), format::number);
    let value = Decimal::whole(number.unwrap_or(i64::MAX));
    Cell::Measure { text: format!("{text} {unit}"), value }
}

fn jobs_table(related: &[JobRow]) -> Table {
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
    Table::new(&head, related.iter().map(row).collect())
}
