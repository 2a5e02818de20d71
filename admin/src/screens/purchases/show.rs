//! The page of one purchase.

use flysk_domain::TextEnum as _;
use flysk_domain::id::PurchaseId;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_store::admin::lists::notifications::{self, NotificationFilter};
use flysk_store::platform::purchases::{self, Purchase, Refund};
use poem::Response;

use crate::http::{Billing, Fault, Support, Visit};
use crate::lists::{Keyset, List as _};
use crate::screens::bank::Notifications;
use crate::view::{Cell, DetailPage, Field, Form, Labeled as _, Row, Section, Table};

/// Notifications shown on the page.
const NOTIFICATIONS_SHOWN: u32 = 50;

/// `GET /purchases/:id`. The buyer's contact and the card stay sealed.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: PurchaseId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let purchase = purchases::find_purchase(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let refunds = purchases::list_refunds(&mut conn, id).await?;
    let of_order =
        NotificationFilter { order_id: Some(purchase.order_id.clone()), ..NotificationFilter::default() };
    let ids = notifications::ids(&mut conn, &of_order, &Keyset::newest(NOTIFICATIONS_SHOWN)).await?;
    let told = notifications::rows(&mut conn, &ids).await?;
    let mut page = DetailPage::new(visit.layout(format!("Покупка «{}»", purchase.title)));
    page.state = Some(purchase.state.cell());
    page.links = vec![Cell::link(format!("/wallets/{}", purchase.wallet_id), "Кошелёк")];
    page.facts = facts(&purchase);
    page.acts = acts(&purchase, &visit);
    page.sections = vec![
        Section::new("Возвраты", refunds_table(&refunds), "Возвратов не было."),
        Section::new(
            "Уведомления банка",
            Table::new(Notifications::HEAD, told.iter().map(Notifications::row).collect()),
            "Банк ещё ничего не сообщал.",
        ),
    ];
    visit.page(&page)
}

fn facts(purchase: &Purchase) -> Vec<(&'static str, Cell)> {
    let status = purchase.status.as_ref().map(ToString::to_string);
    vec![
        ("Id", Cell::code(purchase.id)),
        ("Цена", Cell::roubles(purchase.price)),
        ("Возвращено", Cell::roubles(purchase.refunded)),
        ("Flycoins", Cell::coins(purchase.coins)),
        ("Бонус", Cell::coins(purchase.bonus)),
        ("Расхождение", Cell::maybe(purchase.discrepancy.map(flysk_domain::TextEnum::as_str))),
        ("Установка", Cell::link(format!("/installs/{}", purchase.install_id), purchase.install_id)),
        ("Терминал", Cell::code(&purchase.terminal_key)),
        ("Заказ", Cell::code(&purchase.order_id)),
        ("Платёж", Cell::maybe_code(purchase.payment_id.clone())),
        ("Статус в банке", Cell::maybe(status)),
        ("Код ошибки", Cell::maybe(purchase.error_code.clone())),
        ("Карта", Cell::maybe(purchase.card_pan.clone())),
        ("Купил пользователь", Cell::maybe(purchase.bought_by.map(|user| user.to_string()))),
        ("Монеты зачислены", Cell::time(purchase.credited_at)),
        ("Создана", Cell::time(purchase.created_at)),
        ("Изменена", Cell::time(purchase.updated_at)),
    ]
}

fn acts(purchase: &Purchase, visit: &Visit<Support>) -> Vec<Form> {
    let id = purchase.id;
    let mut acts = vec![
        Form::act(format!("/purchases/{id}/refresh"), "Спросить банк", "Спросить")
            .text("Задание запросит у банка состояние платежа и всех платежей заказа."),
    ];
    if !visit.who.may::<Billing>() {
        return acts;
    }
    if purchase.state == PurchaseState::Paid && purchase.refunded < purchase.price {
        acts.push(
            Form::act(format!("/purchases/{id}/refund"), "Вернуть деньги", "Вернуть")
                .text("Неизрасходованные монеты спишутся сразу, деньги вернёт задание. Вернуть можно не больше, чем осталось.")
                .field(Field::text("roubles", "Сумма, рублей").hint("Пусто: всё, что можно вернуть"))
                .field(Field::hidden("seen", purchase.refunded.0))
                .danger(),
        );
    }
    if let Some(discrepancy) = purchase.discrepancy {
        acts.push(
            Form::act(format!("/purchases/{id}/resolve"), "Закончить проверку", "Закончить").text(format!(
                "Расхождение «{}» проверено в кабинете банка. Покупка с зачисленными монетами станет оплаченной, без них \
                 неоплаченной. В банк ничего не отправляется.",
                discrepancy.as_str()
            )),
        );
    }
    acts
}

fn refunds_table(refunds: &[Refund]) -> Table {
    let row = |refund: &Refund| {
        Row::plain(vec![
            Cell::time(refund.created_at),
            Cell::roubles(refund.allocation.kopecks),
            Cell::coins(refund.allocation.coins),
            Cell::coins(refund.allocation.bonus),
            refund.state.cell(),
            Cell::maybe(refund.error_code.clone()),
            Cell::text(refund.requested_by.clone()),
            Cell::code(&refund.id),
        ])
    };
    Table::new(
        &["Запрошен", "Сумма", "Flycoins", "Бонус", "Состояние", "Код ошибки", "Кем", "Id"],
        refunds.iter().map(row).collect(),
    )
}
