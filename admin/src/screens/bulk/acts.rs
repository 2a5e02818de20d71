//! Starting a bulk act, and what an operator does with one that runs or has ended.

use chrono::{DateTime, Utc};
use flysk_domain::admin::{BulkAction, BulkState};
use flysk_domain::id::BulkActId;
use flysk_jobs::platform::panel::RunBulkAct;
use flysk_store::admin::bulk_acts::{self, BulkAct};
use flysk_store::{StoreError, repeat_contended};
use poem::Response;
use serde_json::{Value, json};

use super::preview::Selection;
use crate::http::{Act, Bulk, Fault, Record, Visit};

/// Maximum length of a query string, in bytes.
const MAX_QUERY_LEN: usize = 1_000;
/// A dry run older than this is made again.
const PREVIEW_TTL: chrono::TimeDelta = chrono::TimeDelta::minutes(30);

fn path(id: BulkActId) -> String {
    format!("/bulk/{id}")
}

/// `POST /bulk/start`: the rows of the dry run, of which there may be fewer by now, but not more. The dry run has chosen the
/// id of the act, so that a form that was sent twice starts one.
pub(crate) async fn start(visit: Visit<Bulk>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let reason = visit.reason()?;
    let id: BulkActId = form.parsed("key", "key")?.ok_or(Fault::NotFound)?;
    let at: DateTime<Utc> = form.parsed("at", "Время проверки")?.ok_or(Fault::NotFound)?;
    let expected: u32 = form.parsed("expected", "Строк")?.ok_or(Fault::NotFound)?;
    let typed: Option<u32> = form.parsed("typed", "Число строк")?;
    if typed != Some(expected) {
        return Err(Fault::refused("Введённое число строк не совпадает с найденным. Ничего не изменено."));
    }
    let now = visit.deps.clock().now();
    if at > now || now - at > PREVIEW_TTL {
        return Err(Fault::conflict("Проверка устарела. Откройте список и повторите её."));
    }
    let selection = Selection::of(form, at)?;
    if selection.query.len() > MAX_QUERY_LEN {
        return Err(Fault::refused("Фильтр длиннее 1000 знаков."));
    }
    let count = selection.count(&mut *visit.deps.read().await?).await?;
    if count == 0 || count > expected {
        return Err(Fault::conflict(format!(
            "Под фильтр теперь попадает другое число строк: {count}. Откройте список и повторите проверку."
        )));
    }
    let Selection { action, list, query, .. } = selection;
    let act = BulkAct { id, ..new_act(&visit, action, (list, query), count, at, reason) };
    let notice = if insert(&visit, &act, "bulk.start").await? {
        "Массовое действие начато."
    } else {
        "Это массовое действие уже начато."
    };
    Ok(visit.done(&path(id), notice))
}

fn new_act(
    visit: &Visit<Bulk>,
    action: BulkAction,
    (list, query): (String, String),
    expected: u32,
    requested_at: DateTime<Utc>,
    reason: &str,
) -> BulkAct {
    BulkAct {
        id: BulkActId::generate(visit.deps.clock()),
        operator_id: visit.who.id,
        operator_login: visit.who.login.clone(),
        action,
        list,
        query,
        undo_of: None,
        state: BulkState::Running,
        expected,
        done_count: 0,
        refused_count: 0,
        last_id: None,
        reason: reason.to_owned(),
        address: visit.request.address.clone(),
        correlation_id: visit.request.trace.correlation_id.clone(),
        requested_at,
        finished_at: None,
    }
}

/// Stores an act with its job and its row of the audit log; `false` if there is one with its id, or one that takes back the
/// same act.
async fn insert(visit: &Visit<Bulk>, act: &BulkAct, name: &str) -> Result<bool, Fault> {
    let write = || async {
        let mut unit = visit.begin().await?;
        match bulk_acts::insert(&mut unit, act).await {
            Err(StoreError::Duplicate { .. }) => return Ok(false),
            done => done?,
        }
        unit.unit().enqueue(&RunBulkAct { bulk_act_id: act.id }).await?;
        unit.commit(Record {
            action: name,
            subject: ("bulk", act.id.to_string()),
            reason: &act.reason,
            before: Value::Null,
            after: json!({
                "action": act.action.code(),
                "list": act.list,
                "query": act.query,
                "undo_of": act.undo_of,
                "rows": act.expected,
            }),
        })
        .await?;
        Ok::<_, Fault>(true)
    };
    repeat_contended(write).await
}

/// Moves an act to another state, with a row of the audit log.
async fn change_state(
    visit: &Visit<Bulk>,
    from: &[BulkState],
    to: BulkState,
    name: &str,
    reason: &str,
) -> Result<BulkActId, Fault> {
    let id: BulkActId = visit.request.id()?;
    let write = || async {
        let mut unit: Act<'_, Bulk> = visit.begin().await?;
        let act = bulk_acts::lock(&mut unit, id).await?.ok_or(Fault::NotFound)?;
        if !from.contains(&act.state) {
            return Err(Fault::conflict("Действие уже в другом состоянии. Обновите страницу."));
        }
        let now = unit.now();
        bulk_acts::write_state(&mut unit, id, (act.state, to), now).await?;
        if to == BulkState::Running {
            unit.unit().enqueue_or_expedite(&RunBulkAct { bulk_act_id: id }).await?;
        }
        unit.commit(Record {
            action: name,
            subject: ("bulk", id.to_string()),
            reason,
            before: json!({ "state": act.state.to_string(), "rows": act.processed() }),
            after: json!({ "state": to.to_string() }),
        })
        .await
    };
    repeat_contended(write).await?;
    Ok(id)
}

/// `POST /bulk/:id/pause`: at once, so it asks for no reason.
pub(crate) async fn pause(visit: Visit<Bulk>) -> Result<Response, Fault> {
    let id = change_state(&visit, &[BulkState::Running], BulkState::Paused, "bulk.pause", "").await?;
    Ok(visit.done(&path(id), "Действие приостановлено."))
}

/// `POST /bulk/:id/resume`.
pub(crate) async fn resume(visit: Visit<Bulk>) -> Result<Response, Fault> {
    let reason = visit.reason()?;
    let id = change_state(&visit, &[BulkState::Paused], BulkState::Running, "bulk.resume", reason).await?;
    Ok(visit.done(&path(id), "Действие продолжается."))
}

/// `POST /bulk/:id/stop`.
pub(crate) async fn stop(visit: Visit<Bulk>) -> Result<Response, Fault> {
    let from = [BulkState::Running, BulkState::Paused];
    let reason = visit.request.form.get("reason").unwrap_or_default();
    let id = change_state(&visit, &from, BulkState::Stopped, "bulk.stop", reason).await?;
    Ok(visit.done(&path(id), "Действие закончено раньше времени."))
}

/// `POST /bulk/:id/undo`: an act on the changed rows that does the inverse.
pub(crate) async fn undo(visit: Visit<Bulk>) -> Result<Response, Fault> {
    let (id, reason): (BulkActId, _) = (visit.request.id()?, visit.reason()?);
    let undone = bulk_acts::find(&mut *visit.deps.read().await?, id).await?.ok_or(Fault::NotFound)?;
    let inverse = undone.action.inverse().filter(|_| undone.state.is_final() && undone.done_count > 0);
    let Some(action) = inverse else {
        return Err(Fault::refused("Это действие нельзя отменить."));
    };
    let now = visit.deps.clock().now();
    let rows = (undone.list, undone.query);
    let act = new_act(&visit, action, rows, undone.done_count, now, reason);
    let act = BulkAct { undo_of: Some(id.to_string()), ..act };
    if !insert(&visit, &act, "bulk.undo").await? {
        return Err(Fault::conflict("Это действие уже отменяют или отменили."));
    }
    Ok(visit.done(&path(act.id), "Отмена начата."))
}
