//! Lists of what there is little of: vendors, widgets, plans, packages, prices, operators, bulk acts, transfers, exports. They have
//! filters, orders, pages and exports as all lists do.

use chrono::Days;
use flysk_domain::Clock as _;
use flysk_domain::platform::subscriptions::moscow_day;
use sqlx::MySqlPool;

use super::bulk::{borrowed, confirmed, insert_dead};
use super::exports::export;
use super::harness::{Panel, Signed};
use super::subscriptions::TEAM_PLAN;
use super::transfers::{FIRM, queued};

/// The rows of a list, in their order; none if it is empty.
async fn rows(signed: &Signed<'_>, path: &str) -> Vec<String> {
    let page = signed.page(path).await.replace('\u{a0}', " ");
    let body = page.split_once("<tbody>").map_or("", |(_, rest)| rest.split("</tbody>").next().unwrap());
    body.split("<tr").skip(1).map(|row| row.trim().to_owned()).collect()
}

/// Whether each row of a list contains one of these texts, in their order.
async fn has_rows(signed: &Signed<'_>, path: &str, texts: &[&str]) {
    let rows = rows(signed, path).await;
    let is_told = rows.len() == texts.len() && rows.iter().zip(texts).all(|(row, text)| row.contains(text));
    assert!(is_told, "{path} has not the rows {texts:?}: {rows:#?}");
}

/// The address of a neighbouring page.
async fn neighbour(signed: &Signed<'_>, path: &str, rel: &str) -> String {
    let page = signed.page(path).await;
    let link =
        page.split(&format!("rel=\"{rel}\" href=\"")).nth(1).unwrap_or_else(|| panic!("{path}: {page}"));
    link.split('"').next().unwrap().replace("&#38;", "&")
}

/// All rows of a list of which each page shows one, and those of its last page and of the page before it.
async fn one_by_one(signed: &Signed<'_>, path: &str) -> (Vec<String>, Vec<String>, Vec<String>) {
    let separator = if path.contains('?') { '&' } else { '?' };
    let mut page = format!("{path}{separator}size=1");
    let mut shown = rows(signed, &page).await;
    for _ in 1..rows(signed, path).await.len() {
        page = neighbour(signed, &page, "next").await;
        shown.extend(rows(signed, &page).await);
    }
    let before = neighbour(signed, &page, "prev").await;
    (shown, rows(signed, &page).await, rows(signed, &before).await)
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn vendors_are_filtered_and_sorted(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "operator").await;
    let mut paths = Vec::new();
    for (code, name, inn) in
        [("romashka", "ООО «Ромашка»", "7707083893"), ("vasilek", "ИП Васильков", "7736050003")]
    {
        let fields = [
            ("code", code),
            ("legal_name", name),
            ("inn", inn),
            ("email", "help@vendor.example"),
            ("phone", "+74951234567"),
            ("charge_initiator", "R"),
            ("reason", "Новый партнёр"),
        ];
        paths.push(signed.act("/vendors/create", &fields).await);
        panel.app.clock.advance(chrono::Duration::seconds(1));
    }
    let (romashka, vasilek) = (paths[0].as_str(), paths[1].as_str());
    has_rows(&signed, "/vendors?name=ооо", &[romashka]).await;
    has_rows(&signed, "/vendors?inn=7736050003", &[vasilek]).await;
    has_rows(&signed, "/vendors?inn=7736050003&name=ооо", &[]).await;
    has_rows(&signed, "/vendors?terminal=yes", &[]).await;
    for (path, first, second) in [
        ("/vendors", vasilek, romashka),
        ("/vendors?sort=id", romashka, vasilek),
        ("/vendors?sort=code", romashka, vasilek),
        ("/vendors?sort=-code", vasilek, romashka),
        ("/vendors?sort=name", vasilek, romashka),
        ("/vendors?sort=-name", romashka, vasilek),
    ] {
        let shown = rows(&signed, path).await;
        let place = |wanted: &str| shown.iter().position(|row| row.contains(wanted)).unwrap();
        assert!(place(first) < place(second), "{path}: {shown:#?}");
        let (forwards, last, before) = one_by_one(&signed, path).await;
        assert_eq!(forwards, shown, "{path}");
        assert_eq!([before, last].concat(), shown[shown.len() - 2..], "{path} backwards");
    }
    for broken in ["/vendors?sort=amount", "/vendors?sort=code&after=x", "/vendors?day=soon"] {
        assert_eq!(panel.get_as(&signed.cookie, broken).await.status().as_u16(), 422, "{broken}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn widgets_are_filtered(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let widget = panel.app.widget().await;
    let vendor: String = sqlx::query_scalar("SELECT vendor_id FROM widgets WHERE id = ?")
        .bind(widget.id.to_string())
        .fetch_one(&panel.app.pool)
        .await
        .unwrap();
    let own = format!("/widgets/{}", widget.id);
    has_rows(&signed, &format!("/widgets?sort=-name&name={}", widget.name), &[&own]).await;
    has_rows(&signed, &format!("/widgets?vendor={vendor}&platform=amocrm&sort=code"), &[&own]).await;
    has_rows(&signed, "/widgets?vendor=vnd_01KC0000000000000000000000", &[]).await;
    has_rows(&signed, "/widgets?platform=kommo", &[]).await;
    has_rows(&signed, "/widgets?name=nothing-like-this", &[]).await;
    for (filter, matches) in
        [("flycoins", widget.uses_flycoins), ("subscriptions", widget.uses_subscriptions)]
    {
        let found = rows(&signed, &format!("/widgets?{filter}=yes")).await;
        assert_eq!(found.len(), usize::from(matches), "{filter}");
    }
    for broken in ["/widgets?vendor=x", "/widgets?platform=x", "/widgets?sort=amount"] {
        assert_eq!(panel.get_as(&signed.cookie, broken).await.status().as_u16(), 422, "{broken}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn what_is_sold_is_filtered_and_sorted(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let widget = panel.app.widget().await.id;
    let former = signed.act("/plans/offer", &TEAM_PLAN).await;
    panel.app.clock.advance(chrono::Duration::seconds(1));
    let dearer = TEAM_PLAN.map(|(name, kept)| (name, if name == "month" { "599" } else { kept }));
    let current = signed.act("/plans/offer", &dearer).await;
    has_rows(&signed, "/plans?code=team", &[&current, &former]).await;
    has_rows(&signed, "/plans?code=team&sort=code", &[&former, &current]).await;
    has_rows(&signed, "/plans?code=team&sort=-name", &[&current, &former]).await;
    has_rows(&signed, "/plans?code=team&state=sold", &[&current]).await;
    has_rows(&signed, &format!("/plans?widget={widget}&state=retired"), &[&former]).await;
    has_rows(&signed, "/plans?widget=wgt_00000000000000000000000000", &[]).await;
    let link = format!("href=\"/widgets/{widget}\">flysense<");
    has_rows(&signed, "/plans?code=team&state=sold", &[&link]).await;

    for (code, price) in [("small", "111"), ("big", "987")] {
        let offer = [
            ("widget", "flysense"),
            ("code", code),
            ("title", "Набор"),
            ("roubles", price),
            ("reason", "Новый пакет"),
        ];
        signed.act("/packages/offer", &offer).await;
        panel.app.clock.advance(chrono::Duration::seconds(1));
    }
    let retire = [("widget", "flysense"), ("code", "small"), ("reason", "Не берут")];
    signed.act("/packages/retire", &retire).await;
    has_rows(&signed, "/packages?code=small&state=retired", &["111 ₽"]).await;
    has_rows(&signed, "/packages?code=small&state=sold", &[]).await;
    let by_price = rows(&signed, "/packages?sort=-amount").await;
    let place = |price: &str| by_price.iter().position(|row| row.contains(price)).unwrap();
    assert!(place("987 ₽") < place("111 ₽"), "{by_price:#?}");
    assert!(rows(&signed, &format!("/packages?widget={widget}&sort=name")).await.len() >= 2);
    for broken in ["/plans?state=x", "/packages?state=x", "/plans?sort=amount", "/packages?widget=x"] {
        assert_eq!(panel.get_as(&signed.cookie, broken).await.status().as_u16(), 422, "{broken}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn prices_are_filtered_by_the_day_of_their_validity(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    has_rows(&signed, "/prices?service=flysense.summary", &["flysense.summary"]).await;
    let day = moscow_day(panel.app.clock.now()).checked_add_days(Days::new(3)).unwrap();
    let from = day.to_string();
    let price = [
        ("service", "flysense.summary"),
        ("unit", "piece"),
        ("rate", "7"),
        ("from", from.as_str()),
        ("reason", "Подорожало"),
    ];
    signed.act("/prices/set", &price).await;
    let (former, next) = ("1 FC за штуку", "7 FC за штуку");
    has_rows(&signed, "/prices?service=flysense.summary", &[next, former]).await;
    has_rows(&signed, "/prices?service=flysense.summary&sort=start", &[former, next]).await;
    has_rows(&signed, "/prices?service=flysense.summary&sort=-start", &[next, former]).await;
    // The end of the former version is the start of the next one.
    has_rows(&signed, "/prices?service=flysense.summary", &["", &day.format("%d.%m.%Y").to_string()]).await;
    has_rows(&signed, &format!("/prices?service=flysense.summary&on={from}"), &[next]).await;
    let before = day.pred_opt().unwrap();
    has_rows(&signed, &format!("/prices?service=flysense.summary&on={before}"), &[former]).await;
    has_rows(&signed, "/prices?on=2020-01-01", &[]).await;
    assert_eq!(
        rows(&signed, &format!("/prices?on={before}&sort=code")).await.len(),
        2,
        "one of each service"
    );
    let second = neighbour(&signed, "/prices?sort=code&size=1", "next").await;
    has_rows(&signed, &second, &["flysense.summary"]).await;
    let first = neighbour(&signed, &second, "prev").await;
    has_rows(&signed, &first, &["flysense.recognition"]).await;
    assert_eq!(panel.get_as(&signed.cookie, "/prices?on=soon").await.status().as_u16(), 422);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn operators_are_listed_and_exported_for_owners_only(pool: MySqlPool) {
    let (panel, _storage) = Panel::open_with_storage(pool).await;
    let owner = panel.sign_in_with("anna", "owner", &["export"]).await;
    let support = panel.sign_in_with("boris", "support", &["export"]).await;
    panel.create("vera", "billing").await;
    disable(&panel, "vera").await;
    panel.create("galina", "billing").await;
    has_rows(&owner, "/operators?sort=code", &[">anna<", ">boris<", ">galina<", ">vera<"]).await;
    has_rows(&owner, "/operators?role=billing&sort=-code", &[">vera<", ">galina<"]).await;
    has_rows(&owner, "/operators?state=enrolling", &[">galina<"]).await;
    has_rows(&owner, "/operators?state=disabled", &[">vera<"]).await;
    has_rows(&owner, "/operators?state=working&role=support", &[">boris<"]).await;
    assert_eq!(panel.get_as(&owner.cookie, "/operators?state=x").await.status().as_u16(), 422);

    for (list, status) in [("/operators", 404), ("/bulk", 404), ("/exports", 404)] {
        support.refused("/export", &[("list", list), ("query", ""), ("reason", "Сверка")], status).await;
    }
    let path = export(&owner, "/operators", "role=billing", "csv").await;
    let answer = owner.post(&format!("{path}/download"), &[]).await;
    let text = answer.text().await.unwrap();
    assert!(text.contains("galina") && !text.contains("boris") && !text.contains("argon2"), "{text}");

    // Everybody has a list of the own ones, which is no file.
    has_rows(&owner, "/exports?state=ready&format=csv", &[&path]).await;
    has_rows(&owner, "/exports?format=xlsx", &[]).await;
    has_rows(&support, "/exports", &[]).await;
    assert!(!owner.page("/exports").await.contains("action=\"/export\""));
    assert!(owner.page("/vendors").await.contains("action=\"/export\""));
}

/// Disables an operator, as an owner does.
async fn disable(panel: &Panel, login: &str) {
    let disable = sqlx::query("UPDATE operators SET disabled_at = ? WHERE login = ?");
    disable.bind(panel.app.clock.now()).bind(login).execute(&panel.app.pool).await.unwrap();
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn bulk_acts_and_transfers_are_filtered(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in_with("anna", "owner", &["bulk"]).await;
    insert_dead(&panel, 2).await;
    let fields = confirmed(&signed, "job.replay", "/jobs", "kind=test.copy&state=dead").await;
    let act = signed.act("/bulk/start", &borrowed(&fields)).await;
    let operator: String = sqlx::query_scalar("SELECT id FROM operators WHERE login = 'anna'")
        .fetch_one(&panel.app.pool)
        .await
        .unwrap();
    has_rows(&signed, &format!("/bulk?state=running&action=job.replay&operator={operator}"), &[&act]).await;
    has_rows(&signed, "/bulk?state=done", &[]).await;
    has_rows(&signed, "/bulk?action=job.cancel", &[]).await;

    let (small, large) = (queued(&panel, 100, "17").await, queued(&panel, 123_456, "18").await);
    let (small, large) = (format!("/transfers/{small}"), format!("/transfers/{large}"));
    has_rows(&signed, "/transfers?sort=-amount", &[&large, &small]).await;
    has_rows(&signed, "/transfers?sort=amount", &[&small, &large]).await;
    assert_eq!(rows(&signed, &format!("/transfers?inn={FIRM}&why=unknown")).await.len(), 2);
    has_rows(&signed, "/transfers?why=other_payer", &[]).await;
    has_rows(&signed, "/transfers?vendor=vnd_01KC0000000000000000000000", &[]).await;
}
