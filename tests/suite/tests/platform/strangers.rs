//! Every documented operation with credentials that are good but somebody else's, and with those of an account that
//! disabled the integration. The document is walked, so no new operation is left out.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_domain::id::{AccountId, EntityId, NoteId, PackageId, TranscriptionId};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::purchases::PackageTerms;
use flysk_simulators::amocrm::WidgetTokenShape;
use flysk_store::Pool;
use flysk_store::flysense::{accounts, transcriptions};
use flysk_store::platform::installs;
use flysk_store::purchases;
use flysk_suite::stand::{ACCOUNT, ADMIN, CLIENT_ID, account_next_door};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::doors::{NEIGHBOUR, add_neighbour};
use super::house::{House, on, read, trace};
use super::operations::{Operation, operations};
use super::till::{FLYCOINS, seconds_of, use_flycoins};

/// What the account's settings, charges and holds are marked with.
const MARK: &str = "nobody else's business";
/// Another account that has the same widget.
const NEXT_DOOR: u64 = 39_999_999;
const THEIR_ADMIN: u64 = 901;

/// An account with one of everything.
pub(crate) struct Victim {
    pub(crate) house: House,
    /// What takes the place of parameters and of fields of bodies.
    things: BTreeMap<&'static str, String>,
}

impl Victim {
    pub(crate) async fn settle(pool: Pool) -> Self {
        let mut house = House::build(pool).await;
        use_flycoins(&house).await;
        house.api_url = house
            .api_in(|env| {
                env.with("FLYSENSE_PROJECT_TOKEN", "measured")
                    .with("FLYSENSE_CLIENT_ID", CLIENT_ID)
                    .with("FLYSK_TBANK_TERMINAL_KEY", "1700000000000DEMO")
                    .with("FLYSK_TBANK_PASSWORD", "a-password-of-tests")
            })
            .await;
        house.install().await;
        let mut victim = Self { house, things: BTreeMap::new() };
        victim.fill().await;
        victim
    }

    async fn fill(&mut self) {
        let marked = json!({ "version": 0, "settings": { "mark": MARK } });
        assert_eq!(self.house.admin(Method::PUT, "/v1/settings", Some(marked)).await.0, StatusCode::OK);
        let mut body = seconds_of(10);
        body["reference"] = json!(MARK);
        let charge = self.write(&format!("{FLYCOINS}/charges"), body.clone()).await;
        body["expires_in_s"] = json!(3_600);
        let hold = self.write(&format!("{FLYCOINS}/holds"), body).await;
        let package = self.offer().await;
        let order = json!({ "package_id": package, "email": "buh@example.test" });
        let purchase = self.write("/v1/flycoins/purchases", order).await;
        let (_, page) = self.house.backend(Method::GET, "/v1/backend/events", None).await;
        let text =
            |value: &Value| value.as_str().unwrap_or_else(|| panic!("{charge} {hold} {purchase}")).to_owned();
        self.things.extend([
            ("/v1/flycoins/purchases/", text(&purchase["id"])),
            ("/v1/backend/events/", text(&page["events"][0]["id"])),
            ("/v1/backend/flycoins/holds/", text(&hold["hold_id"])),
            ("/v1/flysense/transcriptions/", self.call().await),
            ("/v1/amocrm/", "leads".to_owned()),
            ("transaction_id", text(&charge["transaction_id"])),
            ("package_id", package),
        ]);
    }

    /// A write with both credentials of the account.
    async fn write(&self, path: &str, body: Value) -> Value {
        let request = self.house.http.post(format!("{}{path}", self.house.api_url));
        let request = request.header("X-Project-Token", &self.house.project_token);
        let request = request.header("X-Auth-Token", self.house.token(ADMIN));
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
        let (widget, id) = (self.house.widget().await.id, PackageId::generate(&self.house.clock));
        let mut tx = self.house.pool.begin().await.unwrap();
        let code = "start".parse().unwrap();
        purchases::set_package(&mut tx, id, widget, &code, &terms, self.house.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        id.to_string()
    }

    /// A call of the account, which FlySense knows.
    async fn call(&self) -> String {
        let (install, now) = (self.house.install_id().await, self.house.clock.now());
        let mut tx = self.house.pool.begin().await.unwrap();
        let account = AccountId(ACCOUNT);
        accounts::note_event(&mut tx, account, install, "demo.amocrm.ru", true, 1, now).await.unwrap();
        let id = TranscriptionId::generate(&self.house.clock);
        let call = transcriptions::NewTranscription {
            id,
            account_id: account,
            install_id: install,
            entity_type: "leads",
            entity_id: EntityId(700_001),
            note_id: NoteId(1),
            requested_by: None,
            left_channel: "operator",
            trace: &trace(),
            now,
        };
        transcriptions::insert(&mut tx, &call).await.unwrap();
        tx.commit().await.unwrap();
        id.to_string()
    }

    /// Knocks with a credential, naming the account and its things wherever the operation names any.
    async fn knock(&self, operation: &Operation, authority: (&str, &str)) -> (StatusCode, Value) {
        let mut request = self.request(operation, authority, &Self::query_of(operation));
        if let Some(body) = self.body_of(operation) {
            request = request.json(&body);
        }
        read(request.send().await.unwrap()).await
    }

    /// A request about the account's things, without a body yet.
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
        let url = format!("{}{path}?{}", self.house.api_url, query.join("&"));
        let request = self.house.http.request(operation.method.clone(), url).header(authority.0, authority.1);
        let request = request.header(
            "Idempotency-Key",
            format!("{}-{}", operation.name().replace(' ', "-"), authority.1.len()),
        );
        request.header("X-Account-Id", ACCOUNT.to_string())
    }

    /// Parameters that name the account and its things.
    pub(crate) fn query_of(operation: &Operation) -> Vec<String> {
        let named = operation.query.iter().filter_map(|name| match name.as_str() {
            "account_id" => Some(format!("account_id={ACCOUNT}")),
            "entity_type" => Some("entity_type=leads".to_owned()),
            "entity_id" => Some("entity_id=700001".to_owned()),
            _ => None,
        });
        named.collect()
    }

    /// The body of the document's example, about the account and its things.
    pub(crate) fn body_of(&self, operation: &Operation) -> Option<Value> {
        let mut body = operation.example.clone()?;
        for (name, field) in body.as_object_mut().unwrap() {
            match (name.as_str(), self.things.get(name.as_str())) {
                ("account_id", _) => *field = json!(ACCOUNT),
                (_, Some(thing)) => *field = json!(thing),
                _ => {}
            }
        }
        Some(body)
    }

    /// A good credential of the account for an operation.
    pub(crate) fn key_to(&self, operation: &Operation) -> (&'static str, String) {
        match operation.schemes[0].as_str() {
            "ProjectToken" => ("X-Project-Token", self.house.project_token.clone()),
            _ => ("X-Auth-Token", self.house.token(ADMIN)),
        }
    }

    /// Everything the account can see of itself.
    pub(crate) async fn sees(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for operation in operations().iter().filter(|operation| operation.method == Method::GET) {
            let (header, value) = self.key_to(operation);
            let (status, answer) = self.knock(operation, (header, &value)).await;
            assert!(!status.is_server_error() || operation.path.ends_with("/audio"), "{answer}");
            all.push(json!([operation.name(), status.as_u16(), answer]));
        }
        assert!(json!(all).to_string().matches(MARK).count() >= 3, "{all:?}");
        all
    }
}

/// Somebody with a good credential.
struct Stranger {
    who: &'static str,
    scheme: &'static str,
    header: &'static str,
    value: String,
    /// Whether the account is one it may name: another vendor's widget in the same account.
    shares_the_account: bool,
}

fn is_refused(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 404 | 409)
}

/// The next vendor's backend and widget, in the same account and in none, and the same widget next door.
async fn strangers(house: &House) -> Vec<Stranger> {
    let neighbour = house.register("neighbour", NEIGHBOUR).await;
    add_neighbour(house);
    let nowhere = house.register("nowhere", "33333333-2222-4333-8444-555555555555").await;
    let account = account_next_door(NEXT_DOOR, "next-door", THEIR_ADMIN);
    house.amocrm.state.add_account(account).unwrap();
    house.amocrm.state.install(NEIGHBOUR, ACCOUNT, None).await.unwrap();
    house.amocrm.state.install(CLIENT_ID, NEXT_DOOR, None).await.unwrap();
    house.run_due_jobs().await;
    // FlySense works next door, too.
    let (account, widget) = (AccountId(NEXT_DOOR), house.widget().await.id);
    let mut conn = house.conn().await;
    let install = installs::find_in_account(on(&mut conn), widget, account).await.unwrap().unwrap().id;
    let (host, now) = ("next-door.amocrm.ru", house.clock.now());
    accounts::note_event(on(&mut conn), account, install, host, true, 1, now).await.unwrap();
    drop(conn);
    let shape = WidgetTokenShape::default();
    let token =
        |client, account, user| house.amocrm.state.widget_token(client, account, user, &shape).unwrap();
    let (theirs, next_door) = (token(NEIGHBOUR, ACCOUNT, ADMIN), token(CLIENT_ID, NEXT_DOOR, THEIR_ADMIN));
    let mut all = vec![
        backend("a vendor who is not installed", nowhere, false),
        backend("another vendor in the account", neighbour, true),
    ];
    for (who, token, shares_the_account) in
        [("another widget in the account", theirs, true), ("the widget next door", next_door, false)]
    {
        let (_, shaken) = house.ask(Method::POST, "/v1/handshake", ("X-Auth-Token", &token), None).await;
        let value = format!("Bearer {}", shaken["session"]["token"].as_str().unwrap());
        all.push(Stranger {
            who,
            scheme: "WidgetToken",
            header: "X-Auth-Token",
            value: token,
            shares_the_account,
        });
        all.push(Stranger { who, scheme: "Session", header: "Authorization", value, shares_the_account });
    }
    all
}

fn backend(who: &'static str, value: String, shares_the_account: bool) -> Stranger {
    Stranger { who, scheme: "ProjectToken", header: "X-Project-Token", value, shares_the_account }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_neighbours_key_opens_nothing_of_ours(pool: MySqlPool) {
    let victim = Victim::settle(pool).await;
    let strangers = strangers(&victim.house).await;
    let before = victim.sees().await;
    for stranger in strangers {
        let fits = |operation: &&Operation| operation.schemes.iter().any(|scheme| scheme == stranger.scheme);
        let mut knocked = 0;
        for operation in operations().iter().filter(fits) {
            let (status, answer) = victim.knock(operation, (stranger.header, &stranger.value)).await;
            let what =
                format!("{} as {} ({}): {status} {answer}", operation.name(), stranger.who, stranger.scheme);
            let is_ours =
                operation.names_a_thing() || (operation.names_an_account() && !stranger.shares_the_account);
            assert!(!is_ours || is_refused(status), "{what}");
            assert!(
                status != StatusCode::UNAUTHORIZED && !status.is_server_error(),
                "a good credential: {what}"
            );
            assert!(!answer.to_string().contains(MARK), "{what}");
            knocked += 1;
        }
        if stranger.scheme == "ProjectToken" {
            let key = (stranger.header, stranger.value.as_str());
            let body = json!({ "token": victim.house.token(ADMIN) });
            let asked = victim.house.ask(Method::POST, "/v1/pauth", key, Some(body)).await;
            assert_eq!(asked.0, StatusCode::UNAUTHORIZED, "a token that was meant for another backend");
        }
        assert!(knocked > 10 || stranger.scheme == "WidgetToken", "{} {knocked}", stranger.who);
    }
    assert_eq!(victim.sees().await, before);
}

/// What is left to an account that disabled the integration besides looking back: a switch for when it comes back, and
/// ending what was begun. Everything else is refused.
const LEFT: [&str; 7] = [
    "POST /v1/handshake",
    "PUT /v1/backend/switch",
    "POST /v1/backend/events/{id}/replay",
    "POST /v1/backend/flycoins/estimate",
    "POST /v1/backend/flycoins/holds/{hold_id}/capture",
    "POST /v1/backend/flycoins/holds/{hold_id}/release",
    "POST /v1/backend/flycoins/refunds",
];

/// After the account disabled the integration its keys still say who it was, and open nothing that works.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_uninstalled_accounts_keys_work_nothing(pool: MySqlPool) {
    let victim = Victim::settle(pool).await;
    let house = &victim.house;
    house.advance(TimeDelta::minutes(1));
    house.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    for _ in 0..6 {
        house.run_due_jobs().await;
        house.advance(TimeDelta::minutes(1));
    }
    assert_eq!(house.status().await, "uninstalled");
    let (install, now) = (house.install_id().await, house.clock.now());
    let mut conn = house.conn().await;
    accounts::note_event(on(&mut conn), AccountId(ACCOUNT), install, "demo.amocrm.ru", false, 2, now)
        .await
        .unwrap();
    let token = house.token(ADMIN);
    let (_, shaken) = house.ask(Method::POST, "/v1/handshake", ("X-Auth-Token", &token), None).await;
    let session = format!("Bearer {}", shaken["session"]["token"].as_str().unwrap());
    let settings = house.the_install().await.settings_version;
    for operation in operations() {
        for scheme in &operation.schemes {
            let credential = match scheme.as_str() {
                "ProjectToken" => ("X-Project-Token", house.project_token.as_str()),
                "WidgetToken" => ("X-Auth-Token", token.as_str()),
                _ => ("Authorization", session.as_str()),
            };
            let (status, answer) = victim.knock(&operation, credential).await;
            let what = format!("{} ({scheme}): {status} {answer}", operation.name());
            assert!(status != StatusCode::UNAUTHORIZED && !status.is_server_error(), "{what}");
            let looks_back = operation.method == Method::GET
                && !operation.is_gateway()
                && !operation.path.starts_with("/v1/flysense/");
            if !looks_back && !LEFT.contains(&operation.name().as_str()) {
                assert!(is_refused(status), "{what}");
            }
        }
    }
    let (_, problem) = house.pauth().await;
    assert_eq!(problem["code"], "install_not_active");
    let (status, _) =
        house.backend(Method::POST, "/v1/pauth", Some(json!({ "token": house.token(ADMIN) }))).await;
    assert_eq!((status, house.the_install().await.settings_version), (StatusCode::FORBIDDEN, settings));
}
