//! A widget's own logic through the gateway: finds or adds a contact, opens a lead, plans a task.

use flysk_suite::environment::ACCOUNT;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::harness::{TestApp, read};

const PHONE: &str = "79121112233";

/// A request to amoCRM's API; the answer is amoCRM's.
async fn call(app: &TestApp, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let mut request = app
        .http
        .request(method, format!("{}/v1/amocrm/api/v4/{path}", app.api_url))
        .header("X-Project-Token", &app.project_token)
        .header("X-Account-Id", ACCOUNT.to_string());
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["x-flysk-answer"], "amocrm", "{path}");
    read(answer).await
}

fn id_of(answer: &Value, entity: &str) -> u64 {
    answer["_embedded"][entity][0]["id"].as_u64().unwrap_or_else(|| panic!("no {entity} in {answer}"))
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_widget_works_with_contacts_leads_and_tasks(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let find = format!("contacts?query={PHONE}&with=leads");
    let (status, _) = call(&app, Method::GET, &find, None).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "nobody has this number yet");

    let phone = json!([{ "field_code": "PHONE", "values": [{ "value": PHONE, "enum_code": "WORK" }] }]);
    let contact = json!([{ "name": "Анна", "custom_fields_values": phone }]);
    let (_, added) = call(&app, Method::POST, "contacts", Some(contact)).await;
    let contact = id_of(&added, "contacts");
    let lead =
        json!([{ "name": "Заявка", "price": 1_000, "_embedded": { "contacts": [{ "id": contact }] } }]);
    let (_, added) = call(&app, Method::POST, "leads", Some(lead)).await;
    let lead = id_of(&added, "leads");
    let task = json!([{ "text": "Перезвонить", "complete_till": 1_900_000_000, "entity_id": lead, "entity_type": "leads" }]);
    let (status, _) = call(&app, Method::POST, "tasks", Some(task)).await;
    assert_eq!(status, StatusCode::OK);

    let (_, found) = call(&app, Method::GET, &find, None).await;
    let linked = &found["_embedded"]["contacts"][0]["_embedded"]["leads"][0]["id"];
    assert_eq!((id_of(&found, "contacts"), linked), (contact, &json!(lead)));
    let (status, problem) =
        call(&app, Method::PATCH, "leads", Some(json!([{ "id": lead, "status_id": 1 }]))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(problem["validation-errors"][0]["errors"][0]["path"], "status_id", "{problem}");
}
