//! The hosted page: access, contents, security.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_store::platform::{accounts, vendors};
use flysk_suite::environment::{ADMIN, USER};
use reqwest::header::{CONTENT_SECURITY_POLICY, COOKIE, LOCATION, REFERRER_POLICY, SET_COOKIE};
use reqwest::{Method, Response, StatusCode};
use sqlx::MySqlPool;

use super::harness::{BONUS, COINS, TestApp};

/// A browser session started by the link of a handshake.
pub(crate) struct Visit {
    pub(crate) path: String,
    cookie: String,
}

impl Visit {
    pub(crate) async fn of(app: &TestApp) -> Self {
        let link = link(app, ADMIN).await.expect("administrators get a link");
        let entered = app.http.get(&link).send().await.unwrap();
        assert_eq!(entered.status(), StatusCode::SEE_OTHER);
        let header = |name| entered.headers().get(name).unwrap().to_str().unwrap().to_owned();
        let (path, cookie) = (header(LOCATION), header(SET_COOKIE));
        assert!(!path.contains("ticket") && header(REFERRER_POLICY) == "no-referrer");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
        assert!(cookie.contains(&format!("Path={path}")), "{cookie}");
        Self { path, cookie: cookie.split(';').next().unwrap().to_owned() }
    }

    pub(crate) async fn get(&self, app: &TestApp, path: &str) -> (StatusCode, String) {
        let answer = self.send(app, app.http.get(format!("{}{path}", app.url))).await;
        (answer.status(), answer.text().await.unwrap())
    }

    pub(crate) async fn send(&self, _shop: &TestApp, request: reqwest::RequestBuilder) -> Response {
        request.header(COOKIE, &self.cookie).send().await.unwrap()
    }

    async fn order(&self, app: &TestApp, fields: &[(&str, &str)]) -> Response {
        let url = format!("{}{}/purchases", app.url, self.path);
        self.send(app, app.http.post(url).form(fields)).await
    }
}

/// Link to the page in a user's handshake.
pub(crate) async fn link(app: &TestApp, user: u64) -> Option<String> {
    let (_, handshake) = app.ask_as(user, Method::POST, "/v1/handshake", None, None).await;
    handshake["billing_urls"]["flycoins"].as_str().map(str::to_owned)
}

pub(crate) fn value_of(page: &str, name: &str) -> String {
    let from = page.split(&format!("name=\"{name}\" value=\"")).nth(1).expect(name);
    from.split('"').next().unwrap().to_owned()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_page_shows_balance_and_packages_without_external_resources(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    app.paid().await;
    let visit = Visit::of(&app).await;
    let (status, page) = visit.get(&app, &visit.path).await;
    assert_eq!(status, StatusCode::OK);
    for text in
        ["<strong>550</strong>", "Стартовый", "500\u{a0}₽", "+ 50 FC в подарок на 90 дней", "Оплачено"]
    {
        assert!(page.contains(text), "no {text} in {page}");
    }
    for foreign in ["http://", "https://", "//cdn", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let answer = visit.send(&app, app.http.get(format!("{}{}", app.url, visit.path))).await;
    let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    for rule in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"));
    assert_eq!(answer.headers()["cache-control"], "no-store");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_page_names_account_widget_and_seller(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let (widget, install) = (app.widget().await, app.install().await);
    let mut conn = app.conn().await;
    let mut vendor = vendors::find_vendor_of_widget(&mut conn, widget.id).await.unwrap().unwrap();
    "ООО «Акме»".clone_into(&mut vendor.legal_name);
    vendor.inn = Some("7707083893".to_owned());
    vendors::update_vendor(&mut conn, &vendor, app.clock.now()).await.unwrap();
    let account = accounts::find(&mut conn, install.crm, install.account_id).await.unwrap().unwrap();
    let visit = Visit::of(&app).await;
    let (_, page) = visit.get(&app, &visit.path).await;
    let head = page.split("id=\"account\">").nth(1).expect("the account").split("</p>").next().unwrap();
    assert!(head.contains(&account.host) && head.contains(&format!("Виджет «{}»", widget.name)), "{head}");
    assert!(page.contains("Продавец: ООО «Акме», ИНН&nbsp;7707083893"), "{page}");
    assert!(page.contains("<strong>0</strong> <span>FC</span>"), "{page}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_form_creates_one_purchase_despite_repeated_submits(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let visit = Visit::of(&app).await;
    let (_, page) = visit.get(&app, &visit.path).await;
    let (token, key, package) =
        (value_of(&page, "token"), value_of(&page, "key"), value_of(&page, "package"));
    let fields = [
        ("package", package.as_str()),
        ("email", "buh@example.test"),
        ("token", token.as_str()),
        ("key", key.as_str()),
    ];
    let first = visit.order(&app, &fields).await;
    assert_eq!(first.status(), StatusCode::SEE_OTHER);
    let purchase = first.headers()[LOCATION].to_str().unwrap().to_owned();
    assert_eq!(visit.order(&app, &fields).await.headers()[LOCATION], purchase.as_str());
    let (_, waiting) = visit.get(&app, &purchase).await;
    assert!(waiting.contains("Готовим оплату") && waiting.contains("data-follow"));
    let (_, state) = visit.get(&app, &format!("{purchase}/state")).await;
    assert!(state.contains("\"form\":null"));
    app.run_due_jobs().await;
    let (_, state) = visit.get(&app, &format!("{purchase}/state")).await;
    assert!(state.contains(&app.bank.url), "{state}");
    assert_eq!(app.calls("Init"), 1);
    let id = purchase.rsplit('/').next().unwrap().parse().unwrap();
    let (_, back) = visit.get(&app, &format!("{purchase}?from=bank")).await;
    assert!(back.contains("Ждём подтверждение банка") && !back.contains("data-follow"));
    app.pay(id, super::harness::GOOD_CARD);
    app.apply_notifications(2).await;
    let (_, done) = visit.get(&app, &format!("{purchase}?from=bank")).await;
    assert!(done.contains("Готово!") && done.contains("<strong>550</strong>"), "{done}");
    assert_eq!(app.balance().await, COINS + BONUS);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn errors_are_shown_next_to_the_form_and_the_input_is_kept(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let visit = Visit::of(&app).await;
    let (_, page) = visit.get(&app, &visit.path).await;
    let (token, key, package) =
        (value_of(&page, "token"), value_of(&page, "key"), value_of(&page, "package"));
    let typed = "\"><script>alert(1)</script>";
    let fields =
        [("package", package.as_str()), ("email", typed), ("token", token.as_str()), ("key", key.as_str())];
    let answer = visit.order(&app, &fields).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = answer.text().await.unwrap();
    assert!(page.contains("Проверьте адрес") && page.contains("aria-invalid"), "{page}");
    assert!(page.contains("alert(1)") && !page.contains("<script>alert"));
    app.offer(100_000, 1_000_000_000, 0).await;
    let fields = [fields[0], ("email", "buh@example.test"), fields[2], fields[3]];
    let answer = visit.order(&app, &fields).await;
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    assert!(answer.text().await.unwrap().contains("больше не продаётся"));
}

/// Another site's form, another visitor's form, and a request without a form.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_forged_form_buys_nothing(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let (visit, another) = (Visit::of(&app).await, Visit::of(&app).await);
    let (_, page) = another.get(&app, &another.path).await;
    let (token, package) = (value_of(&page, "token"), value_of(&page, "package"));
    for token in [token.as_str(), "", "forged"] {
        let fields = [("package", package.as_str()), ("email", "a@b.ru"), ("token", token), ("key", "abc")];
        assert_eq!(visit.order(&app, &fields).await.status(), StatusCode::BAD_REQUEST);
    }
    // An additional field, or a duplicate one.
    let (_, page) = visit.get(&app, &visit.path).await;
    let token = value_of(&page, "token");
    for more in [("save_crad", "yes"), ("email", "b@c.ru")] {
        let fields = [
            ("package", package.as_str()),
            ("email", "a@b.ru"),
            ("token", token.as_str()),
            ("key", "abc"),
            more,
        ];
        assert_eq!(visit.order(&app, &fields).await.status(), StatusCode::BAD_REQUEST, "{more:?}");
    }
    let stored: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM coin_purchases").fetch_one(&app.pool).await.unwrap();
    assert_eq!(stored, 0);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn only_a_fresh_link_of_an_administrator_grants_access(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    assert_eq!(link(&app, USER).await, None);
    let good = link(&app, ADMIN).await.unwrap();
    let enter = async |url: String| app.http.get(url).send().await.unwrap();
    assert_eq!(enter(good.clone()).await.status(), StatusCode::SEE_OTHER);
    for bad in [good.replace("ticket=", "ticket=x"), format!("{}/billing/flycoins", app.url)] {
        let answer = enter(bad).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert!(answer.text().await.unwrap().contains("Откройте страницу из виджета"));
    }
    let visit = Visit::of(&app).await;
    app.clock.advance(TimeDelta::minutes(61));
    assert_eq!(enter(good).await.status(), StatusCode::UNAUTHORIZED, "a link lives an hour");
    assert_eq!(visit.get(&app, &visit.path).await.0, StatusCode::OK, "a visit longer");
    app.clock.advance(TimeDelta::hours(4));
    assert_eq!(visit.get(&app, &visit.path).await.0, StatusCode::UNAUTHORIZED);
    let neighbour = visit.path.replace(char::is_numeric, "0");
    assert_eq!(visit.get(&app, &neighbour).await.0, StatusCode::UNAUTHORIZED);
}

/// A forwarded link opens nothing. The browser that used it may use it again: people press a button twice.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_link_opens_the_page_in_one_browser(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let link = link(&app, ADMIN).await.unwrap();
    let checked = app.http.head(&link).send().await.unwrap();
    assert_eq!((checked.status(), checked.headers().contains_key(SET_COOKIE)), (StatusCode::OK, false));
    let first = app.http.get(&link).send().await.unwrap();
    assert_eq!(first.status(), StatusCode::SEE_OTHER);
    let cookies = first.headers().get_all(SET_COOKIE).iter().map(|it| it.to_str().unwrap());
    let cookies: Vec<_> = cookies.map(|cookie| cookie.split(';').next().unwrap()).collect();
    let again = app.http.get(&link).header(COOKIE, cookies.join("; ")).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::SEE_OTHER);
    for cookie in ["", "flysk_browser=0", &format!("flysk_browser={}", "0".repeat(64))] {
        let other = app.http.get(&link).header(COOKIE, cookie).send().await.unwrap();
        assert_eq!(other.status(), StatusCode::UNAUTHORIZED, "{cookie}");
        assert!(!other.headers().contains_key(SET_COOKIE));
        assert!(other.text().await.unwrap().contains("Ссылку уже открыли"));
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_page_without_packages_sells_any_sum(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let widget = app.widget().await.id;
    let code = "start".parse().unwrap();
    flysk_store::platform::purchases::retire_package(&mut *app.conn().await, widget, &code).await.unwrap();
    let visit = Visit::of(&app).await;
    let (status, page) = visit.get(&app, &visit.path).await;
    assert!(status == StatusCode::OK && page.contains("Другая сумма") && page.contains("<form"));
    let missing = format!("{}/purchases/pur_01J00000000000000000000000", visit.path);
    let (status, page) = visit.get(&app, &missing).await;
    assert!(status == StatusCode::NOT_FOUND && page.contains("Такой покупки нет"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_deployment_without_purchases_says_so(pool: MySqlPool) {
    let without =
        |env: flysk_config::Env| env.without("FLYSK_TBANK_TERMINAL_KEY").without("FLYSK_TBANK_PASSWORD");
    let app = TestApp::open_with(pool, without).await;
    let visit = Visit::of(&app).await;
    let (_, page) = visit.get(&app, &visit.path).await;
    assert!(page.contains("Пополнение пока недоступно") && !page.contains("<form"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_failed_purchase_shows_the_reason_and_a_link_back(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.opened().await;
    app.pay(id, "2200000000000038");
    app.apply_notifications(1).await;
    let visit = Visit::of(&app).await;
    let (_, page) = visit.get(&app, &format!("{}/purchases/{id}?from=bank", visit.path)).await;
    assert!(page.contains("Эта карта не подходит") && page.contains("Попробовать ещё раз"), "{page}");
    assert!(!page.contains("<script"), "nothing is waited for");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn any_sum_within_the_limits_can_be_bought_on_the_page(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let visit = Visit::of(&app).await;
    let (_, page) = visit.get(&app, &visit.path).await;
    let (token, key) = (value_of(&page, "token"), value_of(&page, "key"));
    let order = async |sum: &str| {
        let (token, key) = (token.as_str(), key.as_str());
        let fields =
            [("package", "sum"), ("sum", sum), ("email", "buh@example.test"), ("token", token), ("key", key)];
        visit.order(&app, &fields).await
    };
    for wrong in ["99", "1000001", "10,50", "", "-500"] {
        let refused = order(wrong).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{wrong}");
        assert!(refused.text().await.unwrap().contains("целыми рублями"), "{wrong}");
    }
    let placed = order("10000").await;
    assert_eq!(placed.status(), StatusCode::SEE_OTHER);
    let id = placed.headers()[LOCATION].to_str().unwrap().rsplit('/').next().unwrap().parse().unwrap();
    let purchase = app.find(id).await;
    assert_eq!((purchase.price.0, purchase.coins.0, purchase.bonus.0), (1_000_000, 10_000_000_000, 0));
    app.run_due_jobs().await;
    app.pay(id, super::harness::GOOD_CARD);
    app.apply_notifications(2).await;
    assert_eq!(app.balance().await, 10_000_000_000);
    let offered = app.get("/v1/flycoins/packages").await.1.to_string();
    assert!(!offered.contains("sum-"), "a sum is not on offer: {offered}");
}
