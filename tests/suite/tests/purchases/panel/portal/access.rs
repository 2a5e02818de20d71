//! Every route of the portal: without login, with an operator's session, with another vendor's user, without CSRF token. And every
//! route of the panel with a vendor's session.

use flysk_admin::{Access, Route, routes};
use flysk_domain::Clock as _;
use flysk_domain::id::{InvitationId, PlanId, VendorId, WidgetId};
use flysk_services::{audit_chain, vendor_users};
use flysk_store::admin::audit;
use poem::http::Method;
use reqwest::header::{COOKIE, LOCATION, ORIGIN};
use reqwest::{Response, StatusCode};
use sqlx::MySqlPool;

use super::super::harness::value_of;
use super::harness::{Member, PASSWORD, Portal, code_in, cookie_of};

/// What a vendor has, for attempts of another one.
struct Owned {
    widget: WidgetId,
    event: String,
    plan: PlanId,
    session: String,
    code: String,
}

const PLAN: [(&str, &str); 4] = [("code", "pro"), ("title", "Про"), ("month", "500"), ("min_seats", "1")];

async fn owned(member: &Member<'_>, vendor: VendorId) -> Owned {
    let portal = member.portal;
    let widget = portal.give_widget(vendor).await;
    let id = widget.to_string();
    let event = member.act(&format!("/portal/widgets/{id}/test-event"), &[("account", "")]).await;
    let fields: Vec<(&str, &str)> = PLAN.into_iter().chain([("widget", id.as_str())]).collect();
    let plan = member.act("/portal/plans/offer", &fields).await;
    let session: String = sqlx::query_scalar("SELECT MIN(id) FROM vendor_sessions WHERE ended_at IS NULL")
        .fetch_one(&portal.panel.app.pool)
        .await
        .unwrap();
    Owned {
        widget,
        event: event.trim_start_matches("/portal/events/").to_owned(),
        plan: plan.trim_start_matches("/portal/plans/").parse().unwrap(),
        session,
        code: portal.panel.app.widget().await.code,
    }
}

/// Path of a route of the portal with the ids of what a vendor has.
fn sample(route: &Route, owned: &Owned) -> String {
    let id = match route.path.split('/').nth(2) {
        Some("events") => owned.event.clone(),
        Some("plans") => owned.plan.to_string(),
        Some("me") => owned.session.clone(),
        _ => owned.widget.to_string(),
    };
    route.path.replace(":id", &id)
}

/// Fields with which each form would be accepted from the widget's own vendor.
fn fields(owned: &Owned) -> Vec<(&'static str, String)> {
    let fields = [
        ("name", "Чужое"),
        ("redirect_uri", "https://flysk.example/oauth/amocrm/callback"),
        ("event_kinds", "usual"),
        ("delivery_delays", "usual"),
        ("client_secret", "stolen-secret-key"),
        ("keep_hours", "0"),
        ("secret", "project_token"),
        ("code", "pro"),
        ("title", "Про"),
        ("month", "1"),
        ("min_seats", "1"),
        ("roubles", "1"),
        ("service", "recognition"),
        ("unit", "piece"),
        ("rate", "1"),
        ("seen", "0"),
    ];
    let fields = fields.map(|(name, value)| (name, value.to_owned()));
    fields.into_iter().chain([("widget", owned.widget.to_string())]).collect()
}

/// Forms that name nothing but what is the user's own: there is nothing of another vendor to try them with.
const OWN_FORMS: [&str; 5] = [
    "/portal/sign-out",
    "/portal/me/proof",
    "/portal/me/password",
    "/portal/me/recovery-codes",
    "/portal/widgets/register",
];

fn portal_routes() -> Vec<Route> {
    let all = routes::table().into_iter();
    let routes: Vec<Route> =
        all.filter(|route| matches!(route.access, Access::Vendor | Access::VendorSecondFactor)).collect();
    assert!(routes.len() > 25, "the table of routes is incomplete");
    assert!(routes.iter().all(|route| route.path.starts_with("/portal")));
    routes
}

fn is_form(route: &Route) -> bool {
    route.method == Method::POST
}

fn location(answer: &Response) -> &str {
    answer.headers().get(LOCATION).map(|path| path.to_str().unwrap()).unwrap_or_default()
}

async fn ask(portal: &Portal, path: &str, is_form: bool, cookie: Option<&str>) -> Response {
    let url = format!("{}{path}", portal.panel.url);
    let http = &portal.panel.app.http;
    let request = if is_form { http.post(url).form(&[("reason", "x")]) } else { http.get(url) };
    let request = request.header(ORIGIN, &portal.panel.url);
    match cookie {
        Some(cookie) => request.header(COOKIE, cookie).send().await.unwrap(),
        None => request.send().await.unwrap(),
    }
}

/// Whether a request was sent to a sign-in form, or told that there is no session.
fn is_turned_away(answer: &Response, sign_in: &str, is_form: bool) -> bool {
    match answer.status() {
        StatusCode::SEE_OTHER => location(answer).starts_with(sign_in),
        StatusCode::UNAUTHORIZED => is_form,
        _ => false,
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operators_session_opens_no_page_of_the_portal_and_neither_does_none(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let owned = owned(&member, vendor).await;
    let owner = portal.panel.sign_in("anna", "owner").await;
    let token = owner.cookie.split('=').nth(1).unwrap();
    let renamed = format!("flysk_portal={token}");
    let cookies = [None, Some("flysk_portal=made-up"), Some(owner.cookie.as_str()), Some(renamed.as_str())];
    for route in portal_routes() {
        for cookie in cookies {
            let answer = ask(&portal, &sample(&route, &owned), is_form(&route), cookie).await;
            let refused = is_turned_away(&answer, "/portal/sign-in", is_form(&route));
            assert!(refused, "{route:?} with {cookie:?}: {} {}", answer.status(), location(&answer));
        }
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_vendors_session_opens_no_page_of_the_panel(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let token = member.cookie.split('=').nth(1).unwrap();
    let renamed = format!("flysk_admin={token}");
    let both = format!("{}; {renamed}", member.cookie);
    let mut tried = 0;
    for route in routes::table() {
        if !matches!(route.access, Access::Role(_) | Access::Right(_) | Access::SecondFactor) {
            continue;
        }
        for cookie in [&member.cookie, &renamed, &both] {
            let path = route.path.replace(":id", "opr_01KC0000000000000000000000");
            let answer = ask(&portal, &path, is_form(&route), Some(cookie)).await;
            let refused = is_turned_away(&answer, "/sign-in", is_form(&route));
            assert!(refused, "{route:?} with {cookie}: {} {}", answer.status(), location(&answer));
            tried += 1;
        }
    }
    assert!(tried > 200, "only {tried} were tried");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn nothing_of_a_vendor_exists_for_another_one(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let (first, second) = (portal.vendor("romashka").await, portal.vendor("lopukh").await);
    let own = portal.member(first, "vera@romashka.example").await;
    let owned = owned(&own, first).await;
    let other = portal.member(second, "boris@lopukh.example").await;
    let fields = fields(&owned);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let before = portal.panel.audit().await.len();
    let mut tried = 0;
    for route in portal_routes().iter().filter(|route| route.access == Access::Vendor) {
        let names_widget = ["packages", "plans", "prices"].iter().any(|part| route.path.contains(part));
        let path = sample(route, &owned);
        let (has_id, is_form) = (route.path.contains(":id"), is_form(route));
        if !(has_id || is_form && names_widget) {
            // Pages without an id are read below.
            assert!(!is_form || OWN_FORMS.contains(&route.path), "{route:?} is not tried with another's ids");
            continue;
        }
        let status =
            if is_form { other.post(&path, &fields).await.status() } else { ask_as(&other, &path).await };
        // Another user's session is as good as ended.
        let expected =
            if route.path.contains("/sessions/") { StatusCode::CONFLICT } else { StatusCode::NOT_FOUND };
        assert_eq!(status, expected, "{route:?}");
        tried += 1;
    }
    assert!(tried > 14, "only {tried} routes were tried");
    assert_eq!(portal.panel.audit().await.len(), before, "nothing was changed");
    for list in ["deliveries", "api-calls", "usage"] {
        let path = format!("/portal/{list}?widget={}", owned.widget);
        assert_eq!((other.status(&path).await, own.status(&path).await), (404, 200), "{path}");
    }
    for route in portal_routes().iter().filter(|route| !is_form(route) && !route.path.contains(":id")) {
        if route.access != Access::Vendor {
            continue;
        }
        let page = other.page(route.path).await;
        for told in [owned.code.as_str(), &owned.widget.to_string(), "ООО «romashka»", "vera@romashka"] {
            assert!(!page.contains(told), "{} tells {told}: {page}", route.path);
        }
    }
}

async fn ask_as(member: &Member<'_>, path: &str) -> StatusCode {
    member.portal.panel.get_as(&member.cookie, path).await.status()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn forms_of_the_portal_without_its_token_or_from_elsewhere_change_nothing(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let owned = owned(&member, vendor).await;
    let colleague = portal.member(vendor, "boris@romashka.example").await;
    let token_of = async |member: &Member<'_>| value_of(&member.page("/portal/me").await, "csrf");
    let (own, foreign) = (token_of(&member).await, token_of(&colleague).await);
    let before = portal.panel.audit().await.len();
    let here = Some(portal.panel.url.as_str());
    let mut forms = portal_routes();
    forms.retain(|route| is_form(route) && route.access == Access::Vendor);
    assert!(forms.len() > 14, "only {} forms are tried", forms.len());
    for route in &forms {
        let url = format!("{}{}", portal.panel.url, sample(route, &owned));
        for (csrf, origin) in [
            (None, here),
            (Some(&foreign), here),
            (Some(&own), Some("https://elsewhere.example")),
            (Some(&own), None),
        ] {
            let mut form = vec![("widget", owned.widget.to_string())];
            form.extend(csrf.map(|csrf| ("csrf", csrf.clone())));
            let request = portal.panel.app.http.post(&url).header(COOKIE, &member.cookie).form(&form);
            let request = match origin {
                Some(origin) => request.header(ORIGIN, origin),
                None => request,
            };
            let status = request.send().await.unwrap().status();
            assert_eq!(status, StatusCode::FORBIDDEN, "{route:?} {csrf:?} from {origin:?}");
        }
    }
    assert_eq!(portal.panel.audit().await.len(), before);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_old_second_factor_is_asked_for_before_secrets_and_prices(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let widget = portal.give_widget(vendor).await;
    portal.panel.app.clock.advance(chrono::Duration::minutes(20));
    let rotate = format!("/portal/widgets/{widget}/rotate-token");
    let page = member.refused(&rotate, &[("keep_hours", "5")], 403).await;
    assert!(page.contains("id=\"step-up\"") && page.contains("value=\"5\""), "{page}");
    assert!(
        member
            .refused(&rotate, &[("keep_hours", "5"), ("proof_code", "000000")], 422)
            .await
            .contains("step-up")
    );
    let code = portal.panel.code(&member.secret);
    let answer = member.post(&rotate, &[("keep_hours", "5"), ("proof_code", &code)]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let renewed = Member { cookie: cookie_of(&answer), ..member };
    renewed.shown(&rotate, &[("keep_hours", "5")]).await;
    assert_eq!(portal.panel.record_of("vendor_user.step_up").await.operator_login, "vera@romashka.example");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_disabled_user_and_an_idle_session_open_nothing(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let operator = portal.panel.sign_in("anna", "operator").await;
    let user: String =
        sqlx::query_scalar("SELECT id FROM vendor_users").fetch_one(&portal.panel.app.pool).await.unwrap();
    let path = format!("/vendors/{vendor}/user-access");
    let fields = [("user", user.as_str()), ("disabled", "yes"), ("reason", "Уволена")];
    // The user of one vendor cannot be disabled through another one.
    let other = portal.vendor("lopukh").await;
    operator.refused(&format!("/vendors/{other}/user-access"), &fields, 409).await;
    operator.act(&path, &fields).await;
    assert_eq!(ask_as(&member, "/portal").await, StatusCode::SEE_OTHER);
    assert_eq!(
        portal.give_password(&member.email, PASSWORD).await.status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(portal.panel.record_of("vendor_user.change_access").await.reason, "Уволена");
    operator.act(&path, &[("user", user.as_str()), ("disabled", ""), ("reason", "Вернулась")]).await;
    let answer = portal.give_password(&member.email, PASSWORD).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let waiting = cookie_of(&answer);
    let form = portal.panel.get_as(&waiting, "/portal/sign-in/code").await.text().await.unwrap();
    let csrf = value_of(&form, "csrf");
    let fields = [("csrf", csrf.as_str()), ("code", member.recovery_codes[0].as_str())];
    let answer = portal.panel.post_as(Some(&waiting), "/portal/sign-in/code", &fields).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let member = Member { cookie: cookie_of(&answer), ..member };
    member.page("/portal").await;
    portal.panel.app.clock.advance(chrono::Duration::minutes(61));
    assert_eq!(ask_as(&member, "/portal").await, StatusCode::SEE_OTHER);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn acts_of_vendors_name_their_user_and_never_a_secret(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let widget = portal.give_widget(vendor).await;
    let page = member.shown(&format!("/portal/widgets/{widget}/rotate-token"), &[("keep_hours", "1")]).await;
    let token = code_in(&page, "fpt_");
    let row = portal.panel.record_of("widget.rotate_project_token").await;
    assert!(row.operator_id.as_deref().is_some_and(|id| id.starts_with("vus_")), "{row:?}");
    assert_eq!(row.operator_login, "vera@romashka.example");
    let told = format!("{:?}", portal.panel.audit().await);
    assert!(!told.contains(token), "{told}");
    // The hash chain takes such rows like all others.
    let mut conn = portal.panel.app.conn().await;
    audit_chain::seal_audit_log(portal.panel.app.executor.outbox()).await.unwrap();
    assert!(audit::list_unsealed(&mut conn, 10).await.unwrap().is_empty());
    let report = audit_chain::verify_audit_log(&mut conn).await.unwrap();
    assert!(report.broken.is_none());
    let now = portal.panel.app.clock.now();
    assert!(vendor_users::find_open(&mut conn, InvitationId::first_at(now), now).await.is_err());
}
