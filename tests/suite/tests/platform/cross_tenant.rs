//! Every documented operation with valid credentials of other tenants, and with those of an account that disabled
//! the integration. The tests cover the whole document, so that no new operation is left out.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_domain::flysense::account::AccountStatus;
use flysk_domain::flysense::activation::binding::BindingState;
use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_domain::flysense::call::EntityType;
use flysk_domain::flysense::roles::Role;
use flysk_domain::id::{AccountId, BindingId, EntityId, NoteId, PackageId, TranscriptionId};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::purchases::PackageTerms;
use flysk_simulators::amocrm::WidgetTokenShape;
use flysk_store::Pool;
use flysk_store::flysense::activation::bindings;
use flysk_store::flysense::{accounts, transcriptions};
use flysk_store::platform::installs;
use flysk_store::platform::purchases;
use flysk_suite::environment::{ACCOUNT, ADMIN, CLIENT_ID, another_account};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::authentication::{OTHER_CLIENT_ID, add_other_widget};
use super::charging::{FLYCOINS, seconds_of, use_flycoins};
use super::harness::{TestApp, as_conn, read, trace};
use super::operations::{Operation, operations};

/// Marker in the account's settings, charges and holds.
const CONTENT_MARKER: &str = "nobody else's business";
/// Another account with the same widget.
const OTHER_ACCOUNT: u64 = 39_999_999;
const OTHER_ADMIN: u64 = 901;

/// An account with one item of each kind.
pub(crate) struct TargetAccount {
    pub(crate) app: TestApp,
    /// Values of path parameters and body fields.
    things: BTreeMap<&'static str, String>,
}

impl TargetAccount {
    pub(crate) async fn install(pool: Pool) -> Self {
        let mut app = TestApp::build(pool).await;
        use_flycoins(&app).await;
        app.api_url = app
            .api_in(|env| {
                env.with("FLYSENSE_PROJECT_TOKEN", "measured")
                    .with("FLYSENSE_CLIENT_ID", CLIENT_ID)
                    .with("FLYSK_TBANK_TERMINAL_KEY", "1700000000000DEMO")
                    .with("FLYSK_TBANK_PASSWORD", "a-password-of-tests")
            })
            .await;
        app.install().await;
        let mut target = Self { app, things: BTreeMap::new() };
        target.fill().await;
        target
    }

    async fn fill(&mut self) {
        let marked = json!({ "version": 0, "settings": { "mark": CONTENT_MARKER } });
        assert_eq!(self.app.admin(Method::PUT, "/v1/settings", Some(marked)).await.0, StatusCode::OK);
        let mut body = seconds_of(10);
        body["reference"] = json!(CONTENT_MARKER);
        let charge = self.write(&format!("{FLYCOINS}/charges"), body.clone()).await;
        body["expires_in_s"] = json!(3_600);
        let hold = self.write(&format!("{FLYCOINS}/holds"), body).await;
        let package = self.offer().await;
        let order = json!({ "package_id": package, "email": "buh@example.test" });
        let purchase = self.write("/v1/flycoins/purchases", order).await;
        let (_, page) = self.app.backend(Method::GET, "/v1/backend/events", None).await;
        let text =
            |value: &Value| value.as_str().unwrap_or_else(|| panic!("{charge} {hold} {purchase}")).to_owned();
        self.things.extend([
            ("/v1/flycoins/purchases/", text(&purchase["id"])),
            ("/v1/backend/installs/", self.app.install_id().await.to_string()),
            ("/v1/backend/events/", text(&page["items"][0]["id"])),
            ("/v1/backend/flycoins/holds/", text(&hold["hold_id"])),
            ("/v1/flysense/transcriptions/", self.call().await),
            ("/v1/flysense/activation/bindings/", self.binding().await),
            ("/v1/amocrm/", "leads".to_owned()),
            ("transaction_id", text(&charge["transaction_id"])),
            ("package_id", package),
        ]);
    }

    /// A write with both credentials of the account.
    async fn write(&self, path: &str, body: Value) -> Value {
        let request = self.app.http.post(format!("{}{path}", self.app.api_url));
        let request = request.header("X-Project-Token", &self.app.project_token);
        let request = request.header("X-Auth-Token", self.app.token(ADMIN));
        let (status, answer) =
            read(request.header("Idempotency-Key", path).json(&body).send().await.unwrap()).await;
        assert!(status.is_success(), "{path}: {answer}");
        answer
    }

    async fn offer(&self) -> String {
        let terms = PackageTerms {
            title: "Стартовый".to_owned(),
            price: Kopecks(50_000),
            coins: MicroCoins(500_000_000),
            bonus: MicroCoins(0),
            bonus_days: None,
        };
        let (widget, id) = (self.app.widget().await.id, PackageId::generate(&self.app.clock));
        let mut tx = self.app.pool.begin().await.unwrap();
        let code = "start".parse().unwrap();
        purchases::set_package(&mut tx, id, widget, &code, &terms, self.app.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        id.to_string()
    }

    /// Adds a call to the account and FlySense; returns its transcription's id.
    async fn call(&self) -> String {
        let (install, now) = (self.app.install_id().await, self.app.clock.now());
        let mut tx = self.app.pool.begin().await.unwrap();
        let account = AccountId(ACCOUNT);
        accounts::note_event(&mut tx, account, install, "demo.amocrm.ru", AccountStatus::Active, 1, now)
            .await
            .unwrap();
        let id = TranscriptionId::generate(&self.app.clock);
        let call = transcriptions::NewTranscription {
            id,
            account_id: account,
            install_id: install,
            entity_type: EntityType::Lead,
            entity_id: EntityId(700_001),
            note_id: NoteId(1),
            requested_by: None,
            left_channel: Role::Operator,
            trace: &trace(),
            now,
        };
        transcriptions::insert(&mut tx, &call).await.unwrap();
        tx.commit().await.unwrap();
        id.to_string()
    }

    /// Binds a person to the account; returns the binding's id.
    async fn binding(&self) -> String {
        let (id, now) = (BindingId::generate(&self.app.clock), self.app.clock.now());
        let binding = bindings::BindingRow {
            id,
            account_id: AccountId(ACCOUNT),
            install_id: self.app.install_id().await,
            user_id: ADMIN.into(),
            messenger: Messenger::Telegram,
            messenger_user_id: 555,
            chat_id: 555,
            person: "Анна".to_owned(),
            phone_sealed: "v1.k1.sealed".to_owned(),
            phone_masked: "+7 *** ***-45-67".to_owned(),
            state: BindingState::Active,
            muted: Vec::new(),
            consented_at: now,
        };
        bindings::put(as_conn(&mut self.app.conn().await), &binding, b"", now).await.unwrap();
        id.to_string()
    }

    /// Calls an operation with a credential, and the account's ids wherever the operation takes any.
    async fn probe(&self, operation: &Operation, authority: (&str, &str)) -> (StatusCode, Value) {
        let mut request = self.request(operation, authority, &Self::query_of(operation));
        if let Some(body) = self.body_of(operation) {
            request = request.json(&body);
        }
        read(request.send().await.unwrap()).await
    }

    /// A request with the account's ids, without a body.
    pub(crate) fn request(
        &self,
        operation: &Operation,
        authority: (&str, &str),
        query: &[String],
    ) -> reqwest::RequestBuilder {
        let thing = self.things.iter().find(|(name, _)| operation.path.starts_with(*name));
        let parts = operation.path.split('/').map(|part| match thing {
            Some((_, id)) if part.starts_with('{') => id.as_str(),
            _ => part,
        });
        let path = parts.collect::<Vec<_>>().join("/");
        let url = format!("{}{path}?{}", self.app.api_url, query.join("&"));
        let request = self.app.http.request(operation.method.clone(), url).header(authority.0, authority.1);
        let request = request.header(
            "Idempotency-Key",
            format!("{}-{}", operation.name().replace(' ', "-"), authority.1.len()),
        );
        request.header("X-Account-Id", ACCOUNT.to_string())
    }

    /// Query parameters with the account's ids.
    pub(crate) fn query_of(operation: &Operation) -> Vec<String> {
        let named = operation.query.iter().filter_map(|name| match name.as_str() {
            "account_id" => Some(format!("account_id={ACCOUNT}")),
            "entity_type" => Some("entity_type=leads".to_owned()),
            "entity_id" => Some("entity_id=700001".to_owned()),
            "format" => Some("format=txt".to_owned()),
            "text" => Some("text=tag".to_owned()),
            _ => None,
        });
        named.collect()
    }

    /// The example body of the document, with the account's ids.
    pub(crate) fn body_of(&self, operation: &Operation) -> Option<Value> {
        let mut body = operation.example.clone()?;
        for (name, field) in body.as_object_mut().unwrap() {
            match (name.as_str(), self.things.get(name.as_str())) {
                ("account_id", _) => *field = json!(ACCOUNT),
                // A null is an alternative that was not chosen.
                (_, Some(thing)) if !field.is_null() => *field = json!(thing),
                _ => {}
            }
        }
        Some(body)
    }

    /// A valid credential of the account for an operation.
    pub(crate) fn key_to(&self, operation: &Operation) -> (&'static str, String) {
        match operation.schemes[0].as_str() {
            "ProjectToken" => ("X-Project-Token", self.app.project_token.clone()),
            _ => ("X-Auth-Token", self.app.token(ADMIN)),
        }
    }

    /// Everything that the account can read.
    pub(crate) async fn sees(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for operation in operations().iter().filter(|operation| operation.method == Method::GET) {
            let (header, value) = self.key_to(operation);
            let (status, answer) = self.probe(operation, (header, &value)).await;
            assert!(!status.is_server_error() || operation.path.ends_with("/audio"), "{answer}");
            all.push(json!([operation.name(), status.as_u16(), answer]));
        }
        assert!(json!(all).to_string().matches(CONTENT_MARKER).count() >= 3, "{all:?}");
        all
    }
}

/// A caller with valid credentials of another tenant.
struct Intruder {
    who: &'static str,
    scheme: &'static str,
    header: &'static str,
    value: String,
    /// Whether it may name the account: another vendor's widget in the same account.
    shares_the_account: bool,
}

fn is_refused(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 404 | 409)
}

/// Another vendor's backend and widget, in the same account and in none, and the same widget in another account.
async fn intruders(app: &TestApp) -> Vec<Intruder> {
    let neighbour = app.register("neighbour", OTHER_CLIENT_ID).await;
    add_other_widget(app);
    let nowhere = app.register("nowhere", "33333333-2222-4333-8444-555555555555").await;
    let account = another_account(OTHER_ACCOUNT, "next-door", OTHER_ADMIN);
    app.amocrm.state.add_account(account).unwrap();
    app.amocrm.state.install(OTHER_CLIENT_ID, ACCOUNT, None).await.unwrap();
    app.amocrm.state.install(CLIENT_ID, OTHER_ACCOUNT, None).await.unwrap();
    app.run_due_jobs().await;
    // FlySense is also active in the other account.
    let (account, widget) = (AccountId(OTHER_ACCOUNT), app.widget().await.id);
    let mut conn = app.conn().await;
    let install = installs::find_in_account(as_conn(&mut conn), widget, account).await.unwrap().unwrap().id;
    let (host, now) = ("next-door.amocrm.ru", app.clock.now());
    accounts::note_event(as_conn(&mut conn), account, install, host, AccountStatus::Active, 1, now)
        .await
        .unwrap();
    drop(conn);
    let shape = WidgetTokenShape::default();
    let token = |client, account, user| app.amocrm.state.widget_token(client, account, user, &shape).unwrap();
    let (theirs, next_door) =
        (token(OTHER_CLIENT_ID, ACCOUNT, ADMIN), token(CLIENT_ID, OTHER_ACCOUNT, OTHER_ADMIN));
    let mut all = vec![
        backend("a vendor who is not installed", nowhere, false),
        backend("another vendor in the account", neighbour, true),
    ];
    for (who, token, shares_the_account) in
        [("another widget in the account", theirs, true), ("the widget next door", next_door, false)]
    {
        let (_, shaken) = app.ask(Method::POST, "/v1/handshake", ("X-Auth-Token", &token), None).await;
        let value = format!("Bearer {}", shaken["session"]["token"].as_str().unwrap());
        all.push(Intruder {
            who,
            scheme: "WidgetToken",
            header: "X-Auth-Token",
            value: token,
            shares_the_account,
        });
        all.push(Intruder { who, scheme: "Session", header: "Authorization", value, shares_the_account });
    }
    all
}

fn backend(who: &'static str, value: String, shares_the_account: bool) -> Intruder {
    Intruder { who, scheme: "ProjectToken", header: "X-Project-Token", value, shares_the_account }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn credentials_of_other_tenants_access_nothing(pool: MySqlPool) {
    let target = TargetAccount::install(pool).await;
    let intruders = intruders(&target.app).await;
    let before = target.sees().await;
    for intruder in intruders {
        let fits = |operation: &&Operation| operation.schemes.iter().any(|scheme| scheme == intruder.scheme);
        let mut knocked = 0;
        for operation in operations().iter().filter(fits) {
            let (status, answer) = target.probe(operation, (intruder.header, &intruder.value)).await;
            let what =
                format!("{} as {} ({}): {status} {answer}", operation.name(), intruder.who, intruder.scheme);
            let is_ours =
                operation.names_a_thing() || (operation.names_an_account() && !intruder.shares_the_account);
            assert!(!is_ours || is_refused(status), "{what}");
            assert!(
                status != StatusCode::UNAUTHORIZED && !status.is_server_error(),
                "a good credential: {what}"
            );
            assert!(!answer.to_string().contains(CONTENT_MARKER), "{what}");
            knocked += 1;
        }
        if intruder.scheme == "ProjectToken" {
            let key = (intruder.header, intruder.value.as_str());
            let body = json!({ "token": target.app.token(ADMIN) });
            let asked = target.app.ask(Method::POST, "/v1/pauth", key, Some(body)).await;
            assert_eq!(asked.0, StatusCode::UNAUTHORIZED, "a token that was meant for another backend");
        }
        assert!(knocked > 10 || intruder.scheme == "WidgetToken", "{} {knocked}", intruder.who);
    }
    assert_eq!(target.sees().await, before);
}

/// Operations that remain allowed after the account disabled the integration, besides reads: the switch for its
/// return, and ending what was started. All others are rejected.
const ALLOWED_AFTER_UNINSTALL: [&str; 9] = [
    "POST /v1/handshake",
    "PUT /v1/backend/switch",
    "POST /v1/backend/events/test",
    "POST /v1/backend/events/replay",
    "POST /v1/backend/events/{event_id}/replay",
    "POST /v1/backend/flycoins/estimate",
    "POST /v1/backend/flycoins/holds/{hold_id}/capture",
    "POST /v1/backend/flycoins/holds/{hold_id}/release",
    "POST /v1/backend/flycoins/refunds",
];

/// After the account disabled the integration, its credentials still identify it but allow no work.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn credentials_of_an_uninstalled_account_allow_no_work(pool: MySqlPool) {
    let target = TargetAccount::install(pool).await;
    let app = &target.app;
    app.advance(TimeDelta::minutes(1));
    app.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    for _ in 0..6 {
        app.run_due_jobs().await;
        app.advance(TimeDelta::minutes(1));
    }
    assert_eq!(app.status().await, "uninstalled");
    let (install, now) = (app.install_id().await, app.clock.now());
    let mut conn = app.conn().await;
    let (account, off) = (AccountId(ACCOUNT), AccountStatus::Inactive);
    accounts::note_event(as_conn(&mut conn), account, install, "demo.amocrm.ru", off, 2, now).await.unwrap();
    let token = app.token(ADMIN);
    let (_, shaken) = app.ask(Method::POST, "/v1/handshake", ("X-Auth-Token", &token), None).await;
    let session = format!("Bearer {}", shaken["session"]["token"].as_str().unwrap());
    let settings = app.the_install().await.settings_version;
    for operation in operations() {
        for scheme in &operation.schemes {
            let credential = match scheme.as_str() {
                "ProjectToken" => ("X-Project-Token", app.project_token.as_str()),
                "WidgetToken" => ("X-Auth-Token", token.as_str()),
                _ => ("Authorization", session.as_str()),
            };
            let (status, answer) = target.probe(&operation, credential).await;
            let what = format!("{} ({scheme}): {status} {answer}", operation.name());
            assert!(status != StatusCode::UNAUTHORIZED && !status.is_server_error(), "{what}");
            let looks_back = operation.method == Method::GET
                && !operation.is_gateway()
                && !operation.path.starts_with("/v1/flysense/");
            if !looks_back && !ALLOWED_AFTER_UNINSTALL.contains(&operation.name().as_str()) {
                assert!(is_refused(status), "{what}");
            }
        }
    }
    let (_, problem) = app.pauth().await;
    assert_eq!(problem["code"], "install_not_active");
    let (status, _) =
        app.backend(Method::POST, "/v1/pauth", Some(json!({ "token": app.token(ADMIN) }))).await;
    assert_eq!((status, app.the_install().await.settings_version), (StatusCode::FORBIDDEN, settings));
}
