//! The simulated amoCRM's hooks about leads, contacts, companies and tasks.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::amo::{ADMIN, Amo, MANAGER};
use flysk_simulators::{Act, Control, Running, Script, vendor};
use serde_json::{Value, json};

/// A receiver that is subscribed to everything about records.
struct Listener {
    amo: Amo,
    receiver: Running<vendor::Vendor>,
    token: String,
    /// Number of deliveries that have been read.
    read: usize,
}

impl Listener {
    async fn open() -> Self {
        let amo = Amo::start().await;
        let receiver = vendor::start(None, None, Control::default()).await.unwrap();
        let good = Act::Answer { status: 204, headers: vec![], body: String::new() };
        receiver.control.script(Script::next("/*", good).times(u32::MAX));
        amo.sim.state.route("https://hooks.example.com", &receiver.url);
        let (token, _) = amo.connect(ADMIN).await;
        let settings: Vec<String> = ["add", "update", "responsible"]
            .iter()
            .flat_map(|action| ["lead", "contact", "company", "task"].map(|of| format!("{action}_{of}")))
            .chain(["status_lead".to_owned()])
            .collect();
        let body = json!({"destination": "https://hooks.example.com/amo", "settings": settings});
        assert_eq!(amo.api(&token, "POST", "/webhooks", Some(body)).await.0, 201);
        Self { amo, receiver, token, read: 0 }
    }

    /// Makes a request and returns the forms of the hooks that it causes, by their events.
    async fn hear(
        &mut self,
        method: &str,
        path: &str,
        body: Value,
        events: &[&str],
    ) -> BTreeMap<String, Form> {
        self.amo.next_second();
        let (status, answer) = self.amo.api(&self.token, method, path, Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        let wanted = self.read + events.len();
        for _ in 0..12_000 {
            if self.amo.sim.state.deliveries().len() >= wanted {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let deliveries = self.amo.sim.state.deliveries();
        let mut told: Vec<&str> =
            deliveries[self.read..].iter().map(|delivery| delivery.event.as_str()).collect();
        told.sort_unstable();
        let mut expected = events.to_vec();
        expected.sort_unstable();
        assert_eq!(told, expected);
        let calls = self.receiver.control.calls();
        let forms = calls[self.read..].iter().map(|call| form(&call.body));
        let by_event: BTreeMap<String, Form> = forms.map(|form| (event_of(&form), form)).collect();
        self.read = wanted;
        by_event
    }
}

type Form = BTreeMap<String, String>;

fn form(body: &str) -> Form {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

/// Group and action of a form, and whether it tells a change of the responsible user.
fn event_of(form: &Form) -> String {
    let key = form.keys().find(|key| !key.starts_with("account[")).unwrap();
    let mut parts = key.split(['[', ']']);
    let (group, action) = (parts.next().unwrap(), parts.next().unwrap());
    format!("{group} {action}")
}

#[tokio::test]
async fn leads_tell_what_has_become_of_them() {
    let mut listener = Listener::open().await;
    let items =
        json!([{"name": "Первая", "price": 10, "tags_to_add": [{"name": "Срочно"}]}, {"name": "Вторая"}]);
    let told = listener.hear("POST", "/leads", items, &["add_lead"]).await;
    let added = &told["leads add"];
    let field = |name: &str| added[&format!("leads[add][0]{name}")].as_str();
    assert_eq!((field("[name]"), field("[price]"), field("[tags][0][name]")), ("Первая", "10", "Срочно"));
    assert_eq!((field("[responsible_user_id]"), field("[pipeline_id]")), ("501", "5000001"));
    assert_eq!(added["leads[add][1][name]"], "Вторая");
    assert_eq!(added["account[id]"], "12345678");

    let edit = json!({"status_id": 142, "responsible_user_id": MANAGER});
    let events = ["update_lead", "status_lead", "responsible_lead"];
    let told = listener.hear("PATCH", "/leads/700001", edit, &events).await;
    let status = &told["leads status"];
    assert_eq!(status["leads[status][0][status_id]"], "142");
    assert_eq!(status["leads[status][0][old_status_id]"], "5000012");
    assert_eq!(told["leads responsible"]["leads[responsible][0][old_responsible_user_id]"], "501");
    assert_eq!(told["leads update"]["leads[update][0][responsible_user_id]"], "502");
}

#[tokio::test]
async fn contacts_and_companies_share_a_group_and_say_what_they_are() {
    let mut listener = Listener::open().await;
    let phone = json!([{"field_code": "PHONE", "values": [{"value": "+79121112233", "enum_code": "WORK"}]}]);
    let contact = json!([{"name": "Анна", "custom_fields_values": phone}]);
    let told = listener.hear("POST", "/contacts", contact, &["add_contact"]).await;
    let field = |name: &str| told["contacts add"][&format!("contacts[add][0]{name}")].as_str();
    assert_eq!((field("[type]"), field("[custom_fields][0][code]")), ("contact", "PHONE"));
    let value = "[custom_fields][0][values][0]";
    assert_eq!(field(&format!("{value}[value]")), "+79121112233");
    assert_eq!(field(&format!("{value}[enum]")), "4000010");
    let told = listener.hear("POST", "/companies", json!([{"name": "ООО"}]), &["add_company"]).await;
    assert_eq!(told["contacts add"]["contacts[add][0][type]"], "company");
}

#[tokio::test]
async fn tasks_tell_that_they_are_done() {
    let mut listener = Listener::open().await;
    let task = json!([{"text": "Позвонить", "complete_till": 1_800_000_000, "entity_id": 700_001, "entity_type": "leads"}]);
    let told = listener.hear("POST", "/tasks", task, &["add_task"]).await;
    let added = &told["task add"];
    assert_eq!(added["task[add][0][element_type]"], "2");
    assert_eq!(added["task[add][0][complete_till]"], "2027-01-15 11:00:00", "Moscow time");
    let id = &added["task[add][0][id]"];
    let done = json!({"is_completed": true, "result": {"text": "Готово"}});
    let told = listener.hear("PATCH", &format!("/tasks/{id}"), done, &["update_task"]).await;
    let field = |name: &str| told["task update"][&format!("task[update][0]{name}")].as_str();
    assert_eq!((field("[status]"), field("[action_close]"), field("[result][text]")), ("1", "1", "Готово"));
    let over = json!({"responsible_user_id": MANAGER});
    let events = ["update_task", "responsible_task"];
    let told = listener.hear("PATCH", &format!("/tasks/{id}"), over, &events).await;
    assert_eq!(told["task update"]["task[update][0][old_responsible_user_id]"], "501");
}
