//! The simulated amoCRM's leads, contacts, companies and tasks, with custom fields, tags and links.

use crate::amo::{ACCOUNT, ADMIN, Amo, MANAGER};
use serde_json::{Value, json};

/// An account and an administrator's token.
struct Crm {
    amo: Amo,
    token: String,
}

impl Crm {
    async fn open() -> Self {
        let amo = Amo::start().await;
        let (token, _) = amo.connect(ADMIN).await;
        Self { amo, token }
    }

    /// A call of the API outside of the rate limit's window.
    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.amo.next_second();
        self.amo.api(&self.token, method, path, body).await
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Adds records; returns their ids.
    async fn add(&self, entity: &str, items: Value) -> Vec<u64> {
        let (status, body) = self.call("POST", &format!("/{entity}"), Some(items)).await;
        assert_eq!(status, 200, "{body}");
        ids(&body, entity)
    }

    /// Code and path of each error of a refused request, by `request_id`.
    async fn refused(&self, method: &str, path: &str, body: Value) -> Vec<(String, String, String)> {
        let (status, problem) = self.call(method, path, Some(body)).await;
        assert_eq!((status, &problem["title"]), (400, &json!("Bad Request")), "{problem}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let items = problem["validation-errors"].as_array().unwrap();
        let of_item = |item: &Value| {
            let errors = item["errors"].as_array().unwrap().clone();
            let request_id = text(&item["request_id"]);
            errors
                .into_iter()
                .map(move |error| (request_id.clone(), text(&error["code"]), text(&error["path"])))
        };
        items.iter().flat_map(of_item).collect()
    }
}

fn ids(body: &Value, entity: &str) -> Vec<u64> {
    let items = body["_embedded"][entity].as_array().unwrap();
    items.iter().map(|item| item["id"].as_u64().unwrap()).collect()
}

fn error(request_id: &str, code: &str, path: &str) -> (String, String, String) {
    (request_id.to_owned(), code.to_owned(), path.to_owned())
}

#[tokio::test]
async fn leads_are_added_and_changed_in_batches() {
    let crm = Crm::open().await;
    let items =
        json!([{"name": "Первая", "price": 20_000, "created_by": 0, "request_id": "a"}, {"name": "Вторая"}]);
    let (status, added) = crm.call("POST", "/leads", Some(items)).await;
    assert_eq!(status, 200, "{added}");
    let told: Vec<&Value> =
        added["_embedded"]["leads"].as_array().unwrap().iter().map(|lead| &lead["request_id"]).collect();
    assert_eq!(told, [&json!("a"), &json!("1")]);
    let [first, second] = ids(&added, "leads")[..] else { panic!("{added}") };
    let lead = crm.get(&format!("/leads/{first}")).await;
    assert_eq!(
        (&lead["price"], &lead["created_by"], &lead["closed_at"]),
        (&json!(20_000), &json!(0), &Value::Null)
    );
    assert_eq!(lead["responsible_user_id"], ADMIN);
    assert_eq!(lead["_embedded"], json!({"tags": [], "companies": []}));

    let edits =
        json!([{"id": first, "status_id": 142}, {"id": second, "responsible_user_id": MANAGER, "price": 5}]);
    let (status, edited) = crm.call("PATCH", "/leads", Some(edits)).await;
    assert_eq!((status, ids(&edited, "leads")), (200, vec![first, second]));
    let lead = crm.get(&format!("/leads/{first}")).await;
    assert!(lead["closed_at"].is_i64() && lead["price"] == 20_000, "{lead}");
    let (status, one) =
        crm.call("PATCH", &format!("/leads/{first}"), Some(json!({"status_id": 5_000_013}))).await;
    assert_eq!((status, &one["id"]), (200, &json!(first)));
    assert_eq!(crm.get(&format!("/leads/{first}")).await["closed_at"], Value::Null);

    assert_eq!(crm.call("GET", "/leads/1", None).await, (204, json!("")));
    assert_eq!(crm.call("PATCH", "/leads/1", Some(json!({"price": 1}))).await.0, 404);
    assert_eq!(crm.call("GET", "/customers", None).await.0, 404);
}

#[tokio::test]
async fn a_wrong_item_is_named_and_its_batch_changes_nothing() {
    let crm = Crm::open().await;
    let items = json!([
        {"name": "good"},
        {"name": 5, "status_id": 1, "responsible_user_id": 999, "request_id": "bad"},
        {"nme": "typo", "_embedded": {"contacts": [{"id": 77}]}, "tags_to_add": [{"id": 1}, {}]},
    ]);
    let expected = [
        error("bad", "InvalidType", "name"),
        error("bad", "NotSupportedChoice", "responsible_user_id"),
        error("bad", "NotSupportedChoice", "status_id"),
        error("2", "NotSupportedChoice", "nme"),
        error("2", "NotSupportedChoice", "_embedded.contacts.0.id"),
        error("2", "NotSupportedChoice", "tags_to_add.0.id"),
        error("2", "FieldMissing", "tags_to_add.1.id"),
    ];
    assert_eq!(crm.refused("POST", "/leads", items).await, expected);
    assert_eq!(ids(&crm.get("/leads").await, "leads"), [700_001], "only the lead of the scenario");
    let edits = json!([{"id": 700_001, "price": 1}, {"id": 1, "price": 1}, {"price": 1}]);
    let expected = [error("1", "NotSupportedChoice", "id"), error("2", "FieldMissing", "id")];
    assert_eq!(crm.refused("PATCH", "/leads", edits).await, expected);
    assert_eq!(crm.get("/leads/700001").await["price"], 0);
    assert_eq!(
        crm.refused("POST", "/contacts", json!([{"price": 1}])).await,
        [error("0", "NotSupportedChoice", "price")]
    );
}

#[tokio::test]
async fn lists_are_filtered_ordered_and_paged() {
    let crm = Crm::open().await;
    let lead = |name: &str, price: u64| json!({"name": name, "price": price});
    let [a, b, c] = crm.add("leads", json!([lead("А", 10), lead("Б", 20), lead("В", 30)])).await[..]
    else {
        panic!()
    };
    crm.call("PATCH", &format!("/leads/{c}"), Some(json!({"status_id": 143}))).await;
    let found = async |query: &str| ids(&crm.get(&format!("/leads?{query}")).await, "leads");
    assert_eq!(found("filter[price][from]=15&filter[price][to]=25").await, [b]);
    assert_eq!(found("filter[name][]=А&filter[name][]=В&order[id]=desc").await, [c, a]);
    let lost = "filter[statuses][0][pipeline_id]=5000001&filter[statuses][0][status_id]=143";
    assert_eq!(found(lost).await, [c]);
    assert_eq!(found("filter[closed_at][from]=1").await, [c]);
    assert_eq!(found(&format!("filter[id][]={a}&filter[id][]={b}&filter[created_by]={ADMIN}")).await, [a, b]);
    assert_eq!(found("order[updated_at]=desc&limit=1").await, [c]);
    assert_eq!(crm.call("GET", "/leads?filter[price][from]=99", None).await, (204, json!("")));
    assert_eq!(crm.call("GET", "/leads?with=only_deleted", None).await.0, 204);

    let page = crm.get("/leads?filter[price][from]=1&limit=2").await;
    assert_eq!(ids(&page, "leads"), [a, b]);
    let next = page["_links"]["next"]["href"]
        .as_str()
        .unwrap()
        .strip_prefix("https://demo.amocrm.ru/api/v4")
        .unwrap();
    let rest = crm.get(next).await;
    assert_eq!((ids(&rest, "leads"), rest["_links"].get("next")), (vec![c], None));

    for query in [
        "limit=251",
        "filter[idd]=1",
        "order[price]=asc",
        "with=companies",
        "filter[statuses][0][status_id]=143",
    ] {
        assert_eq!(crm.call("GET", &format!("/leads?{query}"), None).await.0, 400, "{query}");
    }
    assert_eq!(crm.call("GET", "/contacts?filter[price][from]=1", None).await.0, 400);
    let account = crm.get("/account?with=is_api_filter_enabled").await;
    assert_eq!(account["is_api_filter_enabled"], true);
}

#[tokio::test]
async fn relations_of_an_account_are_answered_or_refused() {
    let crm = Crm::open().await;
    let known = "amojo_id,amojo_rights,users_groups,task_types,version,datetime_settings,drive_url";
    let account = crm.get(&format!("/account?with={known}")).await;
    assert_eq!(account["amojo_id"].as_str().map(str::len), Some(36), "{account}");
    let embedded = &account["_embedded"];
    assert_eq!(embedded["users_groups"], json!([{"id": 0, "name": "Отдел продаж", "uuid": null}]));
    assert_eq!(embedded["amojo_rights"], json!({"can_direct": true, "can_create_groups": true}));
    assert_eq!(embedded["datetime_settings"]["timezone"], "Europe/Moscow");
    let types = embedded["task_types"].as_array().unwrap();
    let codes: Vec<_> = types.iter().map(|known| (&known["id"], &known["code"])).collect();
    assert_eq!(codes, [(&json!(1), &json!("FOLLOW_UP")), (&json!(2), &json!("MEETING"))]);
    for name in known.split(',') {
        let answer = crm.get(&format!("/account?with={name}")).await;
        assert!(answer.get(name).or(answer["_embedded"].get(name)).is_some(), "{name}: {answer}");
    }
    for name in ["entity_names", "invoices_settings"] {
        let (status, problem) = crm.call("GET", &format!("/account?with=version,{name}"), None).await;
        assert_eq!(status, 501, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(name)), "{problem}");
    }
    let (status, problem) = crm.call("GET", "/account?with=task_type", None).await;
    assert_eq!((status, &problem["status"]), (400, &json!(400)), "{problem}");
}

#[tokio::test]
async fn leads_contacts_and_companies_are_linked() {
    let crm = Crm::open().await;
    let contacts = json!([{"first_name": "Иван", "last_name": "Иванов"}, {"name": "Пётр"}]);
    let [ivan, petr] = crm.add("contacts", contacts).await[..] else { panic!() };
    let [company] = crm.add("companies", json!([{"name": "ООО"}])).await[..] else { panic!() };
    let embedded =
        json!({"contacts": [{"id": petr}, {"id": ivan, "is_main": true}], "companies": [{"id": company}]});
    let [lead] = crm.add("leads", json!([{"name": "Сделка", "_embedded": embedded}])).await[..] else {
        panic!()
    };
    let read = crm.get(&format!("/leads/{lead}?with=contacts")).await;
    let contact = |index: usize| {
        let found = &read["_embedded"]["contacts"][index];
        (found["id"].as_u64().unwrap(), found["is_main"].as_bool().unwrap())
    };
    assert_eq!((contact(0), contact(1)), ((ivan, true), (petr, false)));
    assert_eq!(ids(&read, "companies"), [company]);
    let person = crm.get(&format!("/contacts/{ivan}?with=leads,customers,catalog_elements")).await;
    assert_eq!((&person["name"], ids(&person, "leads")), (&json!("Иван Иванов"), vec![lead]));
    assert_eq!(person["_embedded"]["customers"], json!([]));

    let work = json!([{"to_entity_id": company, "to_entity_type": "companies"}]);
    let (status, told) = crm.call("POST", &format!("/contacts/{petr}/link"), Some(work.clone())).await;
    assert_eq!((status, &told["_embedded"]["links"][0]["to_entity_id"]), (200, &json!(company)));
    assert_eq!(ids(&crm.get(&format!("/contacts/{petr}")).await, "companies"), [company]);
    assert_eq!(crm.call("POST", &format!("/contacts/{petr}/unlink"), Some(work)).await, (204, json!("")));
    let links = crm.get(&format!("/leads/{lead}/links")).await;
    assert_eq!(links["_total_items"], 3, "{links}");
    assert_eq!(links["_embedded"]["links"][0]["metadata"], json!({"main_contact": true}));
    let wrong = json!([{"to_entity_id": ivan, "to_entity_type": "contacts"}]);
    let path = format!("/contacts/{petr}/link");
    assert_eq!(crm.refused("POST", &path, wrong).await, [error("0", "NotSupportedChoice", "to_entity_type")]);
}

#[tokio::test]
async fn custom_fields_are_added_by_administrators_and_hold_values_of_their_type() {
    let crm = Crm::open().await;
    let enums = json!([{"value": "Да", "sort": 1, "code": "yes"}, {"value": "Нет", "sort": 2}]);
    let fields = json!([
        {"name": "Согласен", "type": "select", "enums": enums},
        {"name": "Площадь", "type": "numeric", "code": "AREA"},
        {"name": "Срок", "type": "date"},
    ]);
    let (status, added) = crm.call("POST", "/leads/custom_fields", Some(fields)).await;
    assert_eq!(status, 201, "{added}");
    let [agreed, _, term] = ids(&added, "custom_fields")[..] else { panic!("{added}") };
    let yes = &added["_embedded"]["custom_fields"][0]["enums"][0]["id"];
    let values = json!([
        {"field_id": agreed, "values": [{"enum_code": "yes"}]},
        {"field_code": "AREA", "values": [{"value": 12.5}]},
        {"field_id": term, "values": [{"value": "2026-12-01T00:00:00+03:00"}]},
    ]);
    let [lead] = crm.add("leads", json!([{"custom_fields_values": values}])).await[..] else { panic!() };
    let read = crm.get(&format!("/leads/{lead}")).await["custom_fields_values"].clone();
    assert_eq!(read[0]["values"], json!([{"value": "Да", "enum_id": yes, "enum_code": "yes"}]));
    assert_eq!((&read[1]["field_code"], &read[1]["values"]), (&json!("AREA"), &json!([{"value": "12.5"}])));
    assert_eq!(read[2]["values"], json!([{"value": 1_796_072_400}]));
    let area = read[1]["field_id"].as_u64().unwrap();
    let found = crm.get(&format!("/leads?filter[custom_fields_values][{area}][from]=12&filter[custom_fields_values][{agreed}][]={yes}")).await;
    assert_eq!(ids(&found, "leads"), [lead]);
    let emptied = json!({"custom_fields_values": [{"field_id": term, "values": null}]});
    assert_eq!(crm.call("PATCH", &format!("/leads/{lead}"), Some(emptied)).await.0, 200);
    assert_eq!(crm.get(&format!("/leads/{lead}")).await["custom_fields_values"].as_array().unwrap().len(), 2);

    let wrong = json!([{"custom_fields_values": [
        {"field_id": 1, "values": [{"value": "x"}]},
        {"field_code": "AREA", "values": [{"value": "much"}]},
        {"field_id": agreed, "values": [{"value": "Может быть"}]},
    ]}]);
    let at = |path: &str| format!("custom_fields_values.{path}");
    let expected = [
        error("0", "NotSupportedChoice", &at("0.field_id")),
        error("0", "InvalidType", &at("1.values.0.value")),
        error("0", "NotSupportedChoice", &at("2.values.0.value")),
    ];
    assert_eq!(crm.refused("POST", "/leads", wrong).await, expected);

    let listed = crm.get("/contacts/custom_fields?limit=1").await;
    assert_eq!((&listed["_total_items"], &listed["_page_count"]), (&json!(2), &json!(2)));
    assert_eq!(listed["_embedded"]["custom_fields"][0]["code"], "PHONE");
    let (managers, _) = crm.amo.connect(MANAGER).await;
    let field = Some(json!([{"name": "x", "type": "text"}]));
    assert_eq!(crm.amo.api(&managers, "POST", "/leads/custom_fields", field).await.0, 403);
}

#[tokio::test]
async fn tags_are_a_dictionary_for_each_type_of_records() {
    let crm = Crm::open().await;
    let dictionary = json!([{"name": "Срочно", "color": "FF8F92"}, {"name": "Срочно"}]);
    let (status, told) = crm.call("POST", "/leads/tags", Some(dictionary)).await;
    let [urgent, again] = ids(&told, "tags")[..] else { panic!("{told}") };
    assert_eq!((status, urgent), (200, again));
    let item = json!([{"tags_to_add": [{"id": urgent}, {"name": "Новая"}]}]);
    let [lead] = crm.add("leads", item).await[..] else { panic!() };
    let tags = async || {
        let read = crm.get(&format!("/leads/{lead}")).await;
        let tags = read["_embedded"]["tags"].as_array().unwrap().clone();
        tags.iter().map(|tag| tag["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(tags().await, ["Срочно", "Новая"]);
    let edit = async |item: Value| crm.call("PATCH", &format!("/leads/{lead}"), Some(item)).await.0;
    assert_eq!(
        edit(json!({"tags_to_delete": [{"name": "Срочно"}], "tags_to_add": [{"name": "Ещё"}]})).await,
        200
    );
    assert_eq!(tags().await, ["Новая", "Ещё"]);
    assert_eq!(edit(json!({"_embedded": {"tags": [{"id": urgent}]}})).await, 200);
    assert_eq!(tags().await, ["Срочно"]);
    assert_eq!(edit(json!({"_embedded": {"tags": null}})).await, 200);
    assert_eq!(tags().await, Vec::<String>::new());
    assert_eq!(crm.get("/leads/tags?filter[name]=Новая").await["_embedded"]["tags"][0]["color"], Value::Null);
    assert_eq!(crm.call("GET", "/contacts/tags", None).await.0, 204);
    assert_eq!(
        crm.refused("POST", "/contacts/tags", json!([{"name": "x", "color": "FF8F92"}])).await,
        [error("0", "NotSupportedChoice", "color")]
    );
}

#[tokio::test]
async fn tasks_are_added_completed_and_shown_at_their_record() {
    let crm = Crm::open().await;
    let task = |till: u64| json!({"text": "Позвонить", "complete_till": till, "entity_id": 700_001, "entity_type": "leads"});
    let [first, second] = crm.add("tasks", json!([task(1_800_000_000), task(1_900_000_000)])).await[..]
    else {
        panic!()
    };
    assert_eq!(crm.get("/leads/700001").await["closest_task_at"], 1_800_000_000_u64);
    let done = json!({"is_completed": true, "result": {"text": "Дозвонились"}});
    let (status, told) = crm.call("PATCH", &format!("/tasks/{first}"), Some(done)).await;
    assert_eq!((status, &told["id"]), (200, &json!(first)));
    let read = crm.get(&format!("/tasks/{first}")).await;
    assert_eq!((&read["is_completed"], &read["result"]), (&json!(true), &json!({"text": "Дозвонились"})));
    assert_eq!(crm.get("/leads/700001").await["closest_task_at"], 1_900_000_000_u64);
    let open = "/tasks?filter[is_completed]=0&filter[entity_type]=leads&filter[entity_id][]=700001&order[complete_till]=desc";
    let open = crm.get(open).await;
    assert_eq!((ids(&open, "tasks"), &open["_embedded"]["tasks"][0]["result"]), (vec![second], &json!([])));
    let expected = [
        error("0", "FieldMissing", "complete_till"),
        error("0", "NotSupportedChoice", "task_type_id"),
        error("0", "FieldMissing", "entity_type"),
    ];
    let wrong = json!([{"text": "x", "task_type_id": 9, "entity_id": 1}]);
    assert_eq!(crm.refused("POST", "/tasks", wrong).await, expected);
    assert_eq!(crm.call("GET", "/tasks?filter[entity_id]=1", None).await.0, 400);
    assert_eq!(crm.call("GET", "/tasks/1", None).await.0, 204);
}

#[tokio::test]
async fn a_contact_is_found_by_its_number_and_gets_its_calls_and_notes() {
    let crm = Crm::open().await;
    let phone =
        json!([{"field_code": "PHONE", "values": [{"value": "+7 (912) 111-22-33", "enum_code": "MOB"}]}]);
    let [contact] = crm.add("contacts", json!([{"name": "Анна", "custom_fields_values": phone}])).await[..]
    else {
        panic!()
    };
    assert_eq!(ids(&crm.get("/contacts?query=9121112233").await, "contacts"), [contact]);
    assert_eq!(ids(&crm.get("/contacts?query=анна").await, "contacts"), [contact]);
    let call = json!([{"direction": "inbound", "duration": 5, "source": "pbx", "phone": "89121112233"}]);
    let (_, told) = crm.call("POST", "/calls", Some(call)).await;
    assert_eq!(told["_embedded"]["calls"][0]["entity_id"], contact);
    let note = json!([{"note_type": "common", "params": {"text": "Перезвонить"}}]);
    assert_eq!(crm.call("POST", &format!("/contacts/{contact}/notes"), Some(note)).await.0, 200);
    let notes = crm.get(&format!("/contacts/{contact}/notes")).await;
    assert_eq!(notes["_embedded"]["notes"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_pipeline_has_the_statuses_of_every_pipeline() {
    let crm = Crm::open().await;
    let pipelines = crm.get("/leads/pipelines").await;
    let pipeline = &pipelines["_embedded"]["pipelines"][0];
    let statuses = ids(pipeline, "statuses");
    assert!(statuses.contains(&142) && statuses.contains(&143), "{statuses:?}");
    let id = pipeline["id"].as_u64().unwrap();
    assert_eq!(ids(&crm.get(&format!("/leads/pipelines/{id}/statuses")).await, "statuses"), statuses);
    assert_eq!(crm.get(&format!("/leads/pipelines/{id}/statuses/142")).await["name"], "Успешно реализовано");
    assert_eq!(crm.call("GET", "/leads/pipelines/1", None).await.0, 404);
    let [lead] = crm.add("leads", json!([{}])).await[..] else { panic!() };
    let lead = crm.get(&format!("/leads/{lead}")).await;
    assert_eq!((&lead["pipeline_id"], &lead["status_id"]), (&json!(id), &json!(statuses[1])));
}

#[tokio::test]
async fn a_user_works_in_the_account_without_a_token() {
    let crm = Crm::open().await;
    let work =
        json!({"account": ACCOUNT, "user": MANAGER, "entity_type": "leads", "add": [{"name": "Вручную"}]});
    let work = crm.amo.http.post(format!("{}/_sim/records", crm.amo.sim.url)).json(&work);
    let (status, told) = crate::amo::answer(work).await;
    assert_eq!(status, 200, "{told}");
    let lead = crm.get(&format!("/leads/{}", ids(&told, "leads")[0])).await;
    assert_eq!((&lead["name"], &lead["created_by"]), (&json!("Вручную"), &json!(MANAGER)));
}
