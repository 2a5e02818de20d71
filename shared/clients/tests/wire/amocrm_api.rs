//! amoCRM API: paths, empty responses, refusals, unusual values.

use std::time::Duration;

use chrono::DateTime;
use flysk_clients::amocrm::{AmoError, CallStatus, Note, NoteEvent, NoteType, RejectionKind, Responsible};
use flysk_domain::failure_action::FailureAction;
use flysk_domain::flysense::call::EntityType;
use flysk_domain::id::{AccountId, EntityId, NoteId, UserId};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::amocrm_tokens::{client, host};
use crate::server::{Reply, Server};

fn token() -> SecretString {
    "access-s3cr3t".into()
}

fn call_note() -> Value {
    json!({"id": 920_001, "entity_id": 700_001, "created_by": 501, "updated_by": 501, "created_at": 1_750_001_200,
        "updated_at": 1_750_001_300, "responsible_user_id": 501, "group_id": 0, "note_type": "call_in",
        "params": {"uniq": "call-1", "duration": 63, "source": "example_pbx",
            "link": "https://pbx.example.com/r/1.mp3?sign=s3cr3t", "phone": "+70000000000", "call_responsible": 501,
            "call_status": 4, "call_result": "talked"},
        "account_id": 12_345_678})
}

async fn note(reply: Reply) -> Result<Note, AmoError> {
    let server = Server::always(reply).await;
    client(&server).note(&host(), &token(), EntityType::Lead, NoteId(920_001)).await
}

#[tokio::test]
async fn the_account_says_whose_token_it_is() {
    let body = json!({"id": 12_345_678, "name": "Demo", "subdomain": "demo", "current_user_id": "501", "country": "RU",
        "is_technical_account": false, "_embedded": {"datetime_settings": {"timezone": "Europe/Moscow",
        "timezone_offset": "+03:00"}}});
    let server = Server::always(Reply::json(200, body.to_string())).await;
    let account = client(&server).account(&host(), &token()).await.unwrap();
    assert_eq!((account.id, account.current_user_id), (AccountId(12_345_678), Some(UserId(501))));
    assert_eq!(account.utc_offset_minutes, Some(180));
    let request = server.only_request();
    assert_eq!(request.target, "/api/v4/account?with=datetime_settings");
    assert_eq!(request.header("authorization"), Some("Bearer access-s3cr3t"));
}

#[tokio::test]
async fn a_call_note_is_read_as_documented_and_hides_its_link_and_number() {
    let note = note(Reply::json(200, call_note().to_string())).await.unwrap();
    assert_eq!(
        (note.id, note.entity_id, &note.note_type),
        (NoteId(920_001), EntityId(700_001), &NoteType::CallIn)
    );
    assert_eq!(note.updated_at, DateTime::from_timestamp(1_750_001_300, 0).unwrap());
    let words = format!("{note:?}");
    assert!(!words.contains("s3cr3t") && !words.contains("70000000000"), "{words}");
    let call = note.call.unwrap();
    assert_eq!(call.link.as_deref(), Some("https://pbx.example.com/r/1.mp3?sign=s3cr3t"));
    assert_eq!((call.duration_s, call.status), (63, Some(CallStatus::Talked)));
    assert_eq!(call.responsible, Some(Responsible::User(UserId(501))));
}

#[tokio::test]
async fn unusual_values_of_telephony_providers_are_parsed() {
    let mut odd = call_note();
    odd["params"] = json!({"uniq": 7, "duration": "63", "link": null, "phone": 70_000_000_000_u64,
        "call_responsible": "Anna", "call_status": 42, "new": []});
    odd["note_type"] = json!("call_out");
    let call = note(Reply::json(200, odd.to_string())).await.unwrap().call.unwrap();
    assert_eq!((call.uniq, call.duration_s, call.link), (None, 63, None));
    assert_eq!(call.phone.as_deref(), Some("70000000000"));
    assert_eq!(
        (call.status, call.responsible),
        (Some(CallStatus::Other(42)), Some(Responsible::Name("Anna".into())))
    );

    for params in [json!(null), json!([]), json!("text")] {
        let mut odd = call_note();
        odd["params"] = params;
        let call = note(Reply::json(200, odd.to_string())).await.unwrap().call.unwrap();
        assert_eq!((call.duration_s, call.link), (0, None));
    }
    let mut other = call_note();
    other["note_type"] = json!("geolocation");
    let other = note(Reply::json(200, other.to_string())).await.unwrap();
    assert_eq!((other.note_type, other.call), (NoteType::Other("geolocation".into()), None));
}

#[tokio::test]
async fn empty_responses_are_an_empty_list_and_a_missing_note() {
    let server = Server::always(Reply::new(204, &[], "")).await;
    let amo = client(&server);
    let page = amo.notes(&host(), &token(), EntityType::Contact, &[NoteId(1), NoteId(2)]).await.unwrap();
    assert!(page.items.is_empty() && !page.has_next);
    assert_eq!(
        server.only_request().target,
        "/api/v4/contacts/notes?limit=250&order%5Bid%5D=asc&filter%5Bid%5D%5B%5D=1&filter%5Bid%5D%5B%5D=2"
    );
    let error = note(Reply::new(204, &[], "")).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (Some(RejectionKind::NotFound), FailureAction::GiveUp));
}

#[tokio::test]
async fn one_unreadable_item_does_not_lose_the_page() {
    let body = json!({"_page": 1, "_links": {"next": {"href": "https://demo.amocrm.ru/api/v4/leads/notes?page=2"}},
        "_embedded": {"notes": [call_note(), {"id": "what"}, call_note()]}});
    let server =
        Server::always(Reply::new(200, &[("Content-Type", "application/hal+json")], body.to_string())).await;
    let page = client(&server).notes(&host(), &token(), EntityType::Lead, &[NoteId(1)]).await.unwrap();
    assert_eq!((page.items.len(), page.has_next), (2, true));
}

#[tokio::test]
async fn calls_with_lost_webhooks_are_found_in_the_event_list() {
    let body = json!({"_embedded": {"events": [
        {"id": "01", "type": "incoming_call", "entity_id": 700_001, "entity_type": "lead", "created_by": 501,
            "created_at": 1_750_001_200, "value_after": [{"note": {"id": 920_001}}]},
        {"id": "02", "type": "outgoing_call", "entity_id": "7", "entity_type": "planet", "created_by": 0,
            "created_at": "1750001200", "value_after": {"1": {"note": {"id": "920002"}}}},
        {"id": "03", "type": "outgoing_call", "entity_id": 8, "entity_type": null, "created_at": 1, "value_after": null}]}});
    let server = Server::always(Reply::json(200, body.to_string())).await;
    let moment = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
    let page = client(&server).call_events(&host(), &token(), moment(100), moment(200), 0).await.unwrap();
    let found: Vec<_> = page.items.iter().map(|event| (event.entity_type, event.note_id)).collect();
    assert_eq!(
        found,
        [(Some(EntityType::Lead), Some(NoteId(920_001))), (None, Some(NoteId(920_002))), (None, None)]
    );
    let target = server.only_request().target;
    for part in ["=incoming_call", "=outgoing_call", "%5Bfrom%5D=100", "%5Bto%5D=200", "limit=100", "page=1"]
    {
        assert!(target.contains(part), "{target} lacks {part}");
    }
}

#[tokio::test]
async fn hooks_are_listed_set_and_removed_by_their_destination() {
    let list = json!({"_embedded": {"webhooks": [{"id": 1, "destination": "https://hooks.example.com/amo?sig=s3cr3t",
        "disabled": true, "settings": ["note_lead", "add_lead"]}]}});
    let server = Server::start(move |request, _| match request.method.as_str() {
        "GET" => Reply::json(200, list.to_string()),
        "POST" => Reply::json(201, "{}"),
        _ => Reply::new(
            404,
            &[("Content-Type", "application/problem+json")],
            r#"{"title":"Not Found","status":404}"#,
        ),
    })
    .await;
    let (amo, destination) = (client(&server), "https://hooks.example.com/amo?sig=s3cr3t".parse().unwrap());
    let hooks = amo.webhooks(&host(), &token(), Some(&destination)).await.unwrap();
    assert!(hooks.items[0].disabled && !format!("{hooks:?}").contains("s3cr3t"));
    amo.subscribe(&host(), &token(), &destination, NoteEvent::ALL).await.unwrap();
    amo.unsubscribe(&host(), &token(), &destination).await.unwrap();
    let requests = server.requests();
    assert!(requests[0].target.starts_with("/api/v4/webhooks?filter%5Bdestination%5D=https"));
    assert_eq!(
        requests[1].json(),
        json!({"destination": destination, "sort": 10,
            "settings": ["note_lead", "note_contact", "note_company", "note_customer"]})
    );
    assert_eq!(
        (requests[2].method.as_str(), requests[2].json()),
        ("DELETE", json!({"destination": destination}))
    );
}

#[tokio::test]
async fn error_responses_are_classified() {
    use RejectionKind as Kind;
    let problem =
        |status, body: &str| Reply::new(status, &[("Content-Type", "application/problem+json")], body);
    let wait = |hours| FailureAction::Wait { after: Some(Duration::from_hours(hours)) };
    let limited = Reply::new(429, &[("Retry-After", "3")], "slow down");
    let after = Some(Duration::from_secs(3));
    for (reply, kind, outcome) in [
        (problem(401, r#"{"title":"Unauthorized"}"#), Kind::Unauthorized, FailureAction::RETRY),
        (Reply::page(401), Kind::LoginPage, FailureAction::RETRY),
        (Reply::page(200), Kind::LoginPage, FailureAction::RETRY),
        (Reply::new(302, &[("Location", "/")], ""), Kind::LoginPage, FailureAction::RETRY),
        (problem(402, "{}"), Kind::Unpaid, wait(24)),
        (Reply::page(403), Kind::Blocked, wait(1)),
        (problem(403, r#"{"title":"Forbidden"}"#), Kind::NoRights, FailureAction::GiveUp),
        (problem(403, r#"{"response":{"error_code":"113"}}"#), Kind::AddressNotAllowed, wait(24)),
        (problem(404, r#"{"title":"Not Found"}"#), Kind::NotFound, FailureAction::GiveUp),
        (problem(401, r#"{"response":{"error_code":101}}"#), Kind::UnknownAccount, FailureAction::RETRY),
        (Reply::page(404), Kind::UnknownAccount, FailureAction::RETRY),
        (problem(400, "{}"), Kind::Invalid, FailureAction::GiveUp),
        (problem(422, "{}"), Kind::Invalid, FailureAction::GiveUp),
        (limited, Kind::RateLimited { after }, FailureAction::Wait { after }),
        (Reply::page(504), Kind::TooMuchAtOnce, FailureAction::RETRY),
        (Reply::page(500), Kind::Server, FailureAction::RETRY),
        (Reply::page(418), Kind::Other, FailureAction::GiveUp),
    ] {
        let label = format!("{reply:?}");
        let error = note(reply).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (Some(kind), outcome), "{label}");
        assert_eq!(
            error.needs_fresh_token(),
            matches!(kind, Kind::Unauthorized | Kind::LoginPage),
            "{label}"
        );
        assert!(!crate::all_words(&error).contains("s3cr3t"));
    }
}

#[tokio::test]
async fn a_validation_error_contains_its_fields_and_the_request_id() {
    let body = r#"{"validation-errors":[{"request_id":"n1","errors":[{"code":"TooLong","path":"params.text"}]}],
        "title":"Bad Request","status":400}"#;
    let server = Server::always(Reply::new(400, &[("X-Request-Id", "req-1")], body)).await;
    let error = client(&server).note(&host(), &token(), EntityType::Lead, NoteId(1)).await.unwrap_err();
    let words = error.to_string();
    assert!(words.contains("TooLong at params.text") && words.contains("req-1"), "{words}");
}
