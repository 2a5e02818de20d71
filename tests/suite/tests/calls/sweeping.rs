//! Audio that crashes left in storage.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::flysense::payment::AUDIO_RETENTION;
use flysk_jobs::flysense::calls::SweepStorage;
use flysk_queue::Job as _;
use flysk_simulators::{Act, Control, Script, s3};
use flysk_store::Pool;

use crate::harness::TestApp;

const WAIT_TIMEOUT: Duration = Duration::from_mins(5);

/// Inserts a call in `state`; returns the key of its recording.
async fn insert_call(app: &TestApp, note: u64, state: &str) -> String {
    let id = app.insert_call(&mut app.pool.acquire().await.unwrap(), note).await;
    let set = sqlx::query("UPDATE transcriptions SET state = ? WHERE note_id = ?").bind(state).bind(note);
    set.execute(&app.pool).await.unwrap();
    format!("calls/{id}/1-source")
}

/// A call that waited for coins for days gets them while the sweep deletes another object: its recording is not deleted.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_recording_that_is_needed_again_during_a_sweep_is_kept(pool: Pool) {
    let app = TestApp::installed(pool).await;
    let key = s3::Key { id: "owner".into(), secret: "owner-secret".into(), role: s3::Role::Editor };
    let options = s3::Options { bind: None, bucket: "flysk-calls".to_owned(), keys: vec![key] };
    let storage = s3::start(options, Control::default()).await.unwrap();
    let worker = app
        .executor_in(|env| {
            env.with("FLYSK_STORAGE_ENDPOINT", &storage.url)
                .with("FLYSK_STORAGE_BUCKET", "flysk-calls")
                .with("FLYSK_STORAGE_ACCESS_KEY_ID", "owner")
                .with("FLYSK_STORAGE_SECRET_ACCESS_KEY", "owner-secret")
        })
        .await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut keys = Vec::new();
    for (note, state) in [(1, "failed"), (2, "no_balance"), (3, "no_balance")] {
        let key = insert_call(&app, note, state).await;
        worker.app().storage().unwrap().put_file(&key, file.path(), "audio/mpeg").await.unwrap();
        keys.push(key);
    }
    app.advance(AUDIO_RETENTION + TimeDelta::hours(1));
    app.enqueue(&SweepStorage {}).await;
    let due = app.due().await;
    let job = due.iter().find(|job| job.kind == SweepStorage::KIND).expect("it was enqueued");

    let first = Script::next("/flysk-calls/calls/*", Act::Serve).held();
    storage.control.script(Script { method: Some("DELETE".to_owned()), ..first });
    let resumed = async {
        while storage.control.calls_to("DELETE", "/flysk-calls/calls/*").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let filled = "UPDATE transcriptions SET state = 'holding' WHERE note_id = 2";
        sqlx::query(filled).execute(&app.pool).await.unwrap();
        storage.control.release();
    };
    let sweep = tokio::time::timeout(WAIT_TIMEOUT, worker.execute(job.id));
    let (swept, ()) = tokio::join!(sweep, resumed);
    swept.unwrap().unwrap();
    let left: Vec<String> = storage.state.objects().unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(left, [keys[1].clone()]);
}
