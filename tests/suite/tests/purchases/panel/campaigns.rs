//! Price campaigns: the check, the typed confirmation, and stopping one.

use chrono::Days;
use flysk_domain::Clock as _;
use flysk_domain::platform::subscriptions::moscow_day;
use flysk_store::platform::subscriptions;
use sqlx::MySqlPool;

use super::harness::Panel;
use super::subscriptions::{TEAM_PLAN, start_with_a_month};

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn customers_move_to_a_new_price_after_a_check_and_a_typed_number(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    start_with_a_month(&panel, &signed).await;
    signed
        .act(
            "/plans/offer",
            &TEAM_PLAN.map(|(name, value)| (name, if name == "month" { "599" } else { value })),
        )
        .await;
    let widget = panel.app.widget().await.id;
    let plans = subscriptions::list_all_plans(&mut *panel.app.conn().await, widget).await.unwrap();
    let (new, old) = (plans[0].id.to_string(), plans[1].id);

    let today = moscow_day(panel.app.clock.now());
    let (soon, on) = ((today + Days::new(29)).to_string(), (today + Days::new(40)).to_string());
    let check = format!("/plans/{old}/price-change");
    let too_soon = panel.get_as(&signed.cookie, &format!("{check}?to={new}&on={soon}")).await;
    assert_eq!(too_soon.status(), 422);
    assert!(too_soon.text().await.unwrap().contains("не раньше чем через 30 дней"));
    let answer = signed.post(&check, &[("to", &new), ("on", &on)]).await;
    assert_eq!(answer.headers()["location"], format!("{check}?to={new}&on={on}"));
    let page = signed.page(&format!("{check}?to={new}&on={on}")).await;
    assert!(page.contains("введите число клиентов: 1"), "{page}");

    let start = format!("/plans/{old}/campaign");
    let fields = |typed| [("to", new.as_str()), ("on", on.as_str()), ("typed", typed), ("reason", "Аренда")];
    signed.refused(&start, &fields("2"), 409).await;
    signed.act(&start, &fields("1")).await;
    signed.refused(&start, &fields("1"), 409).await;
    let campaign = panel.record_of("campaign.start").await.subject_id;
    assert!(signed.page(&format!("/plans/{old}")).await.contains(&format!("/campaigns/{campaign}")));

    let stop = format!("/campaigns/{campaign}/stop");
    signed.act(&stop, &[("reason", "Передумали")]).await;
    signed.refused(&stop, &[("reason", "Ещё раз")], 409).await;
    let stopped = panel.record_of("campaign.stop").await;
    assert_eq!((stopped.subject_id, stopped.reason.as_str()), (campaign.clone(), "Передумали"));
    assert!(signed.page(&format!("/campaigns/{campaign}")).await.contains("остановлена"));
}
