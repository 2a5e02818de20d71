//! The page of an operation.

use flysk_domain::id::BankOperationId;
use flysk_domain::platform::transfers::{AllocationTarget, OperationState, QueueReason};
use flysk_store::admin::audit;
use flysk_store::platform::transfers::{self, Allocation, BankOperation};
use poem::Response;

use super::acts;
use crate::http::{Billing, Fault, Support, Visit};
use crate::screens::audit::acts_section;
use crate::view::{Cell, DetailPage, Row, Section, Table, Tone};

/// Acts shown on an operation's page.
const ACTS_SHOWN: u32 = 20;

/// `GET /transfers/:id`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: BankOperationId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let operation = transfers::find_operation(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let rows = transfers::list_allocations(&mut conn, id).await?;
    let done = audit::list_of_subject(&mut conn, "transfer", &id.to_string(), ACTS_SHOWN).await?;
    let mut page = DetailPage::new(visit.layout(format!("Перевод от {}", operation.payer_name)));
    page.state = Some(state_cell(operation.state));
    page.links = vec![
        Cell::link("/transfers", "Все на разборе"),
        Cell::link(format!("/vendors/{}", operation.vendor_id), "Продавец"),
    ];
    page.facts = facts(&operation);
    if operation.state == OperationState::Queued && visit.who.may::<Billing>() {
        page.acts = acts::forms(&operation);
    }
    page.sections = vec![
        Section::new("Где деньги", allocations_table(&rows), "Перевод ещё не разобран."),
        acts_section(&done),
    ];
    visit.page(&page)
}

fn facts(operation: &BankOperation) -> Vec<(&'static str, Cell)> {
    vec![
        ("Id", Cell::code(operation.id)),
        ("Сумма", Cell::roubles(operation.amount)),
        ("День", Cell::text(operation.booked_on.format("%d.%m.%Y").to_string())),
        ("Плательщик", Cell::text(operation.payer_name.clone())),
        ("ИНН плательщика", Cell::maybe_code(some(&operation.payer_inn))),
        ("Счёт плательщика", Cell::maybe_code(some(&operation.payer_account))),
        ("Номер поручения", Cell::maybe_code(some(&operation.document_number))),
        ("Назначение", Cell::text(operation.purpose.clone())),
        ("На счёт", Cell::code(&operation.account)),
        ("Почему ждал", Cell::text(operation.queue_reason.map_or("", reason_label))),
        ("Прочитан", Cell::time(operation.created_at)),
    ]
}

/// The text, unless it is empty.
pub(super) fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn allocations_table(rows: &[Allocation]) -> Table {
    let row = |allocation: &Allocation| {
        let place = match allocation.target {
            AllocationTarget::Invoice => "счёт",
            AllocationTarget::Balance => "баланс фирмы",
            AllocationTarget::Queue => "очередь на разбор",
            AllocationTarget::Foreign => "не платёж клиента",
            AllocationTarget::Returned => "возвращены плательщику",
        };
        let owner = match (allocation.transfer_invoice, allocation.install) {
            (Some(invoice), _) => Cell::link(format!("/transfer-invoices/{invoice}"), invoice),
            (None, Some(install)) => Cell::link(format!("/installs/{install}"), install),
            (None, None) => Cell::text(""),
        };
        Row::plain(vec![
            Cell::time(allocation.created_at),
            Cell::text(place),
            Cell::roubles(allocation.kopecks),
            owner,
            Cell::text(allocation.decided_by.clone()),
            Cell::maybe(allocation.reason.clone()),
        ])
    };
    let head = ["Когда", "Куда", "Сумма", "Чьё", "Кто решил", "Почему"];
    Table::new(&head, rows.iter().map(row).collect())
}

fn state_cell(state: OperationState) -> Cell {
    match state {
        OperationState::New => Cell::state("прочитан", Tone::Busy),
        OperationState::Landed => Cell::state("разобран", Tone::Good),
        OperationState::Queued => Cell::state("ждёт решения", Tone::Bad),
        OperationState::Foreign => Cell::state("не платёж клиента", Tone::Quiet),
        OperationState::Returned => Cell::state("возвращён плательщику", Tone::Quiet),
    }
}

/// Why an operation waits, in Russian.
pub(super) const fn reason_label(reason: QueueReason) -> &'static str {
    match reason {
        QueueReason::OtherPayer => "номер счёта верный, ИНН чужой",
        QueueReason::SeveralInvoices => "несколько счетов на эту сумму, номера нет",
        QueueReason::SeveralNumbers => "несколько номеров, сумма не сходится",
        QueueReason::Unknown => "ни один счёт не подошёл",
    }
}
