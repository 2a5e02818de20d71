//! Runs the example backends of `docs/integrate.md`, each against Flysk: events, charges, refunds, errors, repetitions.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flysk_domain::{Clock as _, SystemClock};
use flysk_simulators::amocrm::WidgetTokenShape;
use flysk_suite::environment::{ACCOUNT, ADMIN, another_account};
use flysk_suite::ports::quiet_port;
use poem::http::{StatusCode, header};
use poem::listener::{Acceptor as _, Listener as _, TcpListener};
use poem::middleware::AddDataEndpoint;
use poem::web::Data;
use poem::{Body, EndpointExt as _, Request, Response, Route, Server, handler};
use serde_json::{Value, json};
use xtask::tools::{Node, PYTHON};

use super::document::{Reader, files, steps};
use super::integrate::{CLIENT, DOCUMENT, reader_of};

const WAIT_TIMEOUT: Duration = Duration::from_mins(5);
/// Price of one piece of the service, micro-Flycoins.
const PRICE_MICRO: i64 = 2_500_000;
/// Another account with the widget, and its administrator.
const OTHER_ACCOUNT: u64 = 31_234_568;
const OTHER_ADMIN: u64 = 701;

/// Flysk behind a busy front: the first request to each path is refused with 429 and `Retry-After`.
#[derive(Debug, Default)]
struct Front {
    http: reqwest::Client,
    flysk: String,
    /// Path and idempotency key of every request.
    seen: Mutex<Vec<(String, Option<String>)>>,
}

impl Front {
    async fn start(flysk: &str) -> anyhow::Result<(Arc<Self>, String)> {
        let front = Arc::new(Self { flysk: flysk.to_owned(), ..Self::default() });
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await?;
        let address = acceptor.local_addr()[0].as_socket_addr().copied();
        let app: AddDataEndpoint<Route, Arc<Self>> = Route::new().at("/*path", pass).data(Arc::clone(&front));
        tokio::spawn(Server::new_with_acceptor(acceptor).run(app));
        Ok((front, format!("http://{}", address.expect("a TCP address"))))
    }

    /// Idempotency keys of the requests to a path.
    fn keys(&self, path: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(seen, _)| seen == path).filter_map(|(_, key)| key.clone()).collect()
    }
}

#[handler]
async fn pass(front: Data<&Arc<Front>>, request: &Request, body: Body) -> poem::Result<Response> {
    let path = request.uri().path().to_owned();
    let key = request.header("Idempotency-Key").map(str::to_owned);
    let is_first = {
        let mut seen = front.seen.lock().unwrap();
        let is_first = seen.iter().all(|(known, _)| *known != path);
        seen.push((path.clone(), key));
        is_first
    };
    if is_first {
        let problem = json!({ "type": "about:blank", "title": "Too many requests", "status": 429,
            "code": "too_many_requests", "detail": "repeat the request" });
        return Ok(Response::builder()
            .status(StatusCode::TOO_MANY_REQUESTS)
            .header(header::RETRY_AFTER, "1")
            .content_type("application/problem+json")
            .body(problem.to_string()));
    }
    let headers = request.headers().iter().filter(|(name, _)| *name != header::HOST);
    let sent = front
        .http
        .request(request.method().clone(), format!("{}{path}", front.flysk))
        .headers(headers.map(|(name, value)| (name.clone(), value.clone())).collect())
        .body(body.into_vec().await?);
    let answer = sent.send().await.map_err(poem::error::BadGateway)?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response =
        Response::builder().status(status).body(answer.bytes().await.map_err(poem::error::BadGateway)?);
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
    }
    Ok(response)
}

/// A running example. It ends with the test.
struct Example {
    child: Child,
    name: &'static str,
    url: String,
    front: Arc<Front>,
}

impl Drop for Example {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Example {
    /// Starts a program with the variables that the document lists.
    async fn start(
        reader: &Reader,
        name: &'static str,
        program: &Path,
        file: &str,
        port: u16,
    ) -> anyhow::Result<Self> {
        let (front, flysk) = Front::start(&reader.env.api_url).await?;
        let log = std::fs::File::create(reader.env.scratch().join(format!("{name}.out")))?;
        let mut command = reader.command(&program.display().to_string());
        command.args((!file.is_empty()).then_some(file));
        command.env("FLYSK", flysk).env("SERVICE", "acme-notes.words").env("PORT", port.to_string());
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut example = Self { child, name, url: format!("http://127.0.0.1:{port}"), front };
        let deadline = Instant::now() + WAIT_TIMEOUT;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let runs = matches!(example.child.try_wait(), Ok(None));
            assert!(runs && Instant::now() < deadline, "{}", example.printed(reader));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(example)
    }

    fn printed(&self, reader: &Reader) -> String {
        std::fs::read_to_string(reader.env.scratch().join(format!("{}.out", self.name))).unwrap_or_default()
    }

    async fn ask(&self, reader: &Reader, token: &str, work: &Value) -> (u16, Value) {
        let request = http().post(format!("{}/words", self.url)).header("X-Auth-Token", token).json(work);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.json().await;
        (status, body.unwrap_or_else(|error| panic!("{}: {error}\n{}", self.name, self.printed(reader))))
    }

    /// Receives an event that is signed with the former secret and the new one, and refuses a forged one. The next example starts
    /// with the new secret.
    async fn receives_events(&self, reader: &mut Reader, number: i64) {
        reader.run(&format!("flysk-worker widget:update acme-notes --event-url {}/flysk/events", self.url));
        let rotated = reader.run("flysk-worker widget:rotate acme-notes --event-secret");
        reader.variables.insert("EVENT_SECRET", secret_in(&rotated, "whsec_"));
        reader.run(
            "curl -sSf -X POST \"$FLYSK/v1/backend/events/test\" -H \"X-Project-Token: $PROJECT_TOKEN\" \
             -H 'Content-Type: application/json' -d '{}'",
        );
        let delivered = "SELECT COUNT(*) FROM lifecycle_events WHERE type = 'test' AND state = 'delivered'";
        reader.env.wait_for(delivered, number).await.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        // It may print the event after it has answered.
        let deadline = Instant::now() + WAIT_TIMEOUT;
        while !self.printed(reader).contains(&format!("event test {ACCOUNT} {{")) {
            assert!(Instant::now() < deadline, "{}: {}", self.name, self.printed(reader));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let now = SystemClock.now().timestamp().to_string();
        let forged = http()
            .post(format!("{}/flysk/events", self.url))
            .header("webhook-id", "evt_1")
            .header("webhook-timestamp", now)
            .header("webhook-signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=")
            .body(r#"{"id": "evt_1", "type": "forged", "account_id": 1, "data": {}}"#);
        assert_eq!(forged.send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "{}", self.name);
    }

    /// Charges once for a repeated request and again for another text, refunds failed work and does not do it for nothing, tells
    /// the code of a refusal, and waits as it is told.
    async fn charges_and_refunds(&self, reader: &Reader, token: &str) {
        let before = balance(reader, ACCOUNT).await;
        let work = json!({ "id": format!("{}-1", self.name), "text": "two words" });
        for _ in 0..2 {
            let told = self.ask(reader, token, &work).await;
            let wanted = (200, json!({ "words": 2, "charged_micro": PRICE_MICRO }));
            assert_eq!(told, wanted, "{}: {}", self.name, self.printed(reader));
            assert_eq!(balance(reader, ACCOUNT).await, before - PRICE_MICRO, "{}", self.name);
        }
        let another = json!({ "id": work["id"], "text": "other words" });
        let told = self.ask(reader, token, &another).await;
        assert_eq!(told.0, 200, "{}: {}", self.name, self.printed(reader));
        assert_eq!(balance(reader, ACCOUNT).await, before - 2 * PRICE_MICRO, "{}: other work", self.name);
        let failing = json!({ "id": format!("{}-2", self.name), "text": " " });
        for wanted in [(422, json!({ "error": "no words" })), (409, json!({ "error": "work_refunded" }))] {
            let told = self.ask(reader, token, &failing).await;
            assert_eq!(told, wanted, "{}: {}", self.name, self.printed(reader));
            assert_eq!(balance(reader, ACCOUNT).await, before - 2 * PRICE_MICRO, "{}", self.name);
        }
        let refused = self.ask(reader, "no token", &work).await;
        assert_eq!(refused, (401, json!({ "error": "unauthorized" })), "{}", self.name);
        assert!(self.printed(reader).contains("refused 401 unauthorized: "), "{}", self.printed(reader));
        // The refused first request, its repetition, the repeated work; the other text; the failing work, twice.
        let keys = self.front.keys("/v1/backend/flycoins/charges");
        let groups: Vec<usize> = keys.chunk_by(|one, next| one == next).map(<[String]>::len).collect();
        assert_eq!(groups, [3, 1, 2], "{}: {keys:?}", self.name);
        let different: BTreeSet<&String> = keys.iter().collect();
        assert_eq!(different.len(), 3, "{}: {keys:?}", self.name);
    }

    /// Two accounts whose pages choose one id both pay for their work.
    async fn charges_each_account(&self, reader: &Reader, tokens: [&str; 2]) {
        let work = json!({ "id": format!("{}-both", self.name), "text": "two words" });
        for (account, token) in [ACCOUNT, OTHER_ACCOUNT].into_iter().zip(tokens) {
            let before = balance(reader, account).await;
            let told = self.ask(reader, token, &work).await;
            assert_eq!(told.0, 200, "{}: {told:?} {}", self.name, self.printed(reader));
            assert_eq!(balance(reader, account).await, before - PRICE_MICRO, "{}: {account}", self.name);
        }
    }
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().timeout(WAIT_TIMEOUT).build().unwrap()
}

/// The secret that a command printed.
fn secret_in(printed: &str, prefix: &str) -> String {
    printed.split_whitespace().find(|word| word.starts_with(prefix)).unwrap().to_owned()
}

/// An account's balance, micro-Flycoins.
async fn balance(reader: &Reader, account: u64) -> i64 {
    let url = format!("{}/v1/backend/flycoins/balance?account_id={account}", reader.env.api_url);
    let asked = http().get(url).header("X-Project-Token", &reader.variables["PROJECT_TOKEN"]);
    let told: Value = asked.send().await.unwrap().json().await.unwrap();
    told["available_micro"].as_i64().unwrap()
}

/// The registered widget `acme-notes` with a priced service, installed in the account.
async fn prepare(ports: [u16; 3]) -> anyhow::Result<Reader> {
    let allowed = ports.map(|port| format!("127.0.0.1:{port}")).join(",");
    let mut reader = reader_of(&format!("http://127.0.0.1:{}", ports[0]), &allowed).await?;
    let document = std::fs::read_to_string(DOCUMENT)?;
    let steps = steps(&document);
    let register = steps.iter().find(|step| step.name == "register").expect("it begins so");
    let answer = reader.follow(register);
    for (name, prefix) in [("PROJECT_TOKEN", "fpt_"), ("EVENT_SECRET", "whsec_")] {
        reader.variables.insert(name, secret_in(&answer, prefix));
    }
    reader.run(
        r#"echo '{"flycoins": {"welcome_bonus": {"amount_micro": 100000000}}}' > billing.json
        flysk-worker widget:update acme-notes --uses-flycoins true --billing billing.json
        flysk-worker price:set acme-notes.words --per-piece 2.5"#,
    );
    let installed = reader.env.simulators.amocrm.state.install(CLIENT, ACCOUNT, None).await?;
    assert_eq!(installed.status, Some(200));
    reader.env.wait_for("SELECT COUNT(*) FROM installs WHERE status = 'active'", 1).await?;
    for (name, text) in files(&document) {
        std::fs::write(reader.env.scratch().join(name), text)?;
    }
    Ok(reader)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_receive_events_charge_refund_and_repeat_requests() -> anyhow::Result<()> {
    let ports = [quiet_port()?, quiet_port()?, quiet_port()?];
    let mut reader = prepare(ports).await?;
    let amocrm = reader.env.simulators.amocrm.state.clone();
    let token_of = |account: u64, user: u64| {
        amocrm.widget_token(CLIENT, account, user, &WidgetTokenShape::default()).unwrap()
    };
    let python = PYTHON.find().expect("Python 3");
    let node = Node::find().expect("Node.js").executable().to_owned();
    let rust = reader.binaries.join("flysk-example-backend");
    let programs = [("python", &python, "backend.py"), ("node", &node, "backend.mjs"), ("rust", &rust, "")];
    let mut examples = Vec::new();
    for (number, ((name, program, file), port)) in (1..).zip(programs.into_iter().zip(ports)) {
        let example = Example::start(&reader, name, program, file, port).await?;
        example.receives_events(&mut reader, number).await;
        example.charges_and_refunds(&reader, &token_of(ACCOUNT, ADMIN)).await;
        examples.push(example);
    }
    amocrm.add_account(another_account(OTHER_ACCOUNT, "neighbours", OTHER_ADMIN))?;
    assert_eq!(amocrm.install(CLIENT, OTHER_ACCOUNT, None).await?.status, Some(200));
    reader.env.wait_for("SELECT COUNT(*) FROM installs WHERE status = 'active'", 2).await?;
    for example in &examples {
        let tokens = [token_of(ACCOUNT, ADMIN), token_of(OTHER_ACCOUNT, OTHER_ADMIN)];
        example.charges_each_account(&reader, tokens.each_ref().map(String::as_str)).await;
    }
    the_page_shakes_hands(&reader, &token_of(ACCOUNT, ADMIN), &node);
    reader.env.prove_ledger().await?;
    reader.env.stop()
}

/// Runs the code of the page in Node.js, with a `$authorizedAjax` that adds the token as amoCRM's does.
fn the_page_shakes_hands(reader: &Reader, token: &str, node: &Path) {
    let page = r"
        import { readSettings, shakeHands } from './widget.mjs';
        const self = { async $authorizedAjax({ url, method, contentType, data }) {
            const headers = { 'X-Auth-Token': process.env.AUTH_TOKEN };
            if (contentType) headers['Content-Type'] = contentType;
            return (await fetch(url, { method, headers, body: data })).json();
        } };
        const { status, session } = await shakeHands(self, process.env.FLYSK);
        console.log(status, JSON.stringify(await readSettings(process.env.FLYSK, session)));
        await readSettings(process.env.FLYSK, { token: 'other' }).catch((error) => console.log(error.message));";
    let mut command = reader.command(&node.display().to_string());
    command.args(["--input-type=module", "--eval", page]).env("AUTH_TOKEN", token);
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(told, "active {}\nunauthorized\n", "{}", String::from_utf8_lossy(&output.stderr));
}

/// The program that runs is the one that the document shows.
#[test]
fn the_document_shows_the_rust_example() {
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let program = std::fs::read_to_string("../simulators/src/bin/example_backend.rs").unwrap();
    assert!(program.ends_with(&format!("\n\n{}", files(&document)["backend.rs"])), "they differ");
}
