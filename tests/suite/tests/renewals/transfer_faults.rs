//! Jobs of transfers that run twice, die at every step, meet a bank that fails, or work at the same time: no kopeck is lost or
//! counted twice.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::id::{JobId, TransferInvoiceId};
use flysk_domain::platform::mail::TransferLetter;
use flysk_domain::platform::subscriptions::SubscriptionState;
use flysk_domain::platform::transfers::{PdfState, TransferInvoiceState};
use flysk_jobs::platform::transfers::{
    ExpireTransferInvoices, FetchTransferDocument, IssueAct, QueryTransferInvoice, ReadStatement,
    ReadStatements, SendTransferInvoice, SendTransferLetter, TransfersDue,
};
use flysk_queue::Job;
use flysk_queue::executor::ExecutionResult;
use flysk_sandbox::Crash;
use flysk_services::transfers::{TransferContext, withdraw_transfer_invoice};
use flysk_simulators::t_api::Behaviour;
use flysk_simulators::{Act, Control, Script, s3};
use sqlx::MySqlPool;

use super::harness::Rival;
use super::transfers::{Firm, SEND, STATEMENT};

/// Everything that says where money is and what was written about it. What the bank calls an invoice is not in it.
const BOOKS: [&str; 9] = [
    "SELECT CONCAT_WS(' ', id, state, paid_kopecks, open_slot, void_reason, pdf_state) FROM transfer_invoices",
    "SELECT CONCAT_WS(' ', id, state, amount_kopecks, version) FROM bank_operations",
    "SELECT CONCAT_WS(' ', operation_id, step, target, kopecks) FROM bank_allocations",
    "SELECT CONCAT_WS(' ', install_id, inn, kopecks) FROM firm_balances",
    "SELECT CONCAT_WS(' ', id, cause, kopecks) FROM firm_balance_entries",
    "SELECT CONCAT_WS(' ', transfer_invoice_id, state, act_number) FROM transfer_acts",
    "SELECT CONCAT_WS(' ', transfer_invoice_id, kind, state) FROM transfer_letters",
    "SELECT CONCAT_WS(' ', id, state, total_kopecks) FROM subscription_invoices",
    "SELECT CONCAT_WS(' ', id, state, period_no) FROM subscriptions",
];

impl Firm {
    /// A firm whose bank's documents are kept in object storage.
    pub(super) async fn open_with_storage(pool: MySqlPool) -> Stored {
        let key = s3::Key { id: "owner".into(), secret: "owner-secret".into(), role: s3::Role::Editor };
        let options = s3::Options { bind: None, bucket: "flysk-calls".to_owned(), keys: vec![key] };
        let storage = s3::start(options, Control::default()).await.unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let variables = [
            ("FLYSK_STORAGE_ENDPOINT", storage.url.clone()),
            ("FLYSK_STORAGE_BUCKET", "flysk-calls".to_owned()),
            ("FLYSK_STORAGE_ACCESS_KEY_ID", "owner".to_owned()),
            ("FLYSK_STORAGE_SECRET_ACCESS_KEY", "owner-secret".to_owned()),
            ("FLYSK_SCRATCH_DIR", scratch.path().display().to_string()),
        ];
        let firm = Self::open_with(pool, &variables).await;
        Stored { firm, storage, _scratch: scratch }
    }

    async fn books(&self) -> Vec<Vec<String>> {
        let mut books = Vec::new();
        for statement in BOOKS {
            let rows = sqlx::query_scalar(statement).fetch_all(&self.subscriber.sandbox.pool).await.unwrap();
            let mut rows: Vec<String> = rows;
            rows.sort_unstable();
            books.push(rows);
        }
        books
    }

    pub(super) async fn enqueue<J: Job>(&self, job: &J) -> JobId {
        let mut unit = self.subscriber.begin().await;
        let id = unit.enqueue(job).await.unwrap().expect("no such job waits");
        unit.commit().await.unwrap();
        id
    }

    /// Runs a job twice: the books stay as they are.
    async fn repeat<J: Job>(&self, job: &J) {
        let before = self.books().await;
        for _ in 0..2 {
            self.enqueue(job).await;
            self.subscriber.run_due().await;
            assert_eq!(self.books().await, before, "{}", J::KIND);
        }
    }

    /// Runs every job of transfers twice.
    async fn repeat_all(&self, transfer_invoice_id: TransferInvoiceId) {
        let vendor_id = self.invoice(transfer_invoice_id).await.vendor_id;
        self.repeat(&SendTransferInvoice { transfer_invoice_id }).await;
        self.repeat(&FetchTransferDocument { transfer_invoice_id }).await;
        self.repeat(&QueryTransferInvoice { transfer_invoice_id }).await;
        for letter in [TransferLetter::Issued, TransferLetter::DueTomorrow, TransferLetter::Paid] {
            self.repeat(&SendTransferLetter { transfer_invoice_id, letter }).await;
        }
        self.repeat(&IssueAct { transfer_invoice_id }).await;
        self.repeat(&ReadStatement { vendor_id }).await;
        self.repeat(&ReadStatements {}).await;
        self.repeat(&TransfersDue {}).await;
        self.repeat(&ExpireTransferInvoices {}).await;
    }

    /// Plans crashes of a kind of job, after so many of its steps each.
    fn plan_crashes(&self, kind: &str, after_polls: &[u32]) {
        let crash = |&after_polls: &u32| Crash { kind: kind.to_owned(), skip: 0, after_polls };
        self.subscriber.sandbox.plan_crashes(after_polls.iter().map(crash).collect());
    }

    async fn withdraw(&self, id: TransferInvoiceId) {
        let app = self.subscriber.sandbox.executor.app();
        let context = TransferContext { keyring: &app.keyring, clock: &self.subscriber.sandbox.clock };
        let mut unit = self.subscriber.begin().await;
        assert!(withdraw_transfer_invoice(&mut unit, context, id).await.unwrap());
        unit.commit().await.unwrap();
    }
}

/// A firm with object storage.
pub(super) struct Stored {
    pub(super) firm: Firm,
    pub(super) storage: flysk_simulators::Running<s3::Bucket>,
    pub(super) _scratch: tempfile::TempDir,
}

/// An erasure forgets the bank's link. Otherwise the document would be looked for every five minutes, for ever, before those of others.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_document_whose_link_was_erased_is_not_wanted_any_more(pool: MySqlPool) {
    let Stored { firm, storage: _storage, _scratch } = Firm::open_with_storage(pool).await;
    let asked = firm.ask().await;
    firm.subscriber.run_due().await;
    let erased = "UPDATE transfer_invoices SET pdf_state = 'wanted', pdf_url_sealed = NULL";
    sqlx::query(erased).execute(&firm.subscriber.sandbox.pool).await.unwrap();
    firm.enqueue(&TransfersDue {}).await;
    firm.subscriber.run_due().await;
    assert_eq!(firm.invoice(asked.id).await.pdf_state, PdfState::Lost);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_job_of_transfers_runs_again_without_changing_anything(pool: MySqlPool) {
    let Stored { firm, storage, _scratch } = Firm::open_with_storage(pool).await;
    let asked = firm.ask().await;
    firm.subscriber.run_due().await;
    assert_eq!(firm.invoice(asked.id).await.pdf_state, PdfState::Stored);
    firm.repeat_all(asked.id).await;
    firm.pay(100_000, &asked.purpose);
    firm.advance_minutes(20).await;
    let part = firm.invoice(asked.id).await;
    assert_eq!((part.state, part.paid.0), (TransferInvoiceState::Issued, 100_000));
    firm.repeat_all(asked.id).await;
    firm.pay(asked.amount.0 - 100_000 + 500, &asked.purpose);
    firm.advance_minutes(20).await;
    assert_eq!(firm.invoice(asked.id).await.state, TransferInvoiceState::Paid);
    firm.repeat_all(asked.id).await;
    // The period is over, and its act is issued; the next invoice takes the surplus, gets a part, and ends unpaid.
    firm.subscriber.advance_to("2027-02-28", "00:30:00").await;
    let next = firm.ask_for(firm.subscriber.last_invoice().await.id).await;
    assert_eq!((next.total.0, next.amount.0), (297_000, 296_500));
    firm.subscriber.run_due().await;
    firm.pay(1_000, &next.purpose);
    firm.advance_minutes(20).await;
    firm.repeat_all(asked.id).await;
    firm.subscriber.advance_days(16).await;
    assert_eq!(firm.invoice(next.id).await.state, TransferInvoiceState::Expired);
    firm.repeat_all(next.id).await;
    assert_eq!(firm.count("SELECT CAST(SUM(kopecks) AS SIGNED) FROM firm_balances").await, 1_500);
    assert_eq!(firm.bank.control.calls_to("POST", SEND).len(), 2, "one of each invoice");
    assert_eq!(storage.state.objects().unwrap().len(), 2);
    firm.assert_sound().await;
}

/// The bank has no idempotency: an invoice whose sending was begun is not sent again, wherever the worker died.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_invoice_is_sent_at_most_once_wherever_the_worker_dies(pool: MySqlPool) {
    let firm = Firm::open(pool).await;
    let order = firm.order().await;
    let (mut crashed, mut sent_later, mut has_survived) = (0, 0, false);
    let mut last = None;
    // After each of its steps, until the job ends before its worker would die.
    for after_polls in 1..=60 {
        let asked = firm.ask_for(order.id).await;
        firm.plan_crashes("transfers.send_invoice", &[after_polls]);
        let events = firm.subscriber.sandbox.advance(TimeDelta::minutes(10)).await.unwrap();
        has_survived = !events.iter().any(|event| event.what.has_crashed());
        crashed += u32::from(!has_survived);
        let number = asked.number.to_string();
        let taken = firm.bank.state.invoices().iter().filter(|sent| sent.number == number).count();
        let told = format!("a worker that dies after {after_polls} steps");
        assert!(taken <= 1, "{told}: {taken} invoices");
        let issued = firm.invoice(asked.id).await;
        assert_eq!(issued.state, TransferInvoiceState::Issued, "{told}");
        if issued.bank_invoice_id.is_some() {
            assert_eq!((taken, issued.error_code.as_deref()), (1, None), "{told}");
            sent_later += u32::from(!has_survived);
        } else {
            assert_eq!(issued.error_code.as_deref(), Some("no_answer"), "{told}");
        }
        if let Some(former) = last.replace(asked.id) {
            assert_eq!(firm.invoice(former).await.state, TransferInvoiceState::Void);
        }
        firm.withdraw(asked.id).await;
        if has_survived {
            break;
        }
    }
    assert!(has_survived && crashed >= 5, "{crashed} workers died");
    assert!(sent_later > 0, "no worker died before the sending");
    let asked = firm.ask_for(order.id).await;
    firm.subscriber.run_due().await;
    firm.pay(asked.amount.0, &asked.purpose);
    firm.advance_minutes(20).await;
    assert_eq!(firm.state().await, SubscriptionState::Active);
    firm.assert_sound().await;
}

/// The worker dies when the bank has taken the invoice and has not answered yet.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_invoice_whose_worker_died_before_the_answer_is_not_sent_again(pool: MySqlPool) {
    let firm = Firm::open(pool).await;
    let asked = firm.ask().await;
    firm.bank.control.script(Script::next(SEND, Act::ServeThenHang));
    let is_taken = async {
        while firm.bank.state.invoices().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    firm.subscriber.sandbox.crash_when("transfers.send_invoice", is_taken).await.unwrap();
    firm.advance_minutes(10).await;
    let issued = firm.invoice(asked.id).await;
    assert_eq!(
        (issued.state, issued.error_code.as_deref(), issued.bank_invoice_id),
        (TransferInvoiceState::Issued, Some("no_answer"), None)
    );
    assert_eq!(firm.bank.control.calls_to("POST", SEND).len(), 1);
    firm.pay(asked.amount.0, &asked.purpose);
    firm.advance_minutes(20).await;
    assert_eq!(firm.state().await, SubscriptionState::Active);
    firm.assert_sound().await;
}

/// A handler that runs again does not know the answer any more: the invoice would be in doubt, without its link.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn what_the_bank_answered_is_recorded_also_after_a_lost_race(pool: MySqlPool) {
    let firm = Firm::open(pool.clone()).await;
    let asked = firm.ask().await;
    let bank = &firm.bank.control;
    bank.script(Script::next(SEND, Act::Serve).held());
    let rival = Rival::begin(&pool).await;
    let rows = "SELECT id FROM transfer_invoices FOR UPDATE";
    let lost = rival.defeat((bank, SEND), SendTransferInvoice::KIND, rows);
    tokio::join!(firm.subscriber.run_due(), lost);
    let issued = firm.invoice(asked.id).await;
    assert_eq!((issued.state, issued.error_code.as_deref()), (TransferInvoiceState::Issued, None));
    assert!(issued.bank_invoice_id.is_some());
    assert_eq!(bank.calls_to("POST", SEND).len(), 1);
    firm.assert_sound().await;
}

/// A reading ends at any page by a refusal, an error or a broken answer; the next one begins again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_statement_that_fails_at_any_page_counts_its_money_once(pool: MySqlPool) {
    const PARTS: i64 = 12;
    let firm = Firm::open(pool).await;
    let open = Behaviour { limits_requests: false, page_size: 1, ..Behaviour::default() };
    firm.bank.state.behave(open);
    let asked = firm.ask().await;
    firm.subscriber.run_due().await;
    let answer = |status, body: &str| Act::Answer { status, headers: Vec::new(), body: body.to_owned() };
    let faults = [
        answer(429, ""),
        answer(403, r#"{"errorCode":"FORBIDDEN"}"#),
        answer(500, "<html>"),
        answer(200, r#"{"operations":[{"operationId":"a","#),
        Act::Cut,
        Act::ServeThenCut,
    ];
    let part = asked.amount.0 / PARTS;
    let mut paid = 0;
    for at_last_page in [false, true] {
        for fault in &faults {
            firm.pay(part, &asked.purpose);
            paid += part;
            let pages = u32::try_from(paid / part).unwrap();
            let skip = if at_last_page { pages - 1 } else { 0 };
            firm.bank.control.script(Script { skip, ..Script::next(STATEMENT, fault.clone()) });
            for _ in 0..3 {
                firm.advance_minutes(10).await;
            }
            assert_eq!(firm.bank.control.scripts(), [], "{fault:?} was met");
            let counted = firm.count("SELECT CAST(SUM(kopecks) AS SIGNED) FROM bank_allocations").await;
            assert_eq!(counted, paid, "{fault:?}");
            assert_eq!(
                firm.count("SELECT COUNT(*) FROM statement_cursors WHERE error_code IS NULL").await,
                1
            );
        }
    }
    assert_eq!(paid, asked.amount.0);
    assert_eq!(firm.invoice(asked.id).await.state, TransferInvoiceState::Paid);
    assert_eq!(firm.count("SELECT COUNT(*) FROM bank_operations").await, PARTS);
    assert_eq!(firm.state().await, SubscriptionState::Active);
    firm.assert_sound().await;
}

/// A worker that seemed dead goes on beside the one that took over, in the night in which the bank changes its ids.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn two_workers_that_read_one_statement_count_its_money_once(pool: MySqlPool) {
    const PARTS: i64 = 20;
    let firm = Firm::open(pool).await;
    let asked = firm.ask().await;
    firm.subscriber.run_due().await;
    let vendor_id = asked.vendor_id;
    let sandbox = &firm.subscriber.sandbox;
    for round in 1..=PARTS / 5 {
        for _ in 0..5 {
            firm.pay(asked.amount.0 / PARTS, &asked.purpose);
        }
        sandbox.clock.set(sandbox.now() + TimeDelta::seconds(1));
        let first = firm.enqueue(&ReadStatement { vendor_id }).await;
        let lease = sandbox.executor.claim(first).await.unwrap().expect("it is due");
        let second = firm.enqueue(&ReadStatement { vendor_id }).await;
        let (one, other) = tokio::join!(sandbox.executor.run(lease), sandbox.executor.execute(second));
        for ended in [one, other.unwrap()] {
            assert!(matches!(ended, ExecutionResult::Finished(Ok(_))), "{ended:?}");
        }
        assert_eq!(firm.count("SELECT COUNT(*) FROM bank_operations").await, 5 * round);
        firm.bank.state.change_ids();
    }
    assert_eq!(firm.count("SELECT COUNT(*) FROM bank_allocations").await, PARTS);
    assert_eq!(firm.invoice(asked.id).await.state, TransferInvoiceState::Paid);
    assert_eq!(firm.count("SELECT COUNT(*) FROM firm_balance_entries").await, 0);
    firm.assert_sound().await;
}

/// What arrived of an invoice that ends goes to the balance once, and the next invoice takes it.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_invoice_that_ends_frees_its_part_once_although_workers_die(pool: MySqlPool) {
    let firm = Firm::open(pool).await;
    let asked = firm.ask().await;
    firm.subscriber.run_due().await;
    firm.pay(100_000, &asked.purpose);
    firm.advance_minutes(20).await;
    firm.subscriber.advance_to("2027-02-12", "23:00:00").await;
    firm.plan_crashes("transfers.expire_invoices", &[2, 6, 10, 14, 18]);
    for _ in 0..8 {
        firm.advance_minutes(60).await;
    }
    assert_eq!(firm.invoice(asked.id).await.state, TransferInvoiceState::Expired);
    assert_eq!(firm.count("SELECT COUNT(*) FROM firm_balance_entries").await, 1);
    let next = firm.ask().await;
    assert_eq!((next.from_balance.0, next.amount.0), (100_000, next.total.0 - 100_000));
    firm.assert_sound().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn acts_are_numbered_without_a_gap_although_workers_die(pool: MySqlPool) {
    const JOB: &str = "transfers.issue_act";
    let firm = Firm::open(pool).await;
    let first = firm.ask().await;
    firm.subscriber.run_due().await;
    firm.pay(first.amount.0, &first.purpose);
    firm.advance_minutes(20).await;
    firm.subscriber.advance_to("2027-02-27", "23:50:00").await;
    assert_eq!(firm.count("SELECT COUNT(*) FROM transfer_acts WHERE state = 'due'").await, 1);
    firm.plan_crashes(JOB, &[3, 9, 15]);
    firm.subscriber.advance_to("2027-02-28", "02:00:00").await;
    assert_eq!(firm.state().await, SubscriptionState::PastDue, "the next period is not paid yet");
    let second = firm.ask_for(firm.subscriber.last_invoice().await.id).await;
    firm.subscriber.run_due().await;
    firm.pay(second.amount.0, &second.purpose);
    firm.advance_minutes(20).await;
    assert_eq!(firm.state().await, SubscriptionState::Active);
    firm.subscriber.advance_to("2027-03-30", "23:50:00").await;
    firm.plan_crashes(JOB, &[6, 12, 18]);
    firm.subscriber.advance_to("2027-03-31", "02:00:00").await;
    let issued: Vec<(String, i64)> = sqlx::query_as(
        "SELECT transfer_invoice_id, act_number FROM transfer_acts
         WHERE state = 'issued' AND content IS NOT NULL ORDER BY act_number",
    )
    .fetch_all(&firm.subscriber.sandbox.pool)
    .await
    .unwrap();
    assert_eq!(issued, [(first.id.to_string(), 1), (second.id.to_string(), 2)]);
    assert_eq!(firm.count("SELECT last_number FROM transfer_act_numbers").await, 2);
    firm.assert_sound().await;
}
