//! A simulated amoCRM with one integration and one account, and a plain HTTP client independent of the product's
//! code.

use flysk_simulators::amocrm::{
    self, Account, Amocrm, Entity, EntityType, Integration, Plan, Platform, User,
};
use flysk_simulators::{Control, Running};
use serde_json::{Value, json};

pub(crate) const CLIENT_ID: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const SECRET: &str = "not-a-real-secret";
pub(crate) const REDIRECT: &str = "https://app.example.com/amo/callback";
pub(crate) const ACCOUNT: u64 = 12_345_678;
pub(crate) const ADMIN: u64 = 501;
pub(crate) const MANAGER: u64 = 502;

pub(crate) struct Amo {
    pub(crate) sim: Running<Amocrm>,
    pub(crate) http: reqwest::Client,
}

pub(crate) fn user(id: u64, is_admin: bool) -> User {
    User { id, name: "Anna".into(), email: String::new(), is_admin, is_active: true, is_free: false }
}

pub(crate) fn integration() -> Integration {
    Integration {
        client_id: CLIENT_ID.into(),
        client_secret: SECRET.into(),
        redirect_uri: REDIRECT.into(),
        disconnect_url: Some("https://app.example.com/amo/disconnect".into()),
        code: "flysense".into(),
        scopes: vec!["crm".into()],
        platform: Platform::Amocrm,
        only_account: None,
    }
}

pub(crate) fn account() -> Account {
    Account {
        id: ACCOUNT,
        subdomain: "demo".into(),
        name: "Demo".into(),
        platform: Platform::Amocrm,
        plan: Plan::Extended,
        users: vec![user(ADMIN, true), user(MANAGER, false)],
        blocked: false,
        unpaid_since: None,
        former_subdomains: Vec::new(),
    }
}

impl Amo {
    pub(crate) async fn start() -> Self {
        let sim = amocrm::start(None, Control::default()).await.unwrap();
        sim.state.add_integration(integration());
        sim.state.add_account(account()).unwrap();
        let lead = Entity {
            entity_type: EntityType::Leads,
            id: 700_001,
            phones: Vec::new(),
            of: Vec::new(),
            closed: false,
            responsible_user_id: ADMIN,
        };
        sim.state.add_entity(ACCOUNT, lead).unwrap();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { sim, http }
    }

    /// A request to a host of amoCRM.
    pub(crate) fn request(&self, method: &str, host: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, format!("{}{path}", self.sim.url)).header("host", host)
    }

    pub(crate) async fn token(&self, body: &Value) -> (u16, Value) {
        answer(self.request("POST", "demo.amocrm.ru", "/oauth2/access_token").json(body)).await
    }

    /// Exchanges a new code; returns the token pair.
    pub(crate) async fn connect(&self, user: u64) -> (String, String) {
        let code = self.sim.state.issue_code(CLIENT_ID, ACCOUNT, Some(user)).unwrap();
        let (status, pair) = self.token(&exchange(&code)).await;
        assert_eq!(status, 200, "{pair}");
        let text = |name: &str| pair[name].as_str().unwrap().to_owned();
        (text("access_token"), text("refresh_token"))
    }

    /// An API call with a Bearer token.
    pub(crate) async fn api(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let mut request =
            self.request(method, "demo.amocrm.ru", &format!("/api/v4{path}")).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request).await
    }

    /// Advances the clock past the window of the rate limit.
    pub(crate) fn next_second(&self) {
        self.sim.control.clock().advance(chrono::Duration::seconds(2));
    }
}

pub(crate) fn exchange(code: &str) -> Value {
    json!({"client_id": CLIENT_ID, "client_secret": SECRET, "grant_type": "authorization_code",
           "code": code, "redirect_uri": REDIRECT})
}

pub(crate) fn refresh(token: &str) -> Value {
    json!({"client_id": CLIENT_ID, "client_secret": SECRET, "grant_type": "refresh_token",
           "refresh_token": token, "redirect_uri": REDIRECT})
}

/// Status and JSON body. A body that is not JSON is returned as a string.
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
