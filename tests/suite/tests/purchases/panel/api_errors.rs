//! Errors that the API answered: the number of a request finds them, and their list has filters and pages.

use flysk_domain::Clock as _;
use flysk_domain::id::WidgetId;
use flysk_store::portal::api_calls::{self, CallError};
use reqwest::header::LOCATION;
use sqlx::MySqlPool;

use super::bulk;
use super::harness::Panel;

/// Stores answers to two widgets, oldest first; returns these widgets.
async fn answered(panel: &Panel) -> (WidgetId, WidgetId) {
    let (own, other) = (panel.app.install().await.widget_id, WidgetId::generate(&panel.app.clock));
    let error = |widget_id, operation, status, code: &str, request_id: &str| CallError {
        widget_id,
        happened_at: panel.app.clock.now(),
        operation,
        status,
        code: code.to_owned(),
        detail: "<b>nothing</b>".to_owned(),
        request_id: request_id.to_owned(),
    };
    let errors = [
        error(own, "getInstall", 404, "install_not_found", "failed-1"),
        error(own, "chargeFlycoins", 402, "insufficient_balance", "failed-2"),
        error(other, "chargeFlycoins", 402, "insufficient_balance", "failed-3"),
        // The id of a request is its caller's choice.
        error(own, "chargeFlycoins", 402, "insufficient_balance", "copies"),
    ];
    api_calls::insert_errors(&mut *panel.app.conn().await, &errors).await.unwrap();
    (own, other)
}

/// Numbers of the requests on a page, in their order.
fn requests(page: &str) -> Vec<&'static str> {
    let known = ["failed-1", "failed-2", "failed-3", "copies"];
    let cells = page.split("<code>").skip(1).filter_map(|rest| rest.split('<').next());
    cells.filter_map(|cell| known.into_iter().find(|request| *request == cell)).collect()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_number_of_a_request_without_jobs_and_acts_leads_to_its_error(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (own, _) = answered(&panel).await;
    let signed = panel.sign_in("anna", "support").await;
    let answer = panel.get_as(&signed.cookie, "/search?q=failed-1").await;
    assert_eq!(answer.headers()[LOCATION], "/api-errors?request=failed-1");
    let page = signed.page("/api-errors?request=failed-1").await;
    assert_eq!(requests(&page), ["failed-1"], "{page}");
    for told in ["install_not_found", "getInstall", "404", format!("href=\"/widgets/{own}\"").as_str()] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert!(page.contains("/jobs?correlation=failed-1") && page.contains("/audit?correlation=failed-1"));
    assert!(!page.contains("<b>nothing"), "{page}");
    // A request with jobs, too.
    bulk::insert_dead(&panel, 1).await;
    let found = signed.page("/search?q=copies").await;
    assert!(
        found.contains("data-href=\"/api-errors?request=copies\"") && found.contains("test.copy"),
        "{found}"
    );
    assert!(signed.page("/search?q=failed-9").await.contains("Ничего не найдено"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn errors_are_listed_by_widget_and_by_what_went_wrong(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (own, other) = answered(&panel).await;
    let signed = panel.sign_in("anna", "support").await;
    let link = format!("href=\"/api-errors?widget={own}\"");
    assert!(signed.page(&format!("/widgets/{own}")).await.contains(&link));
    for (query, shown) in [
        (String::new(), vec!["copies", "failed-3", "failed-2", "failed-1"]),
        ("sort=id".to_owned(), vec!["failed-1", "failed-2", "failed-3", "copies"]),
        (format!("widget={own}"), vec!["copies", "failed-2", "failed-1"]),
        (format!("widget={other}"), vec!["failed-3"]),
        (format!("widget={own}&operation=getInstall"), vec!["failed-1"]),
        (format!("widget={own}&code=402"), vec!["copies", "failed-2"]),
        (format!("widget={own}&code=install_not_found"), vec!["failed-1"]),
        (format!("widget={own}&request=failed-2"), vec!["failed-2"]),
        ("request=failed-3".to_owned(), vec!["failed-3"]),
    ] {
        let page = signed.page(&format!("/api-errors?{query}")).await;
        assert_eq!(requests(&page), shown, "{query}: {page}");
        assert!(page.contains(&format!("Найдено: {}<", shown.len())), "{query}: {page}");
    }
    let foreign = WidgetId::generate(&panel.app.clock);
    for absent in [
        "request=failed-9".to_owned(),
        format!("widget={foreign}"),
        format!("widget={other}&request=failed-1"),
        format!("widget={own}&code=500"),
    ] {
        let page = signed.page(&format!("/api-errors?{absent}")).await;
        assert!(page.contains("Таких ошибок нет") && requests(&page).is_empty(), "{absent}: {page}");
    }
    for (refused, said) in [
        ("widget=nonsense", "Виджет"),
        ("code=402", "укажите и его"),
        ("operation=getInstall", "укажите и его"),
        ("request=failed-1&code=402", "что-то одно"),
        ("request=%D0%B6", "без пробелов"),
    ] {
        let answer = panel.get_as(&signed.cookie, &format!("/api-errors?{refused}")).await;
        assert_eq!(answer.status().as_u16(), 422, "{refused}");
        let page = answer.text().await.unwrap();
        assert!(page.contains(said), "{refused}: {page}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn pages_of_errors_follow_each_other_in_both_directions(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (own, _) = answered(&panel).await;
    let signed = panel.sign_in("anna", "support").await;
    let path_of = |page: &str, rel: &str| -> Option<String> {
        let rest = page.split(&format!("rel=\"{rel}\" href=\"")).nth(1)?;
        Some(rest.split('"').next()?.replace("&#38;", "&"))
    };
    let first = signed.page(&format!("/api-errors?widget={own}&size=2")).await;
    let second = signed.page(&path_of(&first, "next").unwrap()).await;
    assert_eq!((requests(&first), requests(&second)), (vec!["copies", "failed-2"], vec!["failed-1"]));
    assert!(path_of(&first, "prev").is_none() && path_of(&second, "next").is_none());
    let back = signed.page(&path_of(&second, "prev").unwrap()).await;
    assert_eq!(requests(&back), requests(&first));
    // A place that no error has is the beginning.
    let elsewhere = signed.page(&format!("/api-errors?widget={own}&after=%27")).await;
    assert_eq!(requests(&elsewhere), ["copies", "failed-2", "failed-1"]);
}
