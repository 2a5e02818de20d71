//! Editing a subscription: the price of a change is shown before it is applied.

use flysk_domain::platform::subscriptions::InvoiceKind;
use flysk_store::platform::subscriptions;
use sqlx::MySqlPool;

use super::bought::{invoice, paid, path};
use super::harness::Panel;
use super::subscriptions::subscription;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn more_seats_are_priced_shown_and_invoiced_once(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    paid(&panel, &signed, "1").await;
    let path = path(&panel).await;
    let (price, apply) = (format!("{path}/quote"), format!("{path}/apply"));
    let seats = |seats: &'static str| [("kind", "seats"), ("seats", seats)];
    panel.sign_in("sonya", "support").await.refused(&price, &seats("5"), 403).await;
    for (fields, status) in [
        (seats("3"), 422),
        (seats("51"), 422),
        (seats(""), 422),
        ([("kind", "start"), ("seats", "5")], 422),
        ([("kind", "nonsense"), ("seats", "5")], 422),
    ] {
        signed.refused(&price, &fields, status).await;
    }
    let first = signed.act(&price, &seats("5")).await;
    let page = signed.page(&first).await;
    assert!(page.contains("мест: 5") && page.contains("Будет выставлен счёт"), "{page}");
    assert_eq!(subscription(&panel).await.subscription.terms.unwrap().seats, 3, "nothing has changed yet");
    // The newest row; the start had a price too.
    let row = panel.audit().await.into_iter().find(|row| row.action == "subscription.quote").unwrap();
    assert_eq!((row.operator_login.as_str(), format!("/subscriptions/{}", row.subject_id)), ("anna", path));
    let quote = first.split("quote=").nth(1).unwrap().to_owned();
    let fields = [("quote", quote.as_str()), ("reason", "Новые сотрудники")];
    signed.refused(&apply, &[("quote", quote.as_str())], 422).await;
    let written = signed.act(&apply, &fields).await;
    let id = written.strip_prefix("/invoices/").unwrap().parse().unwrap();
    assert_eq!(invoice(&panel, id).await.kind, InvoiceKind::Change);
    assert_eq!(signed.act(&apply, &fields).await, written, "the same form once more");
    let change = panel.audit().await.into_iter().filter(|row| row.action == "subscription.change").count();
    assert_eq!(change, 2, "the start and this one");
    // The subscription has another version by now: a former price is not applied, but shown anew.
    let stale = signed.act(&price, &seats("7")).await.split("quote=").nth(1).unwrap().to_owned();
    let other = signed.act(&price, &seats("8")).await.split("quote=").nth(1).unwrap().to_owned();
    signed.act(&apply, &[("quote", &other), ("reason", "Ещё")]).await;
    let renewed = signed.act(&apply, &[("quote", &stale), ("reason", "Или так")]).await;
    assert!(renewed.starts_with(&price) && !renewed.contains(&stale), "{renewed}");
    signed.refused(&apply, &[("quote", "quo_01KC0000000000000000000000"), ("reason", "x")], 404).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn another_length_waits_for_the_next_period_and_is_withdrawn(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    paid(&panel, &signed, "1").await;
    let path = path(&panel).await;
    let length = [("kind", "length"), ("length", "12")];
    let quoted = signed.act(&format!("{path}/quote"), &length).await;
    assert!(signed.page(&quoted).await.contains("ждёт следующего периода"));
    let quote = quoted.split("quote=").nth(1).unwrap().to_owned();
    assert_eq!(signed.act(&format!("{path}/apply"), &[("quote", &quote), ("reason", "На год")]).await, path);
    let id = subscription(&panel).await.id;
    let pending = subscriptions::list_pending(&mut *panel.app.conn().await, id).await.unwrap();
    assert_eq!(pending.len(), 1);
    assert!(signed.page(&path).await.contains("период оплаты: 12 месяцев"));
    let withdraw = format!("{path}/withdraw-change");
    signed.refused(&withdraw, &[("kind", "seats"), ("reason", "x")], 409).await;
    signed.act(&withdraw, &[("kind", "length"), ("reason", "Передумали")]).await;
    let pending = subscriptions::list_pending(&mut *panel.app.conn().await, id).await.unwrap();
    assert!(pending.is_empty());
    assert_eq!(panel.record_of("subscription.withdraw_change").await.reason, "Передумали");
    assert!(signed.page(&path).await.contains("изменение отозвано"));
}
