//! The page of one subscription: access, terms, invoices, log, acts.

use flysk_domain::TextEnum as _;
use flysk_domain::id::SubscriptionId;
use flysk_domain::platform::subscriptions::{
    AccessReason, InvoiceState, PendingChange, SubscriptionState, moscow_day,
};
use flysk_services::subscriptions::{
    SubscriptionDetails, is_refunded_whole, list_occupied_seats, load_details, settings_of,
};
use flysk_store::admin::lists::invoices::{self, InvoiceFilter, InvoiceListRow};
use flysk_store::platform::subscriptions::{self, Action, Invoice, Plan};
use flysk_store::platform::{invoice_payments, widgets};
use flysk_store::{Conn, StoreResult};
use poem::Response;

use super::list::day;
use super::{quote, seats};
use crate::http::{Billing, Fault, Support, Visit};
use crate::lists::{Keyset, List as _};
use crate::screens::cards::{self, SavedCards};
use crate::screens::invoices::{Invoices, refund_form};
use crate::view::{Cell, DetailPage, Field, Form, Labeled as _, Row, Section, Table, codes, labels};

/// Rows of each table.
const ROWS_SHOWN: u32 = 30;

/// `GET /subscriptions/:id`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: SubscriptionId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let row = subscriptions::find_subscription(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let widget = widgets::find(&mut conn, row.widget_id).await?.ok_or(Fault::NotFound)?;
    let details = load_details(&mut conn, &widget, row, visit.deps.clock().now()).await?;
    let of_subscription = InvoiceFilter { subscription_id: Some(id), ..InvoiceFilter::default() };
    let ids = invoices::ids(&mut conn, &of_subscription, &Keyset::newest(ROWS_SHOWN)).await?;
    let billed = invoices::rows(&mut conn, &ids).await?;
    let actions = subscriptions::list_actions(&mut conn, id, ROWS_SHOWN).await?;
    let plans = subscriptions::list_plans_on_offer(&mut conn, widget.id).await?;
    let all = subscriptions::list_all_plans(&mut conn, widget.id).await?;
    let cards = SavedCards::of_install(&mut conn, details.row.install_id).await?;
    let occupied = match details.seats {
        Some(_) => list_occupied_seats(&mut conn, &details.row).await?,
        None => Vec::new(),
    };
    let refundable = newest_paid(&mut conn, &billed).await?;
    let mut page = DetailPage::new(visit.layout(format!("Подписка: {}", widget.name)));
    page.state = Some(details.row.subscription.state.cell());
    page.links = vec![
        Cell::link(format!("/installs/{}", details.row.install_id), "Установка"),
        Cell::link(format!("/payments?install={}", details.row.install_id), "Платежи"),
    ];
    page.facts = facts(&details, &all);
    if visit.who.may::<Billing>() {
        let (today, settings) = (moscow_day(visit.deps.clock().now()), settings_of(&widget));
        page.acts = acts(&details, details.row.subscription.reinstated(today, &settings).is_ok());
        page.acts.extend(end_refunded_form(&mut conn, &details).await?);
        page.acts.extend(quote::forms(&details, &plans));
        page.acts.extend(quote::withdraw_form(&details));
        page.acts.extend(refundable.and_then(|invoice| refund_form(&invoice, visit.deps.clock())));
        page.acts.extend(cards.form());
        page.acts.extend(seats::form(id, &occupied));
    }
    page.sections = seats::section(&details, &occupied).into_iter().collect();
    page.sections.extend([
        Section::new(
            "Счета",
            Table::new(Invoices::HEAD, billed.iter().map(Invoices::row).collect()),
            "Счетов ещё не было.",
        )
        .more(format!("/invoices?subscription={id}")),
        cards::section(cards.rows()),
        Section::new("Журнал подписки", actions_table(&actions), "Записей нет."),
    ]);
    visit.page(&page)
}

/// The newest paid invoice: the one that a refund is about.
async fn newest_paid(conn: &mut Conn, billed: &[InvoiceListRow]) -> StoreResult<Option<Invoice>> {
    match billed.iter().find(|row| row.state() == Some(InvoiceState::Paid)) {
        Some(row) => subscriptions::find_invoice(conn, row.id).await,
        None => Ok(None),
    }
}

/// A change that waits for the next period, in Russian.
fn pending_text(change: &PendingChange, plans: &[Plan]) -> String {
    match change {
        PendingChange::Plan(id) => {
            let plan = plans.iter().find(|plan| plan.id == *id);
            plan.map_or_else(|| format!("тариф {id}"), |plan| format!("тариф «{}»", plan.terms.title))
        }
        PendingChange::Seats(seats) => format!("мест: {seats}"),
        PendingChange::Length(length) => format!("период оплаты: {}", length.label_ru()),
    }
}

fn facts(details: &SubscriptionDetails, plans: &[Plan]) -> Vec<(&'static str, Cell)> {
    let (row, subscription) = (&details.row, &details.row.subscription);
    let plan = details.plan.as_ref().map_or(Cell::Empty, |plan| {
        Cell::link(format!("/plans/{}", plan.id), format!("{}, версия {}", plan.terms.title, plan.version))
    });
    let level = details.access.level.as_str();
    let access = format!(
        "{} ({})",
        labels::label_of(&codes::ACCESS_LEVELS, level),
        labels::label_of(&codes::ACCESS_REASONS, details.access.reason.as_str())
    );
    let pending: Vec<String> = details.pending.iter().map(|change| pending_text(change, plans)).collect();
    vec![
        ("Id", Cell::code(row.id)),
        ("Аккаунт", Cell::link(format!("/accounts/{}", row.account_id), row.account_id)),
        ("Доступ", Cell::text(access)),
        ("Доступ до", Cell::time(details.access.until)),
        ("Тариф", plan),
        ("Мест", subscription.terms.map_or(Cell::Empty, |terms| Cell::number(terms.seats))),
        (
            "Цена места за период",
            subscription.terms.map_or(Cell::Empty, |terms| Cell::roubles(terms.seat_price)),
        ),
        ("Период с", day(subscription.period.map(|period| period.from))),
        ("Период до", day(subscription.period.map(|period| period.until))),
        ("Пробный период до", day(subscription.trial.map(|trial| trial.until))),
        ("Следующий период оплачен до", day(subscription.prepaid.map(|period| period.until))),
        ("Закончится с периодом", Cell::flag(subscription.cancels)),
        ("Ждёт решения", Cell::flag(subscription.needs_person)),
        ("Автопродление", renewal(details)),
        ("Ждут следующего периода", Cell::text(pending.join(", "))),
        ("Следующий шаг", Cell::time(row.next_due_at)),
        ("Версия", Cell::number(row.version)),
        ("Создана", Cell::time(row.created_at)),
    ]
}

/// Whether the card is charged for the next period; if there is one and it is not, why.
fn renewal(details: &SubscriptionDetails) -> Cell {
    let subscription = &details.row.subscription;
    if details.row.card_id.is_none() {
        return Cell::flag(false);
    }
    Cell::text(if subscription.state.can_start() {
        "нет: подписка закончилась"
    } else if subscription.cancels {
        "нет: подписка закончится с периодом"
    } else if !details.can_charge_card {
        "нет: карта сохранена на другом терминале, не у продавца, списать с неё нельзя. Следующий период клиент оплачивает сам"
    } else if subscription.needs_person {
        "приостановлено: подписка ждёт решения"
    } else if details.access.reason == AccessReason::NotSold {
        "приостановлено: виджет не продаёт подписок"
    } else {
        return Cell::flag(true);
    })
}

/// The acts that the state allows.
fn acts(details: &SubscriptionDetails, can_reinstate: bool) -> Vec<Form> {
    let (id, subscription) = (details.row.id, &details.row.subscription);
    let mut acts = vec![
        Form::act(format!("/subscriptions/{id}/bonus"), "Бонусные дни", "Начислить")
            .text("Ближайшая граница сдвинется на столько дней. После окончания дни включают доступ снова.")
            .field(Field::number("days", "Дней").required().hint("От 1 до 366"))
            .field(Field::hidden("seen", details.row.version)),
    ];
    if matches!(
        subscription.state,
        SubscriptionState::Active | SubscriptionState::Renewing | SubscriptionState::PastDue
    ) {
        acts.push(
            Form::act(format!("/subscriptions/{id}/renew"), "Продлить сейчас", "Продлить")
                .text(
                    "Счёт за следующий период. Если с карты можно списать, она будет списана; иначе счёт ждёт клиента.",
                )
                .field(Field::hidden("seen", details.row.version)),
        );
        if subscription.cancels {
            acts.push(
                Form::act(format!("/subscriptions/{id}/restore"), "Отозвать отмену", "Отозвать")
                    .text("Подписка продолжится после периода."),
            );
        } else {
            acts.push(
                Form::act(format!("/subscriptions/{id}/cancel"), "Отменить подписку", "Отменить")
                    .text("В конце периода; сразу, если следующий период не оплачен.")
                    .danger(),
            );
        }
    }
    if can_reinstate {
        acts.push(
            Form::act(format!("/subscriptions/{id}/reinstate"), "Восстановить подписку", "Восстановить")
                .text("Откроется счёт за период, который следует за последним. Сам он с карты не спишется."),
        );
    }
    if subscription.needs_person {
        acts.push(
            Form::act(format!("/subscriptions/{id}/end-review"), "Закончить разбор", "Закончить")
                .text("Подписка закончится как неоплаченная, клиент сможет начать заново с сегодняшнего дня.")
                .danger(),
        );
    }
    acts
}

/// The form that ends a subscription whose current period was refunded whole; `None` for any other, and until the bank has returned
/// the money.
async fn end_refunded_form(conn: &mut Conn, details: &SubscriptionDetails) -> StoreResult<Option<Form>> {
    let subscription = &details.row.subscription;
    if subscription.state != SubscriptionState::Active || subscription.prepaid.is_some() {
        return Ok(None);
    }
    let id = details.row.id;
    let paid = subscriptions::find_invoice_of_period(conn, id, subscription.period_no).await?;
    let form = Form::act(format!("/subscriptions/{id}/end-refunded"), "Закончить сразу", "Закончить")
        .text("Деньги за период возвращены все. Доступ закончится сейчас; бонусные дни включат его снова.")
        .danger();
    let Some(paid) = paid.filter(is_refunded_whole) else { return Ok(None) };
    let refunds = invoice_payments::list_refunds_of_invoice(conn, paid.id).await?;
    Ok(refunds.iter().all(|refund| refund.state.has_ended()).then_some(form))
}

fn actions_table(actions: &[Action]) -> Table {
    let row = |action: &Action| {
        let invoice = action.invoice_id.map(|id| Cell::link(format!("/invoices/{id}"), id));
        Row::plain(vec![
            Cell::time(action.acted_at),
            Cell::text(action.actor.clone()),
            Cell::text(codes::subscription_action(&action.action)),
            Cell::maybe(action.reason.clone()),
            invoice.unwrap_or(Cell::Empty),
            Cell::json(&action.details.to_string()),
        ])
    };
    Table::new(&["Когда", "Кто", "Что", "Причина", "Счёт", "Подробности"], actions.iter().map(row).collect())
}
