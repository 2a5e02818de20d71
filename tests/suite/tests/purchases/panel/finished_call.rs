//! A call that has passed all its stages: rows as the jobs of the stages leave them, by the store's own functions.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::Clock as _;
use flysk_domain::flysense::audio::{AudioContainer, ChannelLayout};
use flysk_domain::flysense::call::Direction;
use flysk_domain::flysense::payment::{HOLD_DURATION, ReceiptLine, Work};
use flysk_domain::flysense::state::TranscriptionState::{
    self, Converting, Fetching, Holding, Queued, Recognizing, Settling, Storing, Submitting, Uploading,
};
use flysk_domain::flysense::summary::{SummaryProvenance, SummarySource};
use flysk_domain::id::{AccountId, EntityId, HoldId, NoteId, TransactionId, TranscriptionId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::price::{PriceRule, Quote};
use flysk_domain::platform::ledger::{Command, Line};
use flysk_domain::trace::Trace;
use flysk_jobs::flysense::calls::{
    CapturePayment, ConvertAudio, DeleteAudio, FetchRecording, HoldPayment, Settle, StartRecognition,
    StoreTranscript, Summarize, UploadAudio,
};
use flysk_queue::Job;
use flysk_store::Conn;
use flysk_store::flysense::payments::{self, Hold, Paid, Price, RunOf};
use flysk_store::flysense::stages;
use flysk_store::flysense::transcriptions::{self, NoteFacts, Prepared};
use flysk_store::platform::ledger::{self, CommandOutcome, LedgerCommand};
use flysk_suite::environment::ACCOUNT;
use sqlx::MySqlPool;

use super::call_audio::insert_note;
use super::harness::Panel;

/// Correlation of the call, as an API process makes it.
const CORRELATION: &str = "5d1f0c6e9a7b4e32b8c4d07f6a91e253";
/// Id of a SpeechKit operation.
const OPERATION: &str = "f8dc0b6ivrq8n3ljqh0e";
/// Duration of the recording, ms.
const DURATION_MS: u64 = 271_640;
/// The run of the call.
const RUN: u32 = 1;
const ACCOUNT_ID: AccountId = AccountId(ACCOUNT);

/// Inserts the call and lets all its stages pass, which takes a minute of the panel's clock. The wallet pays the price.
pub(super) async fn insert(panel: &Panel) -> TranscriptionId {
    let id = insert_note(panel, EntityId(18_402_511), NoteId(264_193_077), CORRELATION).await;
    let call = Call { panel, id, of: RunOf { id, run: RUN } };
    let (transcription_id, account_id) = (id, ACCOUNT_ID);
    call.enter(Queued, Fetching).await;
    call.pass("fetch", &FetchRecording { transcription_id, account_id }, 2_310).await;
    call.read_note().await;
    call.enter(Fetching, Converting).await;
    call.pass("convert", &ConvertAudio { transcription_id, account_id }, 4_870).await;
    call.measure().await;
    call.enter(Converting, Holding).await;
    call.pass("hold", &HoldPayment { transcription_id, account_id }, 140).await;
    let hold = call.hold().await;
    call.enter(Holding, Uploading).await;
    call.pass("upload", &UploadAudio { transcription_id, account_id }, 1_260).await;
    call.enter(Uploading, Submitting).await;
    call.order().await;
    call.pass("submit", &StartRecognition { transcription_id, account_id }, 390).await;
    call.enter(Submitting, Recognizing).await;
    call.recognize(41_800).await;
    call.enter(Recognizing, Storing).await;
    call.pass("store", &StoreTranscript { transcription_id, account_id }, 620).await;
    call.enter(Storing, Settling).await;
    call.pass("summarize", &Summarize { transcription_id, account_id }, 5_430).await;
    call.summarize().await;
    call.pass("settle", &Settle { transcription_id, account_id }, 80).await;
    call.settle().await;
    call.work(&CapturePayment { transcription_id, account_id, run: RUN }, 110).await;
    call.pay(hold).await;
    call.work(&DeleteAudio { transcription_id, account_id }, 240).await;
    id
}

/// Price of the call by the default prices, and its payments by service.
fn price() -> (Price, Vec<Line>) {
    let work = Work::of(DURATION_MS, true);
    let recognition = PriceRule::recognition().unwrap().quote(work.seconds).unwrap();
    let quotes = [recognition, PriceRule::summary().unwrap().quote(u64::from(work.summaries)).unwrap()];
    let pays = quotes.iter().map(|quote| Line { service: quote.service.clone(), amount: quote.amount });
    let amount = MicroCoins(quotes.iter().map(|quote| quote.amount.0).sum());
    (Price { amount, lines: quotes.iter().map(receipt_line).collect() }, pays.collect())
}

/// A quote as FlySense stores it, from the answer of the platform's API.
fn receipt_line(quote: &Quote) -> ReceiptLine {
    let mut line = serde_json::to_value(quote).unwrap();
    let rate = line["tariff"].as_object_mut().unwrap().remove("rate").unwrap();
    line["tariff"]["rate_micro"] = rate;
    serde_json::from_value(line).unwrap()
}

/// The call whose stages pass.
struct Call<'a> {
    panel: &'a Panel,
    id: TranscriptionId,
    of: RunOf,
}

impl Call<'_> {
    fn now(&self) -> DateTime<Utc> {
        self.panel.app.clock.now()
    }

    async fn enter(&self, from: TranscriptionState, to: TranscriptionState) {
        let mut conn = self.panel.app.conn().await;
        transcriptions::transition(&mut conn, self.id, from, to, self.now()).await.unwrap();
    }

    /// A stage, which is a job.
    async fn pass<J: Job>(&self, stage: &str, job: &J, took_ms: i64) {
        let began = self.now();
        self.work(job, took_ms).await;
        self.record(stage, began).await;
    }

    /// A job that is done at its first attempt.
    async fn work<J: Job>(&self, job: &J, took_ms: i64) {
        let trace = Trace { correlation_id: CORRELATION.to_owned(), traceparent: None };
        let mut unit = self.panel.app.executor.outbox().begin(trace).await.unwrap();
        let job = unit.enqueue(job).await.unwrap().expect("no such job waits");
        unit.commit().await.unwrap();
        let began = self.now();
        self.panel.app.clock.advance(TimeDelta::milliseconds(took_ms));
        let done =
            "UPDATE jobs SET state = 'done', attempt = 1, waiting_key = NULL, started_at = ?, finished_at = ?
                    WHERE id = ?";
        let done = sqlx::query(done).bind(began).bind(self.now()).bind(job.to_string());
        done.execute(&self.panel.app.pool).await.unwrap();
    }

    async fn record(&self, stage: &str, began: DateTime<Utc>) {
        let mut conn = self.panel.app.conn().await;
        stages::record(&mut conn, self.id, RUN, stage, began, self.now()).await.unwrap();
    }

    async fn read_note(&self) {
        let note = NoteFacts {
            direction: Some(Direction::Incoming),
            called_at: self.now() - TimeDelta::minutes(6),
            duration_s: Some(272),
            is_short: false,
        };
        transcriptions::set_note(&mut *self.panel.app.conn().await, self.id, note).await.unwrap();
    }

    async fn measure(&self) {
        let prepared = Prepared {
            duration_ms: DURATION_MS,
            channels: 2,
            layout: ChannelLayout::Stereo,
            container: AudioContainer::OggOpus,
            partial: false,
        };
        let mut conn = self.panel.app.conn().await;
        transcriptions::set_prepared(&mut conn, self.id, prepared).await.unwrap();
        payments::plan(&mut conn, self.of, ACCOUNT_ID, Work::of(DURATION_MS, true), self.now())
            .await
            .unwrap();
    }

    async fn hold(&self) -> HoldId {
        let ((price, _), id) = (price(), HoldId::generate(&self.panel.app.clock));
        let expires_at = self.now() + HOLD_DURATION;
        let mut tx = self.panel.app.pool.begin().await.unwrap();
        self.post(&mut tx, Command::Hold { hold: id, amount: price.amount, expires_at }).await;
        payments::mark_held(&mut tx, self.of, &Hold { id, expires_at, price }, self.now()).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn order(&self) {
        let mut conn = self.panel.app.conn().await;
        transcriptions::count_submit(&mut conn, self.id, self.now()).await.unwrap();
        transcriptions::set_operation(&mut conn, self.id, OPERATION).await.unwrap();
    }

    /// Its ephemeral job leaves no row.
    async fn recognize(&self, took_ms: i64) {
        let began = self.now();
        self.panel.app.clock.advance(TimeDelta::milliseconds(took_ms));
        self.record("recognize", began).await;
    }

    async fn summarize(&self) {
        let text = Some("Клиент уточнил срок поставки и попросил счёт на пять лицензий.");
        let written = SummaryProvenance::Written(SummarySource::YandexGpt);
        let mut conn = self.panel.app.conn().await;
        transcriptions::set_summary(&mut conn, self.id, text, written, None, self.now()).await.unwrap();
    }

    async fn settle(&self) {
        let (mut conn, work) = (self.panel.app.conn().await, Work::of(DURATION_MS, true));
        let seconds = u32::try_from(work.seconds).unwrap();
        transcriptions::mark_done(&mut conn, self.id, seconds, self.now()).await.unwrap();
        assert!(payments::mark_owed(&mut conn, self.of, ACCOUNT_ID, work, self.now()).await.unwrap());
    }

    async fn pay(&self, hold: HoldId) {
        let (price, lines) = price();
        let mut tx = self.panel.app.pool.begin().await.unwrap();
        let transaction = Some(self.post(&mut tx, Command::Capture { hold, lines }).await);
        payments::mark_paid(&mut tx, self.of, &Paid { price, transaction }, self.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Executes a command in the ledger.
    async fn post(&self, conn: &mut Conn, command: Command) -> TransactionId {
        let id = TransactionId::generate(&self.panel.app.clock);
        let reference = Some(format!("Расшифровка звонка {}", self.id));
        let command = LedgerCommand { reference, ..LedgerCommand::new(id, command) };
        let app = &self.panel.app;
        let done = ledger::apply(conn, app.wallet, &[command], &app.clock).await.unwrap();
        assert!(matches!(done[0], CommandOutcome::Done(_)), "{done:?}");
        id
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_page_of_a_finished_call_shows_its_stages_its_price_and_its_jobs(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    panel.app.paid().await;
    let before = panel.app.balance().await;
    let signed = panel.sign_in("anna", "support").await;
    let id = insert(&panel).await;
    let page = signed.page(&format!("/calls/{id}")).await.replace('\u{a0}', " ");
    for shown in [
        "Сделка 18402511",
        "скачивание записи",
        "заказ распознавания",
        "завершение",
        "272 с",
        "за минуту, не меньше 15 с, версия 1",
        "Оплачено",
        FetchRecording::KIND,
        CapturePayment::KIND,
    ] {
        assert!(page.contains(shown), "no {shown} in {page}");
    }
    assert_eq!(before - panel.app.balance().await, 12_333_333, "272 s of recognition, and a summary");
    panel.app.assert_proven().await;
}
