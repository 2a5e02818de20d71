//! A subscriber, and browsers without scripts that visit the page.

use chrono::{DateTime, FixedOffset, TimeDelta};
use flysk_domain::id::PlanId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::subscriptions::{Currency, PeriodLength, PlanTerms};
use flysk_sandbox::{CLIENT_ID, Options};
use flysk_simulators::amocrm::WidgetTokenShape;
use flysk_simulators::tbank::Payment;
use flysk_store::platform::invoice_payments::Attempt;
use flysk_store::platform::subscriptions as store;
use flysk_store::platform::vendors;
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::environment::{ACCOUNT, ADMIN, connect_as_in_production};
use flysk_suite::subscriber::Subscriber;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use sqlx::MySqlPool;

/// Test card that pays on the form; charges of it are declined for lack of funds.
pub(super) const EMPTY_LATER: &str = "2200000000000087";
/// Address of receipts.
pub(super) const EMAIL: &str = "buh@example.test";

/// An account in the trial of a widget with two plans, whose seller has told who it is. It is noon of 31 January in Moscow.
pub(super) struct TestPage {
    pub(super) subscriber: Subscriber,
    pub(super) http: reqwest::Client,
}

impl std::ops::Deref for TestPage {
    type Target = Subscriber;

    fn deref(&self) -> &Subscriber {
        &self.subscriber
    }
}

impl TestPage {
    pub(super) async fn open(pool: MySqlPool) -> Self {
        let pool = connect_as_in_production(&pool, 20).await.unwrap();
        let mut options = Options::new(pool, "2027-01-31T09:00:00Z".parse().unwrap()).unwrap();
        options.variables.insert("FLYSK_TBANK_REQUESTS_PER_SECOND".to_owned(), "0".to_owned());
        let subscriber = Subscriber::open(options).await.unwrap();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let page = Self { subscriber, http };
        page.name_the_seller().await;
        page.offer("start", "Старт", 49_000).await;
        page
    }

    /// The same after a purchase of a month, with the consent to renewals.
    pub(super) async fn subscribed(pool: MySqlPool, card: &str) -> Self {
        let page = Self::open(pool).await;
        page.buy(card).await.unwrap();
        page
    }

    async fn name_the_seller(&self) {
        let mut conn = self.sandbox.pool.acquire().await.unwrap();
        let widget = self.row().await.unwrap().widget_id;
        let mut vendor = vendors::find_vendor_of_widget(&mut conn, widget).await.unwrap().unwrap();
        "ООО «Акме»".clone_into(&mut vendor.legal_name);
        vendor.inn = Some("7707083893".to_owned());
        vendor.email = Some("help@acme.example".to_owned());
        vendor.phone = Some("+74951234567".to_owned());
        vendors::update_vendor(&mut conn, &vendor, self.sandbox.now()).await.unwrap();
    }

    /// Offers a plan by the month; a new version if the code is known.
    pub(super) async fn offer(&self, code: &str, title: &str, kopecks: i64) -> PlanId {
        let terms = PlanTerms {
            title: title.to_owned(),
            prices: [(PeriodLength::Month, Kopecks(kopecks)), (PeriodLength::Year, Kopecks(kopecks * 10))]
                .into(),
            min_seats: 1,
            max_seats: Some(100),
            currency: Currency::Rub,
            features: serde_json::json!({}),
        };
        let (id, code) = (PlanId::generate(&self.sandbox.clock), code.parse().unwrap());
        let widget = self.row().await.unwrap().widget_id;
        let mut tx = self.sandbox.pool.begin().await.unwrap();
        let plan = store::set_plan(&mut tx, id, widget, &code, &terms, self.sandbox.now()).await.unwrap();
        tx.commit().await.unwrap();
        plan.id
    }

    pub(super) async fn update_widget(&self, changes: &Changes) {
        let widget = self.row().await.unwrap().widget_id;
        let mut conn = self.sandbox.pool.acquire().await.unwrap();
        widgets::update(&mut conn, widget, changes, self.sandbox.now()).await.unwrap();
    }

    pub(super) async fn handshake(&self, account: u64, user: u64) -> Value {
        let amocrm = &self.sandbox.amocrm.state;
        let token = amocrm.widget_token(CLIENT_ID, account, user, &WidgetTokenShape::default()).unwrap();
        let url = format!("{}/v1/handshake", self.sandbox.api_url);
        let answer = self.http.post(url).header("X-Auth-Token", token).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// The link in the handshake of a user.
    pub(super) async fn link(&self, user: u64) -> String {
        let shaken = self.handshake(ACCOUNT, user).await;
        shaken["billing_urls"]["subscription"].as_str().expect("a link to the page").to_owned()
    }

    /// A visit through the link of a user.
    pub(super) async fn visit(&self, user: u64) -> Visit<'_> {
        self.enter(&self.link(user).await).await
    }

    /// A visit through a link.
    pub(super) async fn enter(&self, link: &str) -> Visit<'_> {
        let entered = self.http.get(link).send().await.unwrap();
        assert_eq!(entered.status(), StatusCode::SEE_OTHER);
        let header = |name| entered.headers().get(name).unwrap().to_str().unwrap().to_owned();
        let (path, cookie) = (header(LOCATION), header(SET_COOKIE));
        Visit { page: self, path, cookie: cookie.split(';').next().unwrap().to_owned() }
    }

    /// An administrator's overview.
    pub(super) async fn overview(&self) -> String {
        self.visit(ADMIN).await.shown("").await
    }

    /// Advances the clock to a time of a day in Moscow.
    pub(super) async fn advance_to(&self, day: &str, time: &str) {
        let moment: DateTime<FixedOffset> = format!("{day}T{time}+03:00").parse().unwrap();
        self.sandbox.advance_to(moment.to_utc()).await.unwrap();
    }

    pub(super) async fn advance_days(&self, days: i64) {
        self.sandbox.advance(TimeDelta::days(days)).await.unwrap();
    }

    /// The bank's payments, oldest first.
    pub(super) fn payments(&self) -> Vec<Payment> {
        self.sandbox.bank.state.payments()
    }

    /// Number of calls of a bank's method.
    pub(super) fn calls(&self, method: &str) -> usize {
        self.sandbox.bank.control.calls_to("POST", &format!("/v2/{method}")).len()
    }

    /// The attempt whose form is open; otherwise any. Ids of one moment of the frozen clock have no order.
    pub(super) async fn last_attempt(&self) -> Attempt {
        let mut all = Vec::new();
        for invoice in self.invoices().await.unwrap() {
            all.extend(self.attempts(invoice.id).await.unwrap());
        }
        let open = all.iter().position(|attempt| attempt.state == AttemptState::Open);
        all.swap_remove(open.unwrap_or(all.len() - 1))
    }
}

/// A browser without scripts, with the cookie of the page.
pub(super) struct Visit<'a> {
    pub(super) page: &'a TestPage,
    pub(super) path: String,
    pub(super) cookie: String,
}

impl Visit<'_> {
    pub(super) async fn get(&self, rest: &str) -> Response {
        let url = format!("{}{}{rest}", self.page.sandbox.api_url, self.path);
        self.page.http.get(url).header(COOKIE, &self.cookie).send().await.unwrap()
    }

    /// A page that must be shown, with ordinary spaces.
    pub(super) async fn shown(&self, rest: &str) -> String {
        let answer = self.get(rest).await;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, StatusCode::OK, "{rest}: {text}");
        text.replace('\u{a0}', " ")
    }

    /// A page that must not be shown.
    pub(super) async fn refused(&self, rest: &str, status: StatusCode) -> String {
        let answer = self.get(rest).await;
        assert_eq!(answer.status(), status, "{rest}");
        answer.text().await.unwrap()
    }

    /// CSRF token of this visit.
    pub(super) async fn token(&self) -> String {
        value_of(&self.shown("").await, "token")
    }

    /// Sends a form with these fields and the CSRF token.
    pub(super) async fn post(&self, rest: &str, fields: &[(&str, &str)]) -> Response {
        let token = self.token().await;
        let all: Vec<(&str, &str)> = fields.iter().copied().chain([("token", token.as_str())]).collect();
        self.post_as_is(rest, &all).await
    }

    /// Sends a form with these fields only.
    pub(super) async fn post_as_is(&self, rest: &str, fields: &[(&str, &str)]) -> Response {
        let url = format!("{}{}{rest}", self.page.sandbox.api_url, self.path);
        self.page.http.post(url).header(COOKIE, &self.cookie).form(fields).send().await.unwrap()
    }

    /// Sends a form that must be accepted; returns where it leads, without the page's path.
    pub(super) async fn done(&self, rest: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.post(rest, fields).await;
        let (status, target) = (answer.status(), answer.headers().get(LOCATION).cloned());
        let Some(target) = target else { panic!("{rest}: {status} {}", answer.text().await.unwrap()) };
        assert_eq!(status, StatusCode::SEE_OTHER, "{rest}");
        let target = target.to_str().unwrap().to_owned();
        target.strip_prefix(&self.path).expect("the page's own path").to_owned()
    }

    /// Sends a form that must be refused; returns the page.
    pub(super) async fn fails(&self, rest: &str, fields: &[(&str, &str)], status: StatusCode) -> String {
        let answer = self.post(rest, fields).await;
        let (found, text) = (answer.status(), answer.text().await.unwrap().replace('\u{a0}', " "));
        assert_eq!(found, status, "{rest}: {text}");
        text
    }

    /// Buys or changes: quote, apply, and the bank's form of the invoice. Returns the payment's place.
    pub(super) async fn order(&self, change: &[(&str, &str)], consent: bool) -> String {
        let quote = self.done("/quotes", change).await;
        let invoice = self.done(&format!("{quote}/apply"), &[]).await;
        self.begin_to_pay(&invoice, consent).await
    }

    pub(super) async fn begin_to_pay(&self, invoice: &str, consent: bool) -> String {
        let shown = self.shown(invoice).await;
        let offer = value_of(&shown, "offer");
        let mut fields = vec![("email", EMAIL), ("offer", offer.as_str())];
        if consent {
            fields.push(("consent", "yes"));
        }
        let payment = self.done(&format!("{invoice}/payments"), &fields).await;
        self.page.sandbox.run_due().await.unwrap();
        payment
    }
}

/// Value of a field of a page.
pub(super) fn value_of(page: &str, name: &str) -> String {
    let from = page.split(&format!("name=\"{name}\" value=\"")).nth(1);
    let from = from.unwrap_or_else(|| panic!("no {name} in {page}"));
    from.split('"').next().unwrap().to_owned()
}

/// Fails unless the page contains all these texts.
pub(super) fn assert_says(page: &str, texts: &[&str]) {
    for text in texts {
        assert!(page.contains(text), "no «{text}» in {page}");
    }
}
