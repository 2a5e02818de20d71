//! The hosted page: who gets in, what it says, and what it does not let out.

use chrono::TimeDelta;
use flysk_suite::stand::{ADMIN, USER};
use reqwest::header::{CONTENT_SECURITY_POLICY, COOKIE, LOCATION, REFERRER_POLICY, SET_COOKIE};
use reqwest::{Method, Response, StatusCode};
use sqlx::MySqlPool;

use super::house::{BONUS, COINS, Shop};

/// A browser that opened the link of a handshake.
pub(crate) struct Visit {
    pub(crate) path: String,
    cookie: String,
}

impl Visit {
    pub(crate) async fn of(shop: &Shop) -> Self {
        let link = link(shop, ADMIN).await.expect("administrators get a link");
        let entered = shop.http.get(&link).send().await.unwrap();
        assert_eq!(entered.status(), StatusCode::SEE_OTHER);
        let header = |name| entered.headers().get(name).unwrap().to_str().unwrap().to_owned();
        let (path, cookie) = (header(LOCATION), header(SET_COOKIE));
        assert!(!path.contains("ticket") && header(REFERRER_POLICY) == "no-referrer");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
        assert!(cookie.contains(&format!("Path={path}")), "{cookie}");
        Self { path, cookie: cookie.split(';').next().unwrap().to_owned() }
    }

    async fn get(&self, shop: &Shop, path: &str) -> (StatusCode, String) {
        let answer = self.send(shop, shop.http.get(format!("{}{path}", shop.url))).await;
        (answer.status(), answer.text().await.unwrap())
    }

    async fn send(&self, _shop: &Shop, request: reqwest::RequestBuilder) -> Response {
        request.header(COOKIE, &self.cookie).send().await.unwrap()
    }

    async fn order(&self, shop: &Shop, fields: &[(&str, &str)]) -> Response {
        let url = format!("{}{}/purchases", shop.url, self.path);
        self.send(shop, shop.http.post(url).form(fields)).await
    }
}

/// The link a handshake gives a user.
pub(crate) async fn link(shop: &Shop, user: u64) -> Option<String> {
    let (_, handshake) = shop.ask_as(user, Method::POST, "/v1/handshake", None, None).await;
    handshake["billing_urls"]["flycoins"].as_str().map(str::to_owned)
}

fn value_of(page: &str, name: &str) -> String {
    let from = page.split(&format!("name=\"{name}\" value=\"")).nth(1).expect(name);
    from.split('"').next().unwrap().to_owned()
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn the_page_shows_the_balance_and_the_packages_and_nothing_from_elsewhere(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    shop.paid().await;
    let visit = Visit::of(&shop).await;
    let (status, page) = visit.get(&shop, &visit.path).await;
    assert_eq!(status, StatusCode::OK);
    for text in ["<strong>550</strong>", "Стартовый", "500\u{a0}₽", "+ 50 в подарок на 90 дней", "Оплачено"]
    {
        assert!(page.contains(text), "no {text} in {page}");
    }
    for foreign in ["http://", "https://", "//cdn", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let answer = visit.send(&shop, shop.http.get(format!("{}{}", shop.url, visit.path))).await;
    let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    for rule in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"));
    assert_eq!(answer.headers()["cache-control"], "no-store");
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_form_begins_one_purchase_however_often_it_is_pressed(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let visit = Visit::of(&shop).await;
    let (_, page) = visit.get(&shop, &visit.path).await;
    let (token, key, package) =
        (value_of(&page, "token"), value_of(&page, "key"), value_of(&page, "package"));
    let fields = [
        ("package", package.as_str()),
        ("email", "buh@example.test"),
        ("token", token.as_str()),
        ("key", key.as_str()),
    ];
    let first = visit.order(&shop, &fields).await;
    assert_eq!(first.status(), StatusCode::SEE_OTHER);
    let purchase = first.headers()[LOCATION].to_str().unwrap().to_owned();
    assert_eq!(visit.order(&shop, &fields).await.headers()[LOCATION], purchase.as_str());
    let (_, waiting) = visit.get(&shop, &purchase).await;
    assert!(waiting.contains("Готовим оплату") && waiting.contains("data-follow"));
    let (_, state) = visit.get(&shop, &format!("{purchase}/state")).await;
    assert!(state.contains("\"form\":null"));
    shop.run_due_jobs().await;
    let (_, state) = visit.get(&shop, &format!("{purchase}/state")).await;
    assert!(state.contains(&shop.bank.url), "{state}");
    assert_eq!(shop.calls("Init"), 1);
    let id = purchase.rsplit('/').next().unwrap().parse().unwrap();
    let (_, back) = visit.get(&shop, &format!("{purchase}?from=bank")).await;
    assert!(back.contains("Ждём подтверждение банка") && !back.contains("data-follow"));
    shop.pay(id, super::house::GOOD_CARD);
    shop.hear(2).await;
    let (_, done) = visit.get(&shop, &format!("{purchase}?from=bank")).await;
    assert!(done.contains("Готово!") && done.contains("<strong>550</strong>"), "{done}");
    assert_eq!(shop.balance().await, COINS + BONUS);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn mistakes_are_told_beside_the_form_and_nothing_typed_is_lost(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let visit = Visit::of(&shop).await;
    let (_, page) = visit.get(&shop, &visit.path).await;
    let (token, key, package) =
        (value_of(&page, "token"), value_of(&page, "key"), value_of(&page, "package"));
    let typed = "\"><script>alert(1)</script>";
    let fields =
        [("package", package.as_str()), ("email", typed), ("token", token.as_str()), ("key", key.as_str())];
    let answer = visit.order(&shop, &fields).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = answer.text().await.unwrap();
    assert!(page.contains("Проверьте адрес") && page.contains("aria-invalid"), "{page}");
    assert!(page.contains("alert(1)") && !page.contains("<script>alert"));
    shop.offer(100_000, 1_000_000_000, 0).await;
    let fields = [fields[0], ("email", "buh@example.test"), fields[2], fields[3]];
    let answer = visit.order(&shop, &fields).await;
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    assert!(answer.text().await.unwrap().contains("больше не продаётся"));
}

/// Another site's form, another visitor's form, no form at all.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_form_that_is_not_ours_buys_nothing(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let (visit, another) = (Visit::of(&shop).await, Visit::of(&shop).await);
    let (_, page) = another.get(&shop, &another.path).await;
    let (token, package) = (value_of(&page, "token"), value_of(&page, "package"));
    for token in [token.as_str(), "", "forged"] {
        let fields = [("package", package.as_str()), ("email", "a@b.ru"), ("token", token), ("key", "abc")];
        assert_eq!(visit.order(&shop, &fields).await.status(), StatusCode::BAD_REQUEST);
    }
    // One field more, or one twice.
    let (_, page) = visit.get(&shop, &visit.path).await;
    let token = value_of(&page, "token");
    for more in [("save_crad", "yes"), ("email", "b@c.ru")] {
        let fields = [
            ("package", package.as_str()),
            ("email", "a@b.ru"),
            ("token", token.as_str()),
            ("key", "abc"),
            more,
        ];
        assert_eq!(visit.order(&shop, &fields).await.status(), StatusCode::BAD_REQUEST, "{more:?}");
    }
    let stored: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM coin_purchases").fetch_one(&shop.pool).await.unwrap();
    assert_eq!(stored, 0);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn only_a_fresh_link_of_an_administrator_lets_in(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    assert_eq!(link(&shop, USER).await, None);
    let good = link(&shop, ADMIN).await.unwrap();
    let enter = async |url: String| shop.http.get(url).send().await.unwrap();
    assert_eq!(enter(good.clone()).await.status(), StatusCode::SEE_OTHER);
    for bad in [good.replace("ticket=", "ticket=x"), format!("{}/billing/flycoins", shop.url)] {
        let answer = enter(bad).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert!(answer.text().await.unwrap().contains("Откройте страницу из виджета"));
    }
    let visit = Visit::of(&shop).await;
    shop.clock.advance(TimeDelta::minutes(61));
    assert_eq!(enter(good).await.status(), StatusCode::UNAUTHORIZED, "a link lives an hour");
    assert_eq!(visit.get(&shop, &visit.path).await.0, StatusCode::OK, "a visit longer");
    shop.clock.advance(TimeDelta::hours(4));
    assert_eq!(visit.get(&shop, &visit.path).await.0, StatusCode::UNAUTHORIZED);
    let neighbour = visit.path.replace(char::is_numeric, "0");
    assert_eq!(visit.get(&shop, &neighbour).await.0, StatusCode::UNAUTHORIZED);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_shop_without_wares_says_so(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let widget = shop.widget().await.id;
    let code = "start".parse().unwrap();
    flysk_store::purchases::retire_package(&mut *shop.conn().await, widget, &code).await.unwrap();
    let visit = Visit::of(&shop).await;
    let (status, page) = visit.get(&shop, &visit.path).await;
    assert!(
        status == StatusCode::OK && page.contains("Пока нет ни одного пакета") && !page.contains("<form")
    );
    let missing = format!("{}/purchases/pur_01J00000000000000000000000", visit.path);
    let (status, page) = visit.get(&shop, &missing).await;
    assert!(status == StatusCode::NOT_FOUND && page.contains("Такой покупки нет"));
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn where_nothing_is_sold_the_page_says_so(pool: MySqlPool) {
    let without = |env: flysk_runtime::config::Env| {
        env.without("FLYSK_TBANK_TERMINAL_KEY").without("FLYSK_TBANK_PASSWORD")
    };
    let shop = Shop::open_with(pool, without).await;
    let visit = Visit::of(&shop).await;
    let (_, page) = visit.get(&shop, &visit.path).await;
    assert!(page.contains("Пополнение пока недоступно") && !page.contains("<form"));
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_failed_purchase_tells_why_and_leads_back(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.opened().await;
    shop.pay(id, "2200000000000038");
    shop.hear(1).await;
    let visit = Visit::of(&shop).await;
    let (_, page) = visit.get(&shop, &format!("{}/purchases/{id}?from=bank", visit.path)).await;
    assert!(page.contains("Эта карта не подходит") && page.contains("Попробовать ещё раз"), "{page}");
    assert!(!page.contains("<script"), "nothing is waited for");
}
