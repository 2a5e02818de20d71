//! Listening to the recording of a call: with a right, a reason and a record, for half an hour.

use chrono::Duration;
use flysk_domain::Clock as _;
use flysk_domain::flysense::call::EntityType;
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::roles::Role;
use flysk_domain::id::{AccountId, EntityId, NoteId, TranscriptionId};
use flysk_domain::trace::Trace;
use flysk_jobs::flysense::calls::{PreparePlayback, SweepPlayback};
use flysk_store::flysense::playback_copies::{self, ReadyCopy};
use flysk_store::flysense::transcriptions::{self, NewTranscription};
use flysk_store::jobs::JobState;
use flysk_suite::environment::ACCOUNT;
use reqwest::StatusCode;
use reqwest::header::{COOKIE, RANGE};
use sqlx::MySqlPool;

use super::harness::Panel;

const REASON: (&str, &str) = ("reason", "Жалоба 12");
const SOUND: &[u8] = b"0123456789";

pub(super) async fn insert_call(panel: &Panel) -> TranscriptionId {
    insert_note(panel, EntityId(7), NoteId(70), "call").await
}

/// A queued call of a note in a lead.
pub(super) async fn insert_note(
    panel: &Panel,
    entity_id: EntityId,
    note_id: NoteId,
    correlation: &str,
) -> TranscriptionId {
    let id = TranscriptionId::generate(&panel.app.clock);
    let trace = Trace { correlation_id: correlation.to_owned(), traceparent: None };
    let new = NewTranscription {
        id,
        account_id: AccountId(ACCOUNT),
        install_id: panel.app.install().await.id,
        entity_type: EntityType::Lead,
        entity_id,
        note_id,
        requested_by: None,
        left_channel: Role::Operator,
        trace: &trace,
        now: panel.app.clock.now(),
    };
    transcriptions::insert(&mut *panel.app.conn().await, &new).await.unwrap();
    id
}

/// Stores the copy that the job would have made.
async fn store_copy(panel: &Panel, id: TranscriptionId) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), SOUND).unwrap();
    let storage = panel.app.executor.app().storage().unwrap();
    let object_key = format!("playback/{id}");
    storage.put_file(&object_key, file.path(), "audio/mpeg").await.unwrap();
    let now = panel.app.clock.now();
    let ready = ReadyCopy {
        object_key: &object_key,
        media_type: "audio/mpeg",
        bytes: SOUND.len() as u64,
        expires_at: now + Duration::days(3),
    };
    playback_copies::finish(&mut *panel.app.conn().await, id, ready, now).await.unwrap();
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_recording_is_heard_for_half_an_hour_after_a_recorded_request(pool: MySqlPool) {
    let (panel, _storage) = Panel::open_with_storage(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["listen"]).await;
    let id = insert_call(&panel).await;
    let (call, audio, file) =
        (format!("/calls/{id}"), format!("/calls/{id}/audio"), format!("/calls/{id}/audio/file"));
    assert!(signed.page(&call).await.contains(&format!("{call}/listen")));
    assert_eq!(
        panel.get_as(&signed.cookie, &audio).await.status(),
        StatusCode::CONFLICT,
        "nothing was requested"
    );
    signed.refused(&format!("{call}/listen"), &[], 422).await;
    assert_eq!(signed.act(&format!("{call}/listen"), &[REASON]).await, audio);
    assert_eq!(panel.app.jobs_of::<PreparePlayback>(JobState::Queued).await.len(), 1);
    assert!(signed.page(&audio).await.contains("Запись готовится"));
    assert_eq!(panel.get_as(&signed.cookie, &file).await.status(), StatusCode::NOT_FOUND);
    store_copy(&panel, id).await;
    assert!(signed.page(&audio).await.contains(&format!("src=\"{file}\"")));
    let whole = panel.get_as(&signed.cookie, &file).await;
    assert_eq!(
        (whole.status(), whole.headers()["content-type"].to_str().unwrap()),
        (StatusCode::OK, "audio/mpeg")
    );
    assert_eq!(whole.headers()["cache-control"], "no-store");
    assert_eq!(whole.bytes().await.unwrap(), SOUND);
    let part = panel
        .app
        .http
        .get(format!("{}{file}", panel.url))
        .header(COOKIE, &signed.cookie)
        .header(RANGE, "bytes=2-4");
    let part = part.send().await.unwrap();
    assert_eq!(
        (part.status(), part.headers()["content-range"].to_str().unwrap()),
        (StatusCode::PARTIAL_CONTENT, "bytes 2-4/10")
    );
    assert_eq!(part.bytes().await.unwrap(), &SOUND[2..5]);
    let row = panel.record_of("call.listen").await;
    assert_eq!(
        (row.subject_id, row.reason.as_str(), row.operator_login.as_str()),
        (id.to_string(), "Жалоба 12", "anna")
    );
    // Another operator has to request it too.
    let other = panel.sign_in_with("boris", "owner", &["listen"]).await;
    assert_eq!(panel.get_as(&other.cookie, &file).await.status(), StatusCode::CONFLICT);
    panel.app.clock.advance(Duration::minutes(31));
    assert_eq!(panel.get_as(&signed.cookie, &file).await.status(), StatusCode::CONFLICT, "its time is over");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn without_the_right_no_recording_is_offered(pool: MySqlPool) {
    let (panel, _storage) = Panel::open_with_storage(pool).await;
    let signed = panel.sign_in("anna", "owner").await;
    let id = insert_call(&panel).await;
    assert!(!signed.page(&format!("/calls/{id}")).await.contains("/listen"));
    signed.refused(&format!("/calls/{id}/listen"), &[REASON], 403).await;
    assert!(panel.app.jobs_of::<PreparePlayback>(JobState::Queued).await.is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_copy_goes_with_its_row_and_one_without_a_row_after_half_an_hour(pool: MySqlPool) {
    let (panel, storage) = Panel::open_with_storage(pool).await;
    let keys = || storage.state.objects().unwrap().into_iter().map(|object| object.key).collect::<Vec<_>>();
    let sweep = async || {
        panel.app.enqueue(&SweepPlayback {}).await;
        panel.app.run_due_jobs().await;
    };
    let now = panel.app.clock.now();
    let copied = async |note| {
        let id = insert_note(&panel, EntityId(7), NoteId(note), "call").await;
        let until = now + Duration::hours(1);
        let mut conn = panel.app.conn().await;
        playback_copies::begin(&mut conn, id, AccountId(ACCOUNT), until, now).await.unwrap();
        drop(conn);
        store_copy(&panel, id).await;
        id
    };
    // A copy that was begun again, and whose recording was gone by then: its row does not tell the object any more.
    let lost = copied(71).await;
    let mut conn = panel.app.conn().await;
    playback_copies::begin(&mut conn, lost, AccountId(ACCOUNT), now + Duration::hours(1), now).await.unwrap();
    let failure = (FailureCode::RecordingUnavailable, None);
    playback_copies::fail(&mut conn, lost, failure, now + Duration::minutes(10), now).await.unwrap();
    drop(conn);
    let kept = copied(72).await;
    // A job that died before it named its object, or outlived its call.
    let file = tempfile::NamedTempFile::new().unwrap();
    let unnamed = format!("playback/{}", TranscriptionId::generate(&panel.app.clock));
    let objects = panel.app.executor.app().storage().unwrap();
    objects.put_file(&unnamed, file.path(), "audio/mpeg").await.unwrap();

    sweep().await;
    assert_eq!(keys().len(), 3, "its time is not over, and the other may be named soon");
    panel.app.clock.advance(Duration::minutes(31));
    sweep().await;
    assert_eq!(keys(), [format!("playback/{kept}")]);
}
