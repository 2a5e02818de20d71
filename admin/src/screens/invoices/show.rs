//! The page of one invoice: what it sells, attempts to pay it, refunds, receipts, answers of the bank.

use flysk_domain::id::InvoiceId;
use flysk_domain::platform::invoice_payments::may_be_cleared;
use flysk_domain::platform::subscriptions::InvoiceState;
use flysk_store::Conn;
use flysk_store::admin::audit;
use flysk_store::admin::lists::notifications::{self, NotificationFilter};
use flysk_store::admin::lists::payments::{self, PaymentFilter};
use flysk_store::admin::lists::receipts::{self, ReceiptFilter};
use flysk_store::platform::invoice_payments;
use flysk_store::platform::subscriptions::{self, Invoice};
use flysk_store::platform::vendors;
use poem::Response;

use super::list::kind_name;
use super::{acts, receipt, refund};
use crate::http::{Billing, Fault, Support, Visit};
use crate::lists::{Keyset, List as _};
use crate::screens::audit::acts_section;
use crate::screens::bank::Notifications;
use crate::screens::invoice_tables::{lines_table, refunds_table};
use crate::screens::payments::Payments;
use crate::screens::receipts::Receipts;
use crate::view::{Cell, DetailPage, Labeled as _, Section, Table, codes, labels};

/// Rows of each table.
const ROWS_SHOWN: u32 = 50;

/// `GET /invoices/:id`. The address of receipts stays sealed.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: InvoiceId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let invoice = subscriptions::find_invoice(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let vendor = vendors::find_vendor(&mut conn, invoice.vendor_id).await?;
    let acts = audit::list_of_subject(&mut conn, "invoice", &id.to_string(), ROWS_SHOWN).await?;
    let mut page = DetailPage::new(visit.layout(invoice.title.clone()));
    page.state = Some(invoice.state.cell());
    page.links = vec![
        Cell::link(format!("/subscriptions/{}", invoice.subscription_id), "Подписка"),
        Cell::link(format!("/payments?invoice={id}"), "Платежи"),
        Cell::link(format!("/transfer-invoices?invoice={id}"), "Счета для переводов"),
    ];
    page.facts = facts(&invoice);
    page.facts.extend(
        vendor.map(|vendor| ("Продавец", Cell::link(format!("/vendors/{}", vendor.id), vendor.code))),
    );
    if visit.who.may::<Billing>() {
        if invoice.state == InvoiceState::Open {
            let now = visit.deps.clock().now();
            let open = invoice_payments::find_open_attempt(&mut conn, id).await?;
            let is_locked = open.is_some_and(|attempt| may_be_cleared(attempt.state, attempt.age(now)));
            page.acts = acts::forms(id, is_locked);
        }
        page.acts.extend(refund::form_of(&invoice, visit.deps.clock()));
        page.acts.extend(receipt::form_of(&mut conn, &invoice, visit.deps.clock().now()).await?);
    }
    page.sections = sections(&mut conn, &invoice).await?;
    page.sections.push(acts_section(&acts));
    visit.page(&page)
}

fn facts(invoice: &Invoice) -> Vec<(&'static str, Cell)> {
    let failure = invoice.failure.as_ref().map(|failure| failure.code.clone());
    let taxation = invoice.taxation.as_deref().map(|code| labels::label_of(&codes::TAXATIONS, code));
    vec![
        ("Id", Cell::code(invoice.id)),
        ("Вид", Cell::text(kind_name(invoice.kind))),
        ("Сумма", Cell::roubles(invoice.total)),
        ("Возвращено", Cell::roubles(invoice.refunded)),
        ("Период с", Cell::text(invoice.period.from.format("%d.%m.%Y").to_string())),
        ("Период до", Cell::text(invoice.period.until.format("%d.%m.%Y").to_string())),
        ("Мест", Cell::number(invoice.terms.seats)),
        ("Тариф", Cell::link(format!("/plans/{}", invoice.terms.plan), invoice.terms.plan)),
        ("Установка", Cell::link(format!("/installs/{}", invoice.install_id), invoice.install_id)),
        ("Налоги", Cell::maybe(taxation)),
        ("НДС", Cell::maybe(invoice.vat.map(codes::vat))),
        ("Оплатить до", Cell::time(invoice.due_at)),
        ("Следующее списание", Cell::time(invoice.charge_at)),
        ("Списаний было", Cell::number(invoice.charges_made)),
        ("Ошибка списания", Cell::maybe(failure)),
        ("Оплачен", Cell::time(invoice.paid_at)),
        (
            "Чем оплачен",
            Cell::maybe(invoice.paid_by.as_deref().map(|means| labels::label_of(&codes::MEANS, means))),
        ),
        (
            "Почему аннулирован",
            Cell::maybe(
                invoice.void_reason.as_deref().map(|why| labels::label_of(&codes::VOID_REASONS, why)),
            ),
        ),
        ("Выставлен", Cell::time(invoice.created_at)),
    ]
}

async fn sections(conn: &mut Conn, invoice: &Invoice) -> Result<Vec<Section>, Fault> {
    let newest = Keyset::newest(ROWS_SHOWN);
    let paying = PaymentFilter { invoice_id: Some(invoice.id), ..PaymentFilter::default() };
    let attempts = payments::ids(conn, &paying, &newest).await?;
    // The id of an attempt is the bank's order number.
    let mut told = Vec::new();
    for order in &attempts {
        let of_order = NotificationFilter { order_id: Some(order.clone()), ..NotificationFilter::default() };
        let ids = notifications::ids(conn, &of_order, &newest).await?;
        told.extend(notifications::rows(conn, &ids).await?);
    }
    let paid_by = payments::rows(conn, &attempts).await?;
    let closing = ReceiptFilter { invoice_id: Some(invoice.id), ..ReceiptFilter::default() };
    let ids = receipts::ids(conn, &closing, &newest).await?;
    let closing = receipts::rows(conn, &ids).await?;
    let refunds = invoice_payments::list_refunds_of_invoice(conn, invoice.id).await?;
    Ok(vec![
        Section::new("Строки", lines_table(&invoice.lines), "Строк нет."),
        Section::new(
            "Платежи",
            Table::new(Payments::HEAD, paid_by.iter().map(Payments::row).collect()),
            "Счёт ещё не пытались оплатить.",
        )
        .more(format!("/payments?invoice={}", invoice.id)),
        Section::new("Возвраты", refunds_table(&refunds), "Возвратов не было."),
        Section::new(
            "Закрывающие чеки",
            Table::new(Receipts::HEAD, closing.iter().map(Receipts::row).collect()),
            "Закрывающих чеков нет.",
        ),
        Section::new(
            "Уведомления банка",
            Table::new(Notifications::HEAD, told.iter().map(Notifications::row).collect()),
            "Банк ещё ничего не сообщал.",
        ),
    ])
}
