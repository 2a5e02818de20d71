//! The page of one payment.

use flysk_domain::TextEnum as _;
use flysk_domain::id::InvoicePaymentId;
use flysk_store::admin::audit;
use flysk_store::admin::lists::notifications::{self, NotificationFilter};
use flysk_store::platform::invoice_payments::{self, Attempt};
use flysk_store::platform::subscriptions;
use poem::Response;

use super::acts;
use super::list::kind_name;
use crate::http::{Billing, Fault, Support, Visit};
use crate::lists::{Keyset, List as _};
use crate::screens::audit::acts_section;
use crate::screens::bank::Notifications;
use crate::screens::invoice_tables::refunds_table;
use crate::view::{Cell, DetailPage, Labeled as _, Section, Table, codes, labels};

/// Rows of each table.
const ROWS_SHOWN: u32 = 50;

/// `GET /payments/:id`. The card stays sealed.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: InvoicePaymentId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let attempt = invoice_payments::find_attempt(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let invoice = subscriptions::find_invoice(&mut conn, attempt.invoice_id).await?.ok_or(Fault::NotFound)?;
    let refunds = invoice_payments::list_refunds(&mut conn, id).await?;
    let of_order = NotificationFilter { order_id: Some(id.to_string()), ..NotificationFilter::default() };
    let ids = notifications::ids(&mut conn, &of_order, &Keyset::newest(ROWS_SHOWN)).await?;
    let told = notifications::rows(&mut conn, &ids).await?;
    let acts = audit::list_of_subject(&mut conn, "payment", &id.to_string(), ROWS_SHOWN).await?;
    let mut page = DetailPage::new(visit.layout(format!("Платёж: {}", invoice.title)));
    page.state = Some(attempt.state.cell());
    page.links = vec![
        Cell::link(format!("/invoices/{}", attempt.invoice_id), "Счёт"),
        Cell::link(format!("/subscriptions/{}", attempt.subscription_id), "Подписка"),
    ];
    page.facts = facts(&attempt);
    page.acts = acts::forms(&attempt, visit.who.may::<Billing>());
    page.sections = vec![
        Section::new("Возвраты", refunds_table(&refunds), "Возвратов не было."),
        Section::new(
            "Уведомления банка",
            Table::new(Notifications::HEAD, told.iter().map(Notifications::row).collect()),
            "Банк ещё ничего не сообщал.",
        ),
        acts_section(&acts),
    ];
    visit.page(&page)
}

fn facts(attempt: &Attempt) -> Vec<(&'static str, Cell)> {
    let status = attempt.status.as_ref().map(ToString::to_string);
    let discrepancy =
        attempt.discrepancy.map(|found| labels::label_of(&codes::CONTRADICTIONS, found.as_str()).to_owned());
    vec![
        ("Id и заказ", Cell::code(attempt.id)),
        ("Сумма", Cell::roubles(attempt.amount)),
        ("Чем", Cell::text(kind_name(attempt.kind))),
        ("По расписанию", Cell::flag(attempt.is_automatic)),
        ("Отозван", Cell::flag(attempt.is_withdrawn)),
        ("Сохраняет карту", Cell::flag(attempt.save_card)),
        ("Карта", Cell::maybe_code(attempt.card_id)),
        ("Терминал", Cell::code(&attempt.terminal_key)),
        ("Номер в банке", Cell::maybe_code(attempt.payment_id.clone())),
        ("Статус банка", Cell::maybe(status)),
        ("Расхождение", Cell::maybe(discrepancy)),
        ("Ошибка", Cell::maybe(attempt.error_code.clone())),
        ("Установка", Cell::link(format!("/installs/{}", attempt.install_id), attempt.install_id)),
        ("Списание отправлено", Cell::time(attempt.charge_sent_at)),
        ("Оплачен", Cell::time(attempt.paid_at)),
        ("Начат", Cell::time(attempt.created_at)),
        ("Изменён", Cell::time(attempt.updated_at)),
    ]
}
