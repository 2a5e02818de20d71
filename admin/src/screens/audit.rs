//! The audit log.

use chrono::{DateTime, Utc};
use flysk_domain::id::AuditId;
use flysk_store::admin::audit::{self, AuditFilter, AuditRow};
use flysk_store::{Conn, StoreResult};
use poem::Response;

use crate::http::{Fault, Pairs, Support, Visit};
use crate::lists::{Keyset, List};
use crate::view::changes::changes_table;
use crate::view::{Cell, DetailPage, Field, Row, Section, Table, labels};

/// The list of acts.
pub(crate) struct AuditLog;

impl List for AuditLog {
    type Filter = AuditFilter;
    type Record = AuditRow;

    const TITLE: &'static str = "Журнал";
    const PATH: &'static str = "/audit";
    const HEAD: &'static [&'static str] = &["Когда", "Кто", "Действие", "Объект", "Причина", "Адрес"];
    const EMPTY: &'static str = "Таких действий не было.";

    fn filter(query: &Pairs) -> Result<AuditFilter, Fault> {
        let text = |name: &str| query.ascii(name);
        Ok(AuditFilter {
            operator_id: text("operator"),
            action: text("action"),
            subject_kind: text("kind"),
            subject_id: text("subject"),
            correlation: text("correlation"),
        })
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        vec![
            Field::text("operator", "Оператор").value(value("operator")).hint("opr_…"),
            Field::filter("action", "Действие", labels::ACTIONS).value(value("action")),
            Field::filter("kind", "Вид объекта", labels::SUBJECTS).value(value("kind")),
            Field::text("subject", "Объект").value(value("subject")),
            Field::text("correlation", "Запрос").value(value("correlation")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        AuditId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &AuditFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        audit::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<AuditRow>> {
        audit::rows(conn, ids).await
    }

    fn row(record: &AuditRow) -> Row {
        Row::linked(
            format!("/audit/{}", record.id),
            vec![
                Cell::time(record.happened_at),
                Cell::text(record.operator_login.clone()),
                Cell::link(format!("/audit/{}", record.id), labels::action(&record.action)),
                subject(record),
                Cell::text(record.reason.clone()),
                Cell::text(record.address.clone()),
            ],
        )
    }
}

/// The changed object, with a link to its page if it has one.
pub(crate) fn subject(record: &AuditRow) -> Cell {
    let id = &record.subject_id;
    let section = match record.subject_kind.as_str() {
        "account" => "accounts",
        "operator" => "operators",
        "widget" => "widgets",
        "install" => "installs",
        "wallet" => "wallets",
        "purchase" => "purchases",
        "job" => "jobs",
        "event" => "events",
        "bulk" => "bulk",
        "call" => "calls",
        "export" => "exports",
        "subscription" => "subscriptions",
        "invoice" => "invoices",
        "payment" => "payments",
        "plan" => "plans",
        "campaign" => "campaigns",
        "vendor" => "vendors",
        "transfer" => "transfers",
        "transfer_invoice" => "transfer-invoices",
        kind => return Cell::text(format!("{} {id}", labels::label_of(&labels::SUBJECTS, kind))),
    };
    Cell::link(format!("/{section}/{id}"), id)
}

/// The acts of a request, newest first.
pub(super) async fn acts_of_request(
    conn: &mut Conn,
    correlation_id: &str,
    limit: u32,
) -> StoreResult<Vec<AuditRow>> {
    let filter = AuditFilter { correlation: Some(correlation_id.to_owned()), ..AuditFilter::default() };
    let ids = audit::ids(conn, &filter, &Keyset::newest(limit)).await?;
    audit::rows(conn, &ids).await
}

/// The latest acts on an object.
pub(super) fn acts_section(acts: &[AuditRow]) -> Section {
    let row = |act: &AuditRow| {
        let href = format!("/audit/{}", act.id);
        Row::linked(
            href.clone(),
            vec![
                Cell::time(act.happened_at),
                Cell::text(act.operator_login.clone()),
                Cell::link(href, labels::action(&act.action)),
                Cell::text(act.reason.clone()),
            ],
        )
    };
    let head = ["Когда", "Кто", "Действие", "Причина"];
    Section::new("Журнал", Table::new(&head, acts.iter().map(row).collect()), "Действий операторов не было.")
}

/// `GET /audit/:id`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: AuditId = visit.request.id()?;
    let found = audit::rows(&mut *visit.deps.read().await?, &[id.to_string()]).await?;
    let record = found.into_iter().next().ok_or(Fault::NotFound)?;
    let mut page = DetailPage::new(visit.layout(format!("Действие: {}", labels::action(&record.action))));
    page.facts = vec![
        ("Код", Cell::code(&record.action)),
        ("Когда", Cell::time(record.happened_at)),
        ("Кто", Cell::text(record.operator_login.clone())),
        ("Объект", subject(&record)),
        ("Причина", Cell::text(record.reason.clone())),
        ("Адрес", Cell::text(record.address.clone())),
        (
            "Запрос",
            Cell::link(format!("/jobs?correlation={}", record.correlation_id), &record.correlation_id),
        ),
        ("Номер в цепочке", record.chain_number.map_or(Cell::Empty, Cell::number)),
    ];
    let changes = changes_table(record.state_before.as_deref(), record.state_after.as_deref());
    page.sections = vec![Section::new("Изменения", changes, "Изменённых полей нет.")];
    let states = [("Было", &record.state_before), ("Стало", &record.state_after)];
    page.blocks = states
        .into_iter()
        .filter_map(|(label, state)| Some((label, Cell::json(state.as_deref()?))))
        .collect();
    visit.page(&page)
}
