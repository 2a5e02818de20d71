//! Authentication and permissions of FlySense's API.

use std::time::Duration;

use flysk_suite::environment::{ACCOUNT, CLIENT_ID, Environment, PUBLIC_ORIGIN, another_account};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::start_env;

pub(crate) const OTHER_ACCOUNT: u64 = 39_999_999;

pub(crate) fn add_other_account(env: &Environment) -> anyhow::Result<()> {
    Ok(env.simulators.amocrm.state.add_account(another_account(OTHER_ACCOUNT, "neighbour", 901))?)
}

/// No token, a forged one, one of another account, one of an ordinary user: each has exactly its own permissions.
#[tokio::test(flavor = "multi_thread")]
async fn every_credential_has_exactly_its_own_permissions() -> anyhow::Result<()> {
    let env = start_env().await?;
    add_other_account(&env)?;
    let client = env.client()?;
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url("sales-mono-8k.mp3")), 42)?;
    let call = client.wait_for_end(note, Duration::from_mins(5)).await?;
    let path = format!("/v1/flysense/transcriptions/{}", call.id);

    let http = reqwest::Client::builder().build()?;
    let bare = http.get(format!("{}{path}", env.api_url)).send().await?;
    assert_eq!(bare.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(bare.headers()["content-type"], "application/problem+json");
    assert_eq!(bare.json::<Value>().await?["code"], "unauthorized");
    let forged = jsonwebtoken::encode(
        &jsonwebtoken::Header::default(),
        &json!({ "iss": "https://demo.amocrm.ru", "aud": "https://flysk.example.test", "exp": 4_000_000_000_u64,
                 "account_id": ACCOUNT, "user_id": 501, "client_uuid": CLIENT_ID }),
        &jsonwebtoken::EncodingKey::from_secret(b"guessed"),
    )?;
    let answer = http.get(format!("{}{path}", env.api_url)).header("X-Auth-Token", forged).send().await?;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);

    // Another account, without an install and then with one, never sees our call.
    let neighbour = client.acting_as(OTHER_ACCOUNT, 901);
    assert_eq!(neighbour.request(Method::GET, &path, None).await?.0, StatusCode::FORBIDDEN);
    env.simulators.amocrm.state.install(CLIENT_ID, OTHER_ACCOUNT, None).await?;
    env.wait_for("SELECT COUNT(*) FROM flysense_accounts WHERE hooks_state = 'subscribed'", 2).await?;
    assert_eq!(neighbour.request(Method::GET, &path, None).await?.0, StatusCode::NOT_FOUND);
    let edit = json!({ "version": 0, "tags": ["чужой"] });
    assert_eq!(neighbour.request(Method::PATCH, &path, Some(&edit)).await?.0, StatusCode::NOT_FOUND);

    // An ordinary user may read, but not decide for the account.
    let user = client.acting_as(ACCOUNT, 502);
    assert_eq!(user.request(Method::GET, &path, None).await?.0, StatusCode::OK);
    let decide = json!({ "auto": false, "left_channel": "client" });
    let (status, problem) = user.request(Method::PUT, "/v1/flysense/preferences", Some(&decide)).await?;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::FORBIDDEN, Some("admin_only")));
    let (status, _) = client.request(Method::PUT, "/v1/flysense/preferences", Some(&decide)).await?;
    assert_eq!(status, StatusCode::OK);
    Ok(())
}

/// Tags and summary are edited with optimistic locking; operator and client can be swapped manually.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_edits_do_not_overwrite_each_other() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url("sales-stereo-44k.mp3")), 42)?;
    let call = client.wait_for_end(note, Duration::from_mins(5)).await?;
    let path = format!("/v1/flysense/transcriptions/{}", call.id);
    let speaker = |view: &Value| view["utterances"][0]["speaker"].as_str().map(str::to_owned);
    assert_eq!(speaker(&call.raw).as_deref(), Some("operator"));

    let edit = json!({ "version": 0, "tags": [" счёт ", "счёт", "перезвонить"], "summary": "Просит счёт.", "roles_swapped": true });
    let (status, edited) = client.request(Method::PATCH, &path, Some(&edit)).await?;
    assert_eq!(status, StatusCode::OK, "{edited}");
    assert_eq!(edited["tags"], json!(["счёт", "перезвонить"]));
    assert_eq!(
        (edited["summary"].as_str(), speaker(&edited).as_deref()),
        (Some("Просит счёт."), Some("client"))
    );

    let (status, problem) = client.request(Method::PATCH, &path, Some(&edit)).await?;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::CONFLICT, Some("version_conflict")));
    let long = json!({ "version": 2, "tags": ["х".repeat(61)] });
    assert_eq!(client.request(Method::PATCH, &path, Some(&long)).await?.0, StatusCode::UNPROCESSABLE_ENTITY);
    Ok(())
}

/// Swagger UI loads nothing from other hosts; pages of amoCRM may call the API, other origins may not; a forged
/// webhook address is not found.
#[tokio::test(flavor = "multi_thread")]
async fn pages_webhooks_and_preflights_are_restricted() -> anyhow::Result<()> {
    let env = start_env().await?;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::limited(3)).build()?;
    let docs = http.get(format!("{}/docs", env.api_url)).send().await?.text().await?;
    assert!(docs.contains("swagger-ui"), "no Swagger UI");
    for outside in ["src=\"http", "href=\"http", "src=\"//", "href=\"//"] {
        assert!(!docs.contains(outside), "Swagger UI loads {outside}");
    }
    let path = format!("{}/v1/flysense/transcriptions", env.api_url);
    let preflight = |origin: &'static str| {
        http.request(Method::OPTIONS, &path)
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "x-auth-token,content-type")
            .send()
    };
    let answer = preflight("https://demo.amocrm.ru").await?;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://demo.amocrm.ru");
    assert!(preflight("https://evil.example").await?.headers().get("access-control-allow-origin").is_none());
    let refused = http.get(&path).header("Origin", "https://demo.amocrm.ru").send().await?;
    assert_eq!(
        refused.headers()["access-control-allow-origin"],
        "https://demo.amocrm.ru",
        "errors need it too"
    );

    let install: String =
        sqlx::query_scalar("SELECT install_id FROM flysense_accounts").fetch_one(&env.pool).await?;
    let forged = format!("{}/hooks/amocrm/{install}/{}", env.api_url, "0".repeat(64));
    assert_eq!(http.post(forged).body("account[id]=1").send().await?.status(), StatusCode::NOT_FOUND);
    let stray = http.get(format!("{}/no/such/page", env.api_url)).send().await?;
    let (status, problem) = (stray.status(), stray.json::<Value>().await?);
    assert_eq!((status, problem["code"].as_str()), (StatusCode::NOT_FOUND, Some("not_found")));
    let path = problem["type"].as_str().and_then(|kind| kind.strip_prefix(PUBLIC_ORIGIN));
    let explained = format!("{}{}", env.api_url, path.expect("an address of this deployment"));
    assert!(http.get(explained).send().await?.error_for_status()?.text().await?.contains("id=\"not_found\""));
    Ok(())
}

/// The example bodies that Swagger UI fills in are accepted with valid credentials: a state may forbid the
/// operation, but the body is never malformed or invalid.
#[tokio::test(flavor = "multi_thread")]
async fn examples_of_the_document_are_valid() -> anyhow::Result<()> {
    const OURS: [&str; 4] = ["FlySense", "Widget", "Backend", "Flycoins"];
    let env = start_env().await?;
    let client = env.client()?;
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url("sales-mono-8k.mp3")), 42)?;
    let call = client.wait_for_end(note, Duration::from_mins(5)).await?;
    let http = reqwest::Client::builder().build()?;
    let spec: Value = http.get(format!("{}/openapi.json", env.api_url)).send().await?.json().await?;
    let mut tried = 0;
    for (path, operations) in spec["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            let is_ours = OURS.iter().any(|tag| operation["tags"][0] == *tag);
            let Some(body) = operation.get("requestBody").filter(|_| is_ours) else { continue };
            let (_, media) = body["content"].as_object().into_iter().flatten().next().expect("a media type");
            if path.starts_with("/v1/amocrm/") {
                // Bodies through the gateway belong to amoCRM.
                continue;
            }
            let name = media["schema"]["$ref"].as_str().and_then(|name| name.rsplit('/').next());
            let example = &spec["components"]["schemas"][name.expect("a named body")]["examples"][0];
            assert!(example.is_object(), "{method} {path} has no example");
            let address = format!("{}{path}?account_id={ACCOUNT}", env.api_url).replace("{id}", &call.id);
            let answer = http
                .request(method.to_uppercase().parse()?, address)
                .header("X-Auth-Token", client.token()?)
                .header("X-Project-Token", &env.project_token)
                .header("Idempotency-Key", format!("example-{tried}"))
                .json(example)
                .send()
                .await?;
            let status = answer.status().as_u16();
            let said = answer.text().await?;
            assert!(
                matches!(status, 200..=299 | 402 | 404 | 409),
                "{method} {path} {example}: {status} {said}"
            );
            tried += 1;
        }
    }
    assert!(tried >= 14, "only {tried} examples");
    Ok(())
}
