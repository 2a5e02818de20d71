//! The page of one bulk act with its progress.

use flysk_domain::admin::BulkState;
use flysk_domain::id::BulkActId;
use flysk_store::admin::audit;
use flysk_store::admin::bulk_acts::{self, BulkAct, BulkOutcome, ResultFilter};
use flysk_store::admin::listing::Keyset;
use poem::Response;

use crate::http::{Bulk, Fault, Visit};
use crate::screens::audit::acts_section;
use crate::screens::bulk_lists::results_table;
use crate::view::{Cell, DetailPage, Form, Labeled as _, Section};

/// Refused rows on the page of an act.
const RESULTS_SHOWN: u32 = 20;
/// Rows of the audit log on the page of an act.
const LOG_SHOWN: u32 = 20;

/// `GET /bulk/:id`.
pub(crate) async fn show(visit: Visit<Bulk>) -> Result<Response, Fault> {
    let id: BulkActId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let act = bulk_acts::find(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let undo = bulk_acts::find_undo(&mut conn, id).await?;
    let refused = ResultFilter { bulk_act_id: id, outcome: Some(BulkOutcome::Refused) };
    let ids = bulk_acts::result_ids(&mut conn, &refused, &Keyset::newest(RESULTS_SHOWN)).await?;
    let refused = bulk_acts::result_rows(&mut conn, &ids).await?;
    let log = audit::list_of_subject(&mut conn, "bulk", &id.to_string(), LOG_SHOWN).await?;
    let mut page = DetailPage::new(visit.layout(act.action.label()));
    page.state = Some(act.state.cell());
    page.is_live = act.state == BulkState::Running;
    page.links = vec![Cell::link("/bulk", "Все массовые действия")];
    page.links
        .extend(undo.as_ref().map(|undo| Cell::link(format!("/bulk/{}", undo.id), "Отмена этого действия")));
    page.facts = facts(&act);
    page.acts = acts(&act, undo.is_some());
    page.sections = vec![
        Section::new("Отказы", results_table(&refused), "Отказов нет.")
            .more(format!("/bulk-results?act={id}")),
        acts_section(&log),
    ];
    visit.page(&page)
}

fn facts(act: &BulkAct) -> Vec<(&'static str, Cell)> {
    let undone = act.undo_of.as_ref();
    vec![
        ("Id", Cell::code(act.id)),
        ("Список", Cell::link(format!("{}?{}", act.list, act.query), &act.list)),
        ("Отменяет", undone.map_or(Cell::Empty, |id| Cell::link(format!("/bulk/{id}"), id))),
        ("Подтверждено строк", Cell::number(act.expected)),
        ("Обработано", Cell::number(act.processed())),
        ("Изменено", Cell::number(act.done_count)),
        ("Отказано", Cell::number(act.refused_count)),
        ("Кто", Cell::text(act.operator_login.clone())),
        ("Причина", Cell::text(act.reason.clone())),
        ("Задания", Cell::link(format!("/jobs?correlation={}", act.correlation_id), &act.correlation_id)),
        ("Строки не новее", Cell::time(act.requested_at)),
        ("Закончено", Cell::time(act.finished_at)),
    ]
}

fn acts(act: &BulkAct, is_undone: bool) -> Vec<Form> {
    let path = |name: &str| format!("/bulk/{}/{name}", act.id);
    match act.state {
        // Buttons: the page is read again every few seconds, which would empty a field.
        BulkState::Running => vec![
            Form::act(path("pause"), "Приостановить", "Приостановить").without_reason(),
            Form::act(path("stop"), "Закончить", "Закончить").without_reason().danger(),
        ],
        BulkState::Paused => vec![
            Form::act(path("resume"), "Продолжить", "Продолжить"),
            Form::act(path("stop"), "Закончить", "Закончить").text("Остальные строки не изменятся.").danger(),
        ],
        BulkState::Stopped | BulkState::Done => match act.action.inverse() {
            Some(inverse) if act.done_count > 0 && !is_undone => vec![
                Form::act(path("undo"), "Отменить действие", "Отменить")
                    .text(format!(
                        "Обратное действие для изменённых строк: {}. С чем уже что-то произошло, останется как есть.",
                        inverse.label()
                    ))
                    .danger(),
            ],
            _ => Vec::new(),
        },
    }
}
