//! Requests that a second operator has decided, or the requester has withdrawn, newest decision first.

use chrono::TimeDelta;
use flysk_domain::id::{OperatorId, PendingActId};
use flysk_store::Conn;
use flysk_store::admin::pending_acts::{self, DecidedAct};

use super::approval_objects::{APPROVED, DECLINE, kind_of, path_of};
use crate::http::{Fault, Support, Visit};
use crate::request::form::query_string;
use crate::view::{Cell, Row, Section, Table, Tone, labels};

/// Days after the decision; the audit log has the decisions of all times.
const DAYS_SHOWN: i64 = 90;
/// Rows per page.
const PAGE_SIZE: u32 = 50;
/// Parameter with the id of the request that a page follows.
const AFTER: &str = "after";
/// Columns of the table.
const HEAD: [&str; 10] =
    ["Решено", "Исход", "Кем решено", "Запрошено", "Кем", "Действие", "Объект", "Сумма", "Причина", "Журнал"];

/// The decided requests of everybody, or of one operator.
pub(super) async fn section(
    visit: &Visit<Support>,
    conn: &mut Conn,
    requested_by: Option<OperatorId>,
) -> Result<Section, Fault> {
    let after: Option<PendingActId> = visit.request.query.parsed(AFTER, AFTER)?;
    let edge = match after {
        None => None,
        Some(id) => Some(pending_acts::find_decided(conn, id).await?.ok_or_else(no_place)?),
    };
    let since = visit.deps.clock().now() - TimeDelta::days(DAYS_SHOWN);
    let limit = PAGE_SIZE + 1;
    let mut decided = pending_acts::list_decided(conn, requested_by, since, edge.as_ref(), limit).await?;
    let shown = usize::try_from(PAGE_SIZE).unwrap_or(usize::MAX);
    let has_more = decided.len() > shown;
    decided.truncate(shown);
    let last = decided.last().filter(|_| has_more);
    let older = last.map(|last| format!("{}?{AFTER}={}", visit.request.path, last.act.id));
    let table = Table::new(&HEAD, decided.iter().map(row).collect());
    let empty = if edge.is_none() {
        "За 90 дней решений не было."
    } else {
        "Раньше решений не было."
    };
    Ok(Section::new("Решённые за 90 дней", table, empty).older(older))
}

fn no_place() -> Fault {
    Fault::refused("Такой заявки среди решённых нет. Откройте раздел «Заявки» с начала.")
}

fn row(decided: &DecidedAct) -> Row {
    let act = &decided.act;
    Row::plain(vec![
        Cell::time(decided.decided_at),
        outcome(decided),
        Cell::maybe(decided.decided_login.clone()),
        Cell::time(act.requested_at),
        Cell::text(act.requested_login.clone()),
        Cell::text(labels::action(&act.action)),
        Cell::link(path_of(act), &act.subject_id),
        Cell::Amount(act.amount.clone()),
        Cell::text(act.reason.clone()),
        Cell::link(records(decided), "записи"),
    ])
}

fn is_approved(decided: &DecidedAct) -> bool {
    decided.act.outcome.as_deref() == Some(APPROVED)
}

fn outcome(decided: &DecidedAct) -> Cell {
    if is_approved(decided) {
        Cell::state("подтверждена", Tone::Good)
    } else if decided.decided_by == decided.act.requested_by {
        Cell::state("отозвана", Tone::Quiet)
    } else {
        Cell::state("отклонена", Tone::Quiet)
    }
}

/// Address of the audit log with the decision, where the operator who decided says why: the act on its object, if it was carried out.
fn records(decided: &DecidedAct) -> String {
    let act = &decided.act;
    let (action, kind, subject) = if is_approved(decided) {
        (act.action.as_str(), kind_of(act), act.subject_id.clone())
    } else {
        (DECLINE, "approval", act.id.to_string())
    };
    let pairs = [("action", action.to_owned()), ("kind", kind.to_owned()), ("subject", subject)];
    format!("/audit{}", query_string(&pairs.map(|(name, value)| (name.to_owned(), value))))
}
