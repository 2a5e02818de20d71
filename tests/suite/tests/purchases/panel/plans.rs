//! The page of a plan's version: changing its terms makes a new version, and a version never changes.

use flysk_store::platform::subscriptions::{self, Plan};
use sqlx::MySqlPool;

use super::harness::{Panel, value_of};
use super::subscriptions::TEAM_PLAN;

async fn versions(panel: &Panel) -> Vec<Plan> {
    let widget = panel.app.widget().await.id;
    subscriptions::list_all_plans(&mut *panel.app.conn().await, widget).await.unwrap()
}

/// The form with this price of a month, and the version that it was opened on.
fn priced<'a>(month: &'a str, seen: &'a str) -> Vec<(&'a str, &'a str)> {
    let fields = TEAM_PLAN.into_iter().map(|(name, kept)| (name, if name == "month" { month } else { kept }));
    fields.chain([("seen", seen)]).collect()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_version_keeps_its_terms_and_its_page_makes_the_next_one(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let features = r#"{"calls": "без предела"}"#;
    let first = TEAM_PLAN.map(|(name, kept)| (name, if name == "features" { features } else { kept }));
    let path = signed.act("/plans/offer", &first).await;
    let page = signed.page(&path).await.replace('\u{a0}', " ");
    for part in ["продаётся", "1 месяц", "499 ₽", "4 990,50 ₽", "415,87 ₽", "без предела"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(value_of(&page, "month"), "499.00");
    let seen = value_of(&page, "seen");
    panel.sign_in("sonya", "support").await.refused("/plans/offer", &priced("599", &seen), 403).await;
    let next = signed.act("/plans/offer", &priced("599", &seen)).await;
    assert_ne!(next, path);
    signed.refused("/plans/offer", &priced("699", &seen), 409).await;
    let all = versions(&panel).await;
    assert_eq!((all.len(), all[0].version, all[0].active, all[1].active), (2, 2, true, false));
    assert_eq!(all[1].terms.features.to_string(), r#"{"calls":"без предела"}"#);
    let former = signed.page(&path).await.replace('\u{a0}', " ");
    assert!(former.contains("499 ₽") && former.contains("снята") && former.contains(&next), "{former}");
    assert!(former.contains("Выставить снова") && !former.contains("data-act=\"retire\""), "{former}");
    let listed = signed.page("/plans").await;
    assert!(listed.contains(&path) && listed.contains(&next), "{listed}");
    let retire = [("widget", "flysense"), ("code", "team"), ("reason", "Не берут")];
    assert_eq!(signed.act("/plans/retire", &retire).await, next);
    // Terms of the first version return as the third one.
    signed.act("/plans/offer", &priced("499", "0")).await;
    let all = versions(&panel).await;
    assert_eq!((all.len(), all[0].version, all[0].active), (3, 3, true));
    let offers = panel.audit().await.into_iter().filter(|row| row.action == "plan.offer").count();
    assert_eq!(offers, 3, "one for each version");
    assert!(signed.page("/audit").await.contains("тариф выставлен на продажу"));
}
