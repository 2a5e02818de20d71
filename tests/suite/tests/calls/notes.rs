//! Notes that are no calls, that tell no sane time, and one call noted twice.

use std::time::Duration;

use flysk_simulators::amocrm::{Direction, EntityType, NewCall};
use flysk_store::jobs::JobState;
use flysk_suite::stand::{ACCOUNT, ADMIN, LEAD, PUBLIC_ORIGIN, Stand};
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::MySqlPool;

use crate::house::House;
use crate::stand;

const PATIENCE: Duration = Duration::from_mins(1);

/// Delivers a hook to the account's address as amoCRM does, and lets it be read.
async fn deliver(house: &House, form: &[(&str, &str)]) {
    let there = house.hooks()[0].destination.replace(PUBLIC_ORIGIN, &house.api_url);
    let answer = reqwest::Client::builder().build().unwrap().post(there).form(form).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    house.run_due_jobs().await;
}

/// A service message such as our own integration may write, and a plain text: they come by the same hook as calls, and
/// nothing may follow from them.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn notes_that_are_no_calls_start_nothing(pool: MySqlPool) {
    let house = House::installed(pool).await;
    for kind in ["25", "4"] {
        let note = |field: &'static str| format!("leads[note][0][note][{field}]");
        let (id, kind_of, card, card_type, text) =
            (note("id"), note("note_type"), note("element_id"), note("element_type"), note("text"));
        let account = ACCOUNT.to_string();
        let form = [
            ("account[id]", account.as_str()),
            (id.as_str(), "920001"),
            (kind_of.as_str(), kind),
            (card.as_str(), "700001"),
            (card_type.as_str(), "2"),
            (
                text.as_str(),
                r#"{"service":"FlySense","text":"Итог звонка","DURATION":42,"LINK":"https://pbx.example.com/1.mp3"}"#,
            ),
        ];
        deliver(&house, &form).await;
    }
    assert_eq!(house.requested().await.0, Vec::<u64>::new());
    let read = house.jobs(JobState::Done).await.iter().filter(|job| job.kind == "calls.ingest_note").count();
    assert_eq!(read, 2, "the hooks were read");
}

/// Dates of a hook are local and without a zone, so nothing is made of them, whatever they say.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn local_dates_of_a_hook_are_not_believed(pool: MySqlPool) {
    let house = House::installed(pool).await;
    for (index, date) in ["2031-01-01 00:00:00", "15.06.2025 18:26", ""].into_iter().enumerate() {
        let note = house.silent_call(EntityType::Leads, 42).to_string();
        let (account, card) = (ACCOUNT.to_string(), LEAD.to_string());
        let form = [
            ("account[id]", account.as_str()),
            ("leads[note][0][note][id]", note.as_str()),
            ("leads[note][0][note][note_type]", "10"),
            ("leads[note][0][note][element_id]", card.as_str()),
            ("leads[note][0][note][element_type]", "2"),
            ("leads[note][0][note][date_create]", date),
            ("leads[note][0][note][timestamp_x]", date),
        ];
        deliver(&house, &form).await;
        assert_eq!(house.requested().await.0.len(), index + 1, "{date}");
    }
    let told: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM transcriptions WHERE called_at IS NOT NULL")
        .fetch_one(&house.pool)
        .await
        .unwrap();
    assert_eq!(told, 0, "when a call was is read from the note, in unix seconds");
}

/// The telephony writes a call on the lead and on its contact: it is transcribed and paid once, and whoever wants it on
/// the other card, too, asks for it there. Another call of the same number is another call.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_two_cards_is_transcribed_once() -> anyhow::Result<()> {
    let stand = stand().await?;
    let client = stand.client()?;
    let first = arrives(&stand, EntityType::Leads, "pbx-1")?;
    let first = client.wait_for_end(first, PATIENCE).await?;
    assert_eq!(first.state, "done");
    let twin = arrives(&stand, EntityType::Contacts, "pbx-1")?;
    stand.wait_for("SELECT COUNT(*) FROM transcriptions WHERE failure_code = 'same_call'", 1).await?;
    let another = arrives(&stand, EntityType::Leads, "pbx-2")?;
    assert_eq!(client.wait_for_end(another, PATIENCE).await?.state, "done");
    let held: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM flysense_payments").fetch_one(&stand.pool).await?;
    assert_eq!(held, 2, "the twin was paid for");

    let wanted = json!({ "note_id": twin, "entity_type": "contacts", "entity_id": LEAD });
    let (status, told) = client.request(Method::POST, "/v1/flysense/transcriptions", Some(&wanted)).await?;
    assert_eq!(status, StatusCode::ACCEPTED, "{told}");
    stand.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'done'", 3).await?;
    stand.stop()
}

/// A call that the telephony knows by `uniq`, noted on a card.
fn arrives(stand: &Stand, entity_type: EntityType, uniq: &str) -> anyhow::Result<u64> {
    Ok(stand.outside.amocrm.state.call(NewCall {
        account: ACCOUNT,
        entity_type,
        entity_id: LEAD,
        link: Some(stand.outside.recording_url("support-mono-opus.ogg")),
        link_after_ms: None,
        duration: 42,
        duration_as_text: false,
        direction: Direction::Inbound,
        phone: "+70000000000".to_owned(),
        uniq: Some(uniq.to_owned()),
        source: "example_pbx".to_owned(),
        user: Some(ADMIN),
        silently: false,
    })?)
}
