//! Lists and pages: every one opens, filters, pages, searches, and shows hostile names as text.

use flysk_admin::{Access, routes};
use flysk_jobs::platform::upkeep::RollUpFigures;
use poem::http::Method;
use reqwest::StatusCode;
use reqwest::header::LOCATION;
use sqlx::MySqlPool;

use super::bulk;
use super::harness::{Panel, Signed};
use crate::harness::PRICE;

/// Pages without parameters for operators.
fn pages() -> Vec<&'static str> {
    let routes = routes::table();
    let shown =
        routes.iter().filter(|route| route.method == Method::GET && matches!(route.access, Access::Role(_)));
    shown.map(|route| route.path).filter(|path| !path.contains(':') && *path != "/search").collect()
}

async fn location(signed: &Signed<'_>, path: &str) -> String {
    let answer = signed.panel.get_as(&signed.cookie, path).await;
    answer.headers().get(LOCATION).map(|path| path.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_page_opens_with_nothing_and_with_something_to_show(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "owner").await;
    assert!(pages().len() > 14, "{:?}", pages());
    for path in pages() {
        assert!(signed.page(path).await.contains("<h1>"), "{path}");
    }
    let id = panel.app.paid().await;
    let install = panel.app.install().await;
    let details = [
        format!("/purchases/{id}"),
        format!("/wallets/{}", panel.app.wallet),
        format!("/installs/{}", install.id),
        format!("/installs/{}/timeline", install.id),
        format!("/widgets/{}", install.widget_id),
        format!("/accounts/{}", install.account_id),
    ];
    for path in pages().into_iter().map(str::to_owned).chain(details) {
        assert!(signed.page(&path).await.contains("<h1>"), "{path}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn broken_filters_and_foreign_ids_are_told_and_are_no_errors_of_ours(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "owner").await;
    for (path, status) in [
        ("/jobs?state=nonsense", 422),
        ("/jobs?day=soon", 422),
        ("/jobs?day=%2B99999-01-01", 422),
        ("/transfer-invoices?due_from=%2B99999-01-01", 422),
        ("/discrepancies?compared=%2B99999-01-01", 422),
        ("/events?from=%2B99999-01-01", 422),
        ("/events?until=soon", 422),
        ("/events?from=2026-11-30&until=2026-11-01", 200),
        ("/jobs?size=-5", 422),
        ("/jobs?after=%00&before=%27", 200),
        ("/jobs?after=%D0%B6", 422),
        ("/jobs?kind=%D0%B6&correlation=%D0%B6", 200),
        ("/jobs?size=100000", 200),
        ("/accounts?host=%25%D0%B6", 200),
        ("/accounts?sort=domain&after=%D0%B6~7", 422),
        ("/accounts?sort=name&after=%D0%B6~7", 200),
        ("/jobs?sort=amount", 422),
        ("/invoices?sort=colour", 422),
        ("/invoices?sort=-amount&kind=renewal", 200),
        ("/invoices?sort=-amount&after=inv_1", 422),
        ("/invoices?sort=-amount&before=%27~%27", 422),
        ("/invoices?sort=-amount&after=99999999999999999999~inv_1", 422),
        ("/subscriptions?sort=until&after=~sub_1&day=2026-11-30", 200),
        ("/purchases?wallet=pur_1", 422),
        ("/installs?account=%27", 422),
        ("/jobs/job_1", 404),
        ("/jobs/pur_01KC0000000000000000000000", 404),
        ("/accounts/99999999999999999999", 404),
        ("/purchases/pur_01KC0000000000000000000000", 404),
        ("/search?q=%D0%B6%D0%B6", 200),
        ("/search?q=%27%20OR%201%3D1", 200),
    ] {
        let answer = panel.get_as(&signed.cookie, path).await;
        assert_eq!(answer.status().as_u16(), status, "{path}: {}", answer.text().await.unwrap());
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_customers_name_is_shown_as_text(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "owner").await;
    let rename = "UPDATE accounts SET name = '<script>alert(1)</script>\"><img src=x>'";
    sqlx::query(rename).execute(&panel.app.pool).await.unwrap();
    let install = panel.app.install().await;
    for path in [
        "/accounts".to_owned(),
        "/installs".to_owned(),
        format!("/accounts/{}", install.account_id),
        format!("/installs/{}", install.id),
        format!("/wallets/{}", panel.app.wallet),
    ] {
        let page = signed.page(&path).await;
        assert!(!page.contains("<script>alert") && !page.contains("<img"), "{path}");
    }
    assert!(signed.page("/accounts").await.contains("&#60;script&#62;alert(1)"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn pages_of_a_list_follow_each_other_in_both_directions(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    for _ in 0..5 {
        panel.app.begin().await;
        panel.app.clock.advance(chrono::Duration::seconds(1));
    }
    let ids = |page: &str| -> Vec<String> {
        page.split("data-href=\"/purchases/")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect()
    };
    let link = |page: &str, rel: &str| -> Option<String> {
        let rest = page.split(&format!("rel=\"{rel}\" href=\"")).nth(1)?;
        Some(rest.split('"').next()?.replace("&#38;", "&"))
    };
    let first = signed.page("/purchases?size=2").await;
    let second = signed.page(&link(&first, "next").unwrap()).await;
    let third = signed.page(&link(&second, "next").unwrap()).await;
    let all: Vec<String> = [&first, &second, &third].into_iter().flat_map(|page| ids(page)).collect();
    let mut sorted = all.clone();
    sorted.sort_by(|a, b| b.cmp(a));
    assert_eq!((all.len(), &all), (5, &sorted));
    assert!(first.contains("Найдено: 5") && link(&third, "next").is_none() && link(&first, "prev").is_none());
    let back = signed.page(&link(&third, "prev").unwrap()).await;
    assert_eq!(ids(&back), ids(&second));
    let oldest = signed.page("/purchases?size=2&order=old").await;
    assert_eq!(ids(&oldest), [sorted[4].clone(), sorted[3].clone()]);
    let before = signed.page("/purchases?day=2020-01-01").await;
    assert!(ids(&before).is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_large_list_is_counted_further_on_request(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["bulk"]).await;
    bulk::insert_dead(&panel, 1_001).await;
    let page = signed.page("/jobs?kind=test.copy").await.replace('\u{a0}', " ");
    assert!(page.contains("Найдено: 1 000+ <a"), "{page}");
    let more = page.split("id=\"count\"").nth(1).unwrap().split("href=\"").nth(1).unwrap();
    let more = more.split('"').next().unwrap().replace("&#38;", "&");
    assert_eq!(more, "/jobs?kind=test.copy&count=more");
    let counted = signed.page(&more).await.replace('\u{a0}', " ");
    assert!(counted.contains("Найдено: 1 001<") && !counted.contains("сосчитать дальше"), "{counted}");
    // What begins on this page counts anew.
    let next = counted.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let bulk = counted.split("id=\"bulk\"").nth(1).unwrap().split("</p>").next().unwrap();
    assert!(!next.contains("count=") && !bulk.contains("count"), "{next} {bulk}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn accounts_that_begin_with_a_text_are_in_alphabetical_order(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    for (id, letter) in [(51, "d"), (52, "b"), (53, "a"), (54, "c"), (55, "e")] {
        let insert = "INSERT INTO accounts (platform, id, host, name, created_at, updated_at)
                      VALUES ('amocrm', ?, ?, ?, NOW(6), NOW(6))";
        let (host, name) = (format!("same-{letter}.amocrm.ru"), format!("Фирма {letter}"));
        sqlx::query(insert).bind(id).bind(host).bind(name).execute(&panel.app.pool).await.unwrap();
    }
    let numbers = |page: &str| -> Vec<String> {
        let rows = page.split("data-href=\"/accounts/").skip(1);
        rows.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let link = |page: &str, rel: &str| -> Option<String> {
        let rest = page.split(&format!("rel=\"{rel}\" href=\"")).nth(1)?;
        Some(rest.split('"').next()?.replace("&#38;", "&"))
    };
    for filter in ["host=same-", "name=фирма", "host=same-&name=Фирма"] {
        let first = signed.page(&format!("/accounts?size=2&{filter}")).await;
        let second = signed.page(&link(&first, "next").unwrap()).await;
        let third = signed.page(&link(&second, "next").unwrap()).await;
        assert_eq!(numbers(&first), ["53", "52"], "{filter}");
        assert_eq!(numbers(&second), ["54", "51"], "{filter}");
        assert_eq!(numbers(&third), ["55"], "{filter}");
        assert_eq!(numbers(&signed.page(&link(&third, "prev").unwrap()).await), ["54", "51"], "{filter}");
        let backwards = signed.page(&format!("/accounts?size=2&order=old&{filter}")).await;
        assert_eq!(numbers(&backwards), ["55", "51"], "{filter}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_search_box_knows_the_form_of_what_is_typed(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let id = panel.app.paid().await;
    let purchase = panel.app.find(id).await;
    let install = panel.app.install().await;
    let host: String =
        sqlx::query_scalar("SELECT host FROM accounts").fetch_one(&panel.app.pool).await.unwrap();
    let account = format!("/accounts/{}", install.account_id);
    for (typed, page) in [
        (id.to_string(), format!("/purchases/{id}")),
        (purchase.payment_id.unwrap(), format!("/purchases/{id}")),
        (install.id.to_string(), format!("/installs/{}", install.id)),
        (install.account_id.to_string(), account.clone()),
        (host.clone(), account.clone()),
        (format!("https://{}/", host.to_uppercase()).replace("HTTPS", "https"), account.clone()),
        (host.chars().take(4).collect(), account.clone()),
    ] {
        assert_eq!(location(&signed, &format!("/search?q={typed}")).await, page, "{typed}");
    }
    for change in [
        "UPDATE accounts SET name = 'ООО «Василёк»'",
        "UPDATE vendors SET legal_name = 'ИП Репин', inn = '7736050003'",
    ] {
        sqlx::query(change).execute(&panel.app.pool).await.unwrap();
    }
    let vendor: String =
        sqlx::query_scalar("SELECT MIN(id) FROM vendors").fetch_one(&panel.app.pool).await.unwrap();
    let (vendor, widget) = (format!("/vendors/{vendor}"), format!("/widgets/{}", install.widget_id));
    for (typed, page) in
        [("ооо «вас", &account), ("7736050003", &vendor), ("ип р", &vendor), ("flysense", &widget)]
    {
        assert_eq!(location(&signed, &format!("/search?q={typed}")).await, *page, "{typed}");
    }
    let nothing = signed.page("/search?q=nothing-like-this").await;
    assert!(nothing.contains("Ничего не найдено"), "{nothing}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_start_page_shows_figures_that_a_job_computes(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    assert!(signed.page("/").await.contains("id=\"stale\""), "nobody has computed them yet");
    panel.app.paid().await;
    panel.app.enqueue(&RollUpFigures {}).await;
    panel.app.run_due_jobs().await;
    let page = signed.page("/").await.replace('\u{a0}', " ");
    assert!(!page.contains("id=\"stale\""), "{page}");
    let revenue = format!("<div class=\"value\">{} ₽</div>", PRICE / 100);
    assert!(page.contains(&revenue) && page.contains("550 FC") && page.contains("<svg"), "{page}");
    let answer = panel.get_as(&signed.cookie, "/purchases?state=paid").await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_saved_view_is_seen_by_its_operator_and_a_shared_one_by_all(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (anna, boris) = (panel.sign_in("anna", "support").await, panel.sign_in("boris", "support").await);
    let save = |name: &'static str, shared: &'static str| {
        [("list", "/jobs"), ("query", "state=dead&after=job_1"), ("name", name), ("shared", shared)]
    };
    assert_eq!(anna.act("/views/save", &save("Мои мёртвые", "")).await, "/jobs?state=dead");
    anna.act("/views/save", &save("Для всех", "yes")).await;
    let (own, other) = (anna.page("/jobs").await, boris.page("/jobs").await);
    assert!(own.contains("Мои мёртвые") && own.contains("Для всех"), "{own}");
    assert!(!other.contains("Мои мёртвые") && other.contains("Для всех"), "{other}");
    let delete = own.split("action=\"/views/").nth(2).unwrap().split('"').next().unwrap();
    let delete = format!("/views/{delete}");
    boris.refused(&delete, &[("list", "/jobs")], 404).await;
    assert_eq!(anna.act(&delete, &[("list", "/jobs")]).await, "/jobs");
    boris.refused("/views/save", &[("list", "//elsewhere.example"), ("name", "x")], 404).await;
    // Short as it is typed, but not as it is stored.
    let long = format!("host={}", "ж".repeat(300));
    boris.refused("/views/save", &[("list", "/accounts"), ("query", &long), ("name", "x")], 422).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_chooses_the_columns_of_a_list(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    panel.app.begin().await;
    let head = |page: &str| -> Vec<String> {
        let head = page.split("<thead>").nth(1).unwrap().split("</thead>").next().unwrap();
        let title = |th: &str| -> String {
            let texts = th.split("</th>").next().unwrap().split('>').skip(1);
            let mut texts = texts.map(|rest| rest.split('<').next().unwrap().trim());
            texts.find(|text| !text.is_empty()).unwrap().to_owned()
        };
        head.split("<th scope=\"col\"").skip(1).map(title).collect()
    };
    let (all, some) = (signed.page("/jobs").await, signed.page("/jobs?hide=0&hide=4").await);
    let (all_head, some_head) = (head(&all), head(&some));
    assert_eq!(some_head.len(), all_head.len() - 2);
    assert!(!some_head.contains(&all_head[0]) && !some_head.contains(&all_head[4]), "{some_head:?}");
    let cells = |page: &str| {
        page.split("<tbody>").nth(1).unwrap().split("</tr>").next().unwrap().matches("<td").count()
    };
    assert_eq!(cells(&some), some_head.len());
    // The choice is a part of a saved view.
    let save = [("list", "/jobs"), ("query", "hide=0&hide=4"), ("name", "Коротко")];
    assert_eq!(signed.act("/views/save", &save).await, "/jobs?hide=0&hide=4");
    assert_eq!(head(&signed.page("/jobs?hide=99&hide=x").await), all_head);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_keeps_the_density_of_rows(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (anna, boris) = (panel.sign_in("anna", "support").await, panel.sign_in("boris", "support").await);
    let is_compact =
        async |signed: &Signed<'_>, path: &str| signed.page(path).await.contains("<body class=\"compact\">");
    assert!(!is_compact(&anna, "/jobs").await);
    let shown = "/jobs?state=dead&hide=0";
    let form = [("density", "compact"), ("next", shown)];
    assert_eq!(anna.act("/me/density", &form).await, shown);
    for path in [shown, "/installs", "/me", "/"] {
        assert!(is_compact(&anna, path).await, "{path}");
        assert!(!is_compact(&boris, path).await, "{path} of another operator");
    }
    // The page of a refusal is the operator's, too.
    let refused = anna.refused("/me/density", &[("density", "tiny")], 422).await;
    assert!(refused.contains("<body class=\"compact\">"), "{refused}");
    anna.refused("/me/density", &[], 422).await;
    let elsewhere = [("density", "comfortable"), ("next", "//elsewhere.example")];
    assert_eq!(anna.act("/me/density", &elsewhere).await, "/");
    assert!(!is_compact(&anna, "/jobs").await);
    assert_eq!(anna.act("/me/density", &[("density", "compact")]).await, "/me");
}
