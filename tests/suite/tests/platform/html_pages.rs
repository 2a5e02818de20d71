//! Security headers of every page of the API, and of its other responses.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use sqlx::MySqlPool;

use super::harness::TestApp;

/// Source of the routes.
const ROUTES: &str = include_str!("../../../../api/src/routes.rs");
/// Routes with pages, as `routes.rs` declares them, and requests for pages below them. The pages of the documentation are
/// found by its navigation, those of the OpenAPI service by the document.
const PAGES: [(&str, &[(&str, &str)]); 8] = [
    ("/docs", &[("GET", ""), ("GET", "/"), ("GET", "/search?q=hold"), ("GET", "/guide"), ("GET", "/errors")]),
    ("/billing/act-as", &[("GET", "?ticket=x")]),
    ("/billing/documents", &[("GET", "?ticket=x")]),
    (
        "/billing/flycoins",
        &[
            ("GET", "/?ticket=x"),
            ("GET", "/ins_x"),
            ("GET", "/ins_x/purchases/pur_x"),
            ("GET", "/ins_x/transfers/tin_x"),
        ],
    ),
    (
        "/billing/subscription",
        &[
            ("GET", "/?ticket=x"),
            ("GET", "/ins_x"),
            ("GET", "/ins_x/quotes/x"),
            ("GET", "/ins_x/invoices"),
            ("GET", "/ins_x/invoices/x"),
            ("GET", "/ins_x/payments/x"),
            ("GET", "/ins_x/invoices/x/transfer"),
            ("GET", "/ins_x/transfers/x"),
            ("POST", "/ins_x/quotes"),
        ],
    ),
    ("/mail", &[("GET", "?ticket=x"), ("POST", "?ticket=x")]),
    ("/pay", &[("GET", "/inv_x/signature"), ("POST", "/inv_x/signature")]),
    ("/unlink", &[("GET", "/crd_x/signature"), ("POST", "/crd_x/signature")]),
];
/// Routes without pages of ours.
const WITHOUT_PAGES: [&str; 10] = [
    "/",
    "/openapi.json",
    "/healthz",
    "/readyz",
    "/v1/amocrm/*path",
    "/hooks/amocrm/:install/:signature",
    "/hooks/flysense/events",
    "/hooks/tbank",
    "/hooks/telegram",
    "/hooks/max",
];

/// Paths that the application declares.
fn declared() -> BTreeSet<&'static str> {
    let (_, app) = ROUTES.split_once("pub fn app(").unwrap();
    let (app, _) = app.split_once("\n}\n").unwrap();
    [".nest(\"", ".at(\""]
        .iter()
        .flat_map(|call| app.split(call).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0)))
        .collect()
}

#[test]
fn every_route_is_known_to_have_pages_or_none() {
    let known: BTreeSet<&str> = PAGES.iter().map(|(route, _)| *route).chain(WITHOUT_PAGES).collect();
    let declared = declared();
    let unknown: Vec<&&str> = declared.difference(&known).collect();
    assert!(declared.len() >= 15 && unknown.is_empty(), "not in PAGES or WITHOUT_PAGES: {unknown:?}");
}

/// Requests for a page of each operation that the document says answers with one.
fn documented(document: &Value) -> Vec<String> {
    let paths = document["paths"].as_object().unwrap();
    let pages = paths.iter().filter(|(path, item)| {
        let mut answers = item.as_object().unwrap().values().flat_map(|operation| {
            operation["responses"].as_object().into_iter().flat_map(serde_json::Map::values)
        });
        // The gateway's HTML is amoCRM's.
        !path.starts_with("/v1/amocrm/") && answers.any(|answer| answer["content"]["text/html"].is_object())
    });
    pages.map(|(path, _)| path.replace("{widget}", "nobody")).collect()
}

/// Pages that the navigation of the documentation leads to.
fn articles(guide: &str) -> BTreeSet<String> {
    let links = guide.split("href=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0));
    links.filter(|link| link.starts_with("/docs/") && !link.contains('#')).map(str::to_owned).collect()
}

async fn assert_secured(app: &TestApp, method: &str, path: &str) {
    let method: Method = method.parse().unwrap();
    let answer = app.http.request(method, format!("{}{path}", app.api_url)).send().await.unwrap();
    let header = |name: &str| {
        answer.headers().get(name).unwrap_or_else(|| panic!("{path} has no {name}")).to_str().unwrap()
    };
    assert!(header("content-type").starts_with("text/html"), "{path}: {}", header("content-type"));
    let policy = header("content-security-policy");
    for directive in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
    {
        assert!(policy.split("; ").any(|one| one == directive), "{path}: {policy}");
    }
    let mut sources = policy.split("; ").filter(|one| !one.starts_with("style-src-attr "));
    assert!(sources.all(|one| !one.contains("unsafe")), "{path}: {policy}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
    assert_eq!(header("x-frame-options"), "DENY", "{path}");
    assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
    assert_eq!(header("cache-control"), "no-store", "{path}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_page_has_the_security_headers(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let declared = declared();
    for (route, requests) in PAGES.iter().filter(|(route, _)| declared.contains(route)) {
        for (method, path) in *requests {
            assert_secured(&app, method, &format!("{route}{path}")).await;
        }
    }
    let text = async |path: &str| {
        app.http.get(format!("{}{path}", app.api_url)).send().await.unwrap().text().await.unwrap()
    };
    let articles = articles(&text("/docs/guide").await);
    assert!(articles.len() >= 6, "{articles:?}");
    for path in &articles {
        assert_secured(&app, "GET", path).await;
    }
    let documented = documented(&serde_json::from_str(&text("/openapi.json").await).unwrap());
    assert_eq!(documented.len(), 3, "{documented:?}");
    for path in &documented {
        assert_secured(&app, "GET", path).await;
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn other_responses_are_not_sniffed_and_tell_no_address(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    for path in ["/openapi.json", "/healthz", "/readyz", "/v1/wallet", "/nothing"] {
        let answer = app.http.get(format!("{}{path}", app.api_url)).send().await.unwrap();
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers()["referrer-policy"], "no-referrer", "{path}");
        assert!(!answer.headers().contains_key("content-security-policy"), "{path}");
    }
}
