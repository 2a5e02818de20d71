//! Every route, without login, with too small a role, without CSRF token, from another site, with an ended session.

use flysk_admin::{Access, Route, routes};
use flysk_domain::admin::OperatorRole;
use poem::http::Method;
use reqwest::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, LOCATION, ORIGIN};
use reqwest::{Response, StatusCode};
use sqlx::MySqlPool;

use super::harness::{Panel, Signed, cookie_of, serve, value_of};

/// Forms that work in read-only mode too: signing in, and at last signing out.
const OPEN_IN_READ_ONLY_MODE: [&str; 4] =
    ["/sign-in/code", "/sign-in/passkey/challenge", "/sign-in/passkey", "/sign-out"];

/// Path of a route with sample parameters.
fn sample(route: &Route) -> String {
    route.path.replace(":id", "opr_01KC0000000000000000000000")
}

fn is_form(route: &Route) -> bool {
    route.method == Method::POST
}

async fn ask(panel: &Panel, route: &Route, cookie: Option<&str>, origin: Option<&str>) -> Response {
    let url = format!("{}{}", panel.url, sample(route));
    let mut request = if is_form(route) {
        panel.app.http.post(url).form(&[("reason", "x")])
    } else {
        panel.app.http.get(url)
    };
    for (name, value) in [(COOKIE, cookie), (ORIGIN, origin)] {
        request = match value {
            Some(value) => request.header(name, value),
            None => request,
        };
    }
    request.send().await.unwrap()
}

/// Routes for operators; those of the vendors' portal are walked in `portal`.
fn guarded() -> Vec<Route> {
    let others = [Access::Open, Access::VendorSecondFactor, Access::Vendor];
    let guarded = routes::table().into_iter().filter(|route| !others.contains(&route.access));
    let guarded: Vec<Route> = guarded.collect();
    assert!(guarded.len() > 40, "the table of routes is incomplete");
    guarded
}

fn location(answer: &Response) -> &str {
    answer.headers().get(LOCATION).map(|path| path.to_str().unwrap()).unwrap_or_default()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn no_route_serves_somebody_who_is_not_signed_in(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    for route in guarded() {
        for cookie in [None, Some("flysk_admin=made-up")] {
            let answer = ask(&panel, &route, cookie, Some(&panel.url)).await;
            let is_refused = match answer.status() {
                StatusCode::SEE_OTHER => location(&answer).starts_with("/sign-in"),
                StatusCode::UNAUTHORIZED => is_form(&route),
                _ => false,
            };
            assert!(is_refused, "{route:?} with {cookie:?}: {} {}", answer.status(), location(&answer));
        }
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_password_alone_opens_no_page_but_that_of_the_second_factor(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let password = panel.create("anna", "owner").await;
    let cookie = panel.give_password("anna", &password).await;
    for route in guarded().iter().filter(|route| route.access != Access::SecondFactor) {
        let answer = ask(&panel, route, Some(&cookie), Some(&panel.url)).await;
        let is_refused =
            location(&answer).starts_with("/sign-in") || answer.status() == StatusCode::UNAUTHORIZED;
        assert!(is_refused, "{route:?}: {}", answer.status());
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_smaller_role_is_refused_by_every_route_that_needs_a_larger_one(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let mut tried = 0;
    for role in OperatorRole::ALL {
        let signed = panel.sign_in(&format!("{role}-1"), role.code()).await;
        let csrf = signed.csrf().await;
        for route in guarded() {
            let Access::Role(needed) = route.access else { continue };
            if role.includes(needed) {
                continue;
            }
            let answer = if is_form(&route) {
                let fields = [("csrf", csrf.as_str()), ("reason", "x")];
                panel.post_as(Some(&signed.cookie), &sample(&route), &fields).await
            } else {
                panel.get_as(&signed.cookie, &sample(&route)).await
            };
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{route:?} as {role}");
            assert!(answer.text().await.unwrap().contains(needed.label()), "{route:?}");
            tried += 1;
        }
    }
    assert!(tried > 20, "only {tried} refusals were tried");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn no_role_replaces_a_right(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "owner").await;
    let csrf = signed.csrf().await;
    let mut tried = 0;
    for route in guarded() {
        let Access::Right(needed) = route.access else { continue };
        let answer = if is_form(&route) {
            let fields = [("csrf", csrf.as_str()), ("reason", "x")];
            panel.post_as(Some(&signed.cookie), &sample(&route), &fields).await
        } else {
            panel.get_as(&signed.cookie, &sample(&route)).await
        };
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{route:?}");
        assert!(answer.text().await.unwrap().contains(needed.label()), "{route:?}");
        tried += 1;
    }
    assert!(tried > 3, "only {tried} refusals were tried");
    for path in ["/", "/jobs", "/purchases"] {
        let page = signed.page(path).await;
        assert!(!page.contains("href=\"/exports\"") && !page.contains("action=\"/export\""), "{path}");
    }
}

async fn is_refused_form(signed: &Signed<'_>, route: &Route, fields: &[(&str, &str)], origin: Option<&str>) {
    let url = format!("{}{}", signed.panel.url, sample(route));
    let mut request = signed.panel.app.http.post(url).header(COOKIE, &signed.cookie).form(fields);
    if let Some(origin) = origin {
        request = request.header(ORIGIN, origin);
    }
    let status = request.send().await.unwrap().status();
    assert_eq!(status, StatusCode::FORBIDDEN, "{route:?} {fields:?} from {origin:?}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn forms_without_the_sessions_token_or_from_elsewhere_change_nothing(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "owner").await;
    let other = panel.sign_in("boris", "owner").await;
    let (own, foreign) = (signed.csrf().await, other.csrf().await);
    let before = panel.audit().await.len();
    for route in guarded().iter().filter(|route| is_form(route) && matches!(route.access, Access::Role(_))) {
        let here = Some(panel.url.as_str());
        is_refused_form(&signed, route, &[("reason", "x")], here).await;
        is_refused_form(&signed, route, &[("reason", "x"), ("csrf", &foreign)], here).await;
        is_refused_form(
            &signed,
            route,
            &[("reason", "x"), ("csrf", &own)],
            Some("https://elsewhere.example"),
        )
        .await;
        is_refused_form(&signed, route, &[("reason", "x"), ("csrf", &own)], None).await;
    }
    assert_eq!(panel.audit().await.len(), before);
}

/// Browsers say where a form comes from on https and on localhost; the header then counts, whatever the origin.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn forms_that_the_browser_says_come_from_elsewhere_change_nothing(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "owner").await;
    let csrf = signed.csrf().await;
    let before = panel.audit().await.len();
    let send = async |path: &str, site: &str| {
        let fields = [("reason", "x"), ("csrf", csrf.as_str()), ("density", "compact")];
        let request = panel.app.http.post(format!("{}{path}", panel.url)).header(COOKIE, &signed.cookie);
        let request = request.header(ORIGIN, &panel.url).header("Sec-Fetch-Site", site).form(&fields);
        request.send().await.unwrap().status()
    };
    let mut tried = 0;
    for route in guarded().iter().filter(|route| is_form(route) && matches!(route.access, Access::Role(_))) {
        for site in ["cross-site", "same-site", "none"] {
            assert_eq!(send(&sample(route), site).await, StatusCode::FORBIDDEN, "{route:?} from {site}");
            tried += 1;
        }
    }
    assert!(tried > 100, "only {tried} forms were tried");
    assert_eq!(panel.audit().await.len(), before);
    assert_eq!(send("/me/density", "same-origin").await, StatusCode::SEE_OTHER);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_ended_session_opens_nothing_and_the_text_of_a_form_is_kept(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "owner").await;
    let csrf = signed.csrf().await;
    let idle = chrono::Duration::minutes(61);
    panel.app.clock.advance(idle);
    for route in guarded().iter().filter(|route| matches!(route.access, Access::Role(_)) && !is_form(route)) {
        let answer = panel.get_as(&signed.cookie, &sample(route)).await;
        assert!(location(&answer).starts_with("/sign-in"), "{route:?}: {}", answer.status());
    }
    let fields = [("csrf", csrf.as_str()), ("reason", "Долгий <b>текст</b>"), ("client_secret", "topsecret")];
    let answer = panel.post_as(Some(&signed.cookie), "/widgets/register", &fields).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let page = answer.text().await.unwrap();
    assert!(page.contains("Долгий &#60;b&#62;текст") && !page.contains("topsecret"), "{page}");
    // Signed in again, the same form is offered once more with a token that is valid now.
    panel.next_step();
    let cookie = panel.give_password("anna", &signed.credentials.password).await;
    let form = panel.get_as(&cookie, "/sign-in/code").await.text().await.unwrap();
    let fields = [("csrf", value_of(&form, "csrf")), ("code", panel.code(&signed.credentials.secret))];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = panel.post_as(Some(&cookie), "/sign-in/code", &fields).await;
    let cookie = cookie_of(&answer);
    let fields = [("csrf", csrf.as_str()), ("reason", "Долгий текст"), ("name", "Виджет")];
    let answer = panel.post_as(Some(&cookie), "/widgets/register", &fields).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let page = answer.text().await.unwrap();
    assert!(page.contains("Долгий текст") && page.contains("id=\"again\""), "{page}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn no_page_is_cached_and_none_allows_inline_script(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "owner").await;
    for path in ["/sign-in", "/", "/jobs", "/operators", "/nowhere", "/jobs/job_1"] {
        let answer = panel.get_as(&signed.cookie, path).await;
        let header = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header(CACHE_CONTROL).as_deref(), Some("no-store"), "{path}");
        let policy = header(CONTENT_SECURITY_POLICY).unwrap_or_default();
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{path}: {policy}");
        let page = answer.text().await.unwrap();
        for inline in ["<script>", "style=\"", "onclick=", "hx-on", "<style"] {
            assert!(!page.contains(inline), "{path} contains {inline}");
        }
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn in_read_only_mode_everything_is_shown_and_nothing_changes(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "owner").await;
    let csrf = signed.csrf().await;
    let cookie = signed.cookie;
    let before = panel.audit().await.len();
    let url = serve(&panel.app, &[("FLYSK_ADMIN_READ_ONLY", "true")]).await;
    let frozen = Panel { url, ..panel };
    let routes = guarded();
    let (forms, pages): (Vec<&Route>, Vec<&Route>) = routes.iter().partition(|route| is_form(route));
    let listed = pages.into_iter().filter(|route| {
        // A search without a text leads to the first page.
        matches!(route.access, Access::Role(_)) && !route.path.contains(":id") && route.path != "/search"
    });
    for route in listed {
        let answer = frozen.get_as(&cookie, route.path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{route:?}");
        let page = answer.text().await.unwrap();
        assert!(page.contains("Панель в режиме чтения"), "{route:?}: {page}");
    }
    let fields = [("csrf", csrf.as_str()), ("reason", "x")];
    for route in forms.into_iter().filter(|route| !OPEN_IN_READ_ONLY_MODE.contains(&route.path)) {
        let answer = frozen.post_as(Some(&cookie), &sample(route), &fields).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{route:?}");
        let page = answer.text().await.unwrap();
        assert!(page.contains("Во время инцидента"), "{route:?}: {page}");
    }
    assert_eq!(frozen.audit().await.len(), before);
    for path in OPEN_IN_READ_ONLY_MODE {
        let answer = frozen.post_as(Some(&cookie), path, &fields).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
    }
    assert!(location(&frozen.get_as(&cookie, "/").await).starts_with("/sign-in"), "signed out");
}
