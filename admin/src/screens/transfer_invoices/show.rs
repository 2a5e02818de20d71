//! The page of one transfer invoice: what was promised, what the bank said, and which money it took.

use chrono::NaiveDate;
use flysk_domain::id::TransferInvoiceId;
use flysk_domain::platform::transfers::{ActState, PaymentSubject, PdfState};
use flysk_store::admin::audit;
use flysk_store::platform::transfers::{self, InvoiceMoney, TransferAct, TransferInvoice};
use poem::Response;

use super::acts;
use crate::http::{Billing, Fault, Support, Visit};
use crate::screens::audit::acts_section;
use crate::view::{Cell, DetailPage, Labeled as _, Row, Section, Table, codes};

/// Acts shown on the page.
const ACTS_SHOWN: u32 = 20;
/// Rows of money shown on the page.
const MONEY_SHOWN: u32 = 100;

/// `GET /transfer-invoices/:id`. Address and the bank's link stay sealed.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: TransferInvoiceId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let invoice = transfers::find_transfer_invoice(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let act = transfers::find_act(&mut conn, id).await?;
    let money = transfers::list_money_of_invoice(&mut conn, id, MONEY_SHOWN).await?;
    let done = audit::list_of_subject(&mut conn, "transfer_invoice", &id.to_string(), ACTS_SHOWN).await?;
    let title = format!("Счёт № {} для {}", invoice.number, invoice.payer.name);
    let mut page = DetailPage::new(visit.layout(title));
    page.state = Some(invoice.state.cell());
    page.links = vec![
        subject_link(&invoice),
        Cell::link(format!("/installs/{}", invoice.install_id), "Установка"),
        Cell::link(format!("/vendors/{}", invoice.vendor_id), "Продавец"),
        Cell::link(format!("/transfer-invoices?inn={}", invoice.payer.inn), "Все счета фирмы"),
    ];
    page.facts = facts(&invoice, act.as_ref());
    if invoice.state.is_open() && visit.who.may::<Billing>() {
        page.acts = vec![acts::withdraw_form(id)];
    }
    page.sections = vec![
        Section::new("Поступило по счёту", money_table(&money), "Переводов по этому счёту ещё не было."),
        acts_section(&done),
    ];
    visit.page(&page)
}

fn subject_link(invoice: &TransferInvoice) -> Cell {
    match invoice.subject {
        PaymentSubject::Invoice(id) => Cell::link(format!("/invoices/{id}"), "Счёт подписки"),
        PaymentSubject::Purchase(id) => Cell::link(format!("/purchases/{id}"), "Покупка Flycoins"),
    }
}

fn facts(invoice: &TransferInvoice, act: Option<&TransferAct>) -> Vec<(&'static str, Cell)> {
    let day = |day: NaiveDate| Cell::text(day.format("%d.%m.%Y").to_string());
    vec![
        ("Id", Cell::code(invoice.id)),
        ("Номер", Cell::code(invoice.number)),
        ("Фирма", Cell::text(invoice.payer.name.clone())),
        ("ИНН", Cell::code(invoice.payer.inn)),
        ("КПП", Cell::maybe_code(invoice.payer.kpp.clone())),
        ("За что", Cell::text(invoice.title.clone())),
        ("Назначение платежа", Cell::text(invoice.purpose.clone())),
        ("Цена", Cell::roubles(invoice.total)),
        ("Из баланса фирмы", Cell::roubles(invoice.from_balance)),
        ("К оплате", Cell::roubles(invoice.amount)),
        ("Поступило", Cell::roubles(invoice.paid)),
        ("НДС", Cell::text(codes::vat(invoice.vat))),
        ("Выставлен", day(invoice.issued_on)),
        ("Оплатить до", day(invoice.due_on)),
        ("Отправлен в банк", Cell::time(invoice.sent_at)),
        ("Номер в банке", Cell::maybe_code(invoice.bank_invoice_id.clone())),
        ("Статус в банке", Cell::maybe(invoice.bank_status.clone())),
        ("Ошибка банка", Cell::maybe(invoice.error_code.clone())),
        ("Документ банка", Cell::text(document_label(invoice.pdf_state))),
        ("Оплачен", Cell::time(invoice.paid_at)),
        ("Почему закрыт", Cell::maybe(invoice.void_reason.as_deref().map(codes::transfer_end))),
        ("Акт", act.map_or(Cell::Empty, act_cell)),
        ("Попросил", Cell::text(invoice.requested_by.clone())),
        ("Создан", Cell::time(invoice.created_at)),
    ]
}

fn act_cell(act: &TransferAct) -> Cell {
    let day = act.due_on.format("%d.%m.%Y");
    match (act.state, act.act_number) {
        (ActState::Issued, Some(number)) => Cell::text(format!("№ {number} от {day}")),
        _ => Cell::text(format!("будет {day}")),
    }
}

const fn document_label(state: PdfState) -> &'static str {
    match state {
        PdfState::None => "ещё нет",
        PdfState::Wanted => "скачивается",
        PdfState::Stored => "сохранён",
        PdfState::Lost => "нет, клиент скачивает наш",
    }
}

fn money_table(money: &[InvoiceMoney]) -> Table {
    let row = |money: &InvoiceMoney| {
        let href = format!("/transfers/{}", money.operation_id);
        Row::linked(
            href.clone(),
            vec![
                Cell::link(href, money.booked_on.format("%d.%m.%Y")),
                Cell::roubles(money.kopecks()),
                Cell::text(money.payer_name.clone()),
                Cell::text(money.purpose.clone()),
                Cell::text(money.decided_by.clone()),
            ],
        )
    };
    Table::new(&["День", "Сумма", "Плательщик", "Назначение", "Кто решил"], money.iter().map(row).collect())
}
