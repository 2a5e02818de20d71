//! A firm pays by bank transfer: jobs, the T-API with its faults, and the statement.

use chrono::TimeDelta;
use flysk_domain::id::{InvoiceId, TransferInvoiceId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{Change, PeriodLength, SubscriptionState};
use flysk_domain::platform::transfers::{PdfState, TransferInvoiceState};
use flysk_sandbox::Options;
use flysk_simulators::t_api::{Behaviour, TApi, Transfer};
use flysk_simulators::{Act, Running, Script};
use flysk_store::platform::subscriptions::Invoice;
use flysk_store::platform::transfers::{self, TransferInvoice};
use flysk_suite::environment::connect_as_in_production;
use flysk_suite::firm;
use flysk_suite::subscriber::{SEATS, Subscriber};
use sqlx::MySqlPool;

use super::harness::TestSubscriber;

pub(super) const SEND: &str = "/openapi/api/v1/invoice/send";
pub(super) const STATEMENT: &str = "/openapi/api/v1/statement";

/// A subscriber in its trial, whose seller takes transfers, and the simulated T-API.
pub(super) struct Firm {
    pub(super) subscriber: TestSubscriber,
    pub(super) bank: Running<TApi>,
}

impl Firm {
    pub(super) async fn open(pool: MySqlPool) -> Self {
        Self::open_with(pool, &[]).await
    }

    /// The same with more variables of the product.
    pub(super) async fn open_with(pool: MySqlPool, variables: &[(&str, String)]) -> Self {
        let bank = firm::start_bank().await.unwrap();
        let pool = connect_as_in_production(&pool, 20).await.unwrap();
        let mut options = Options::new(pool, "2027-01-31T09:00:00Z".parse().unwrap()).unwrap();
        firm::point_to(&mut options, &bank);
        for (name, value) in variables {
            options.variables.insert((*name).to_owned(), value.clone());
        }
        let subscriber = TestSubscriber(Subscriber::open(options).await.unwrap());
        firm::take_transfers(&subscriber).await.unwrap();
        Self { subscriber, bank }
    }

    /// Orders a first period.
    pub(super) async fn order(&self) -> Invoice {
        let change = Change::Start { plan: self.subscriber.plan, seats: SEATS, length: PeriodLength::Month };
        self.subscriber.order(change).await.unwrap().expect("a start costs money")
    }

    /// Orders a first period and asks for an invoice to the firm. Jobs have not run.
    pub(super) async fn ask(&self) -> TransferInvoice {
        self.ask_for(self.order().await.id).await
    }

    pub(super) async fn ask_for(&self, invoice: InvoiceId) -> TransferInvoice {
        firm::ask(&self.subscriber, invoice).await.unwrap()
    }

    pub(super) async fn invoice(&self, id: TransferInvoiceId) -> TransferInvoice {
        let mut conn = self.subscriber.sandbox.pool.acquire().await.unwrap();
        transfers::find_transfer_invoice(&mut conn, id).await.unwrap().unwrap()
    }

    /// The firm pays from another bank.
    pub(super) fn pay(&self, kopecks: i64, purpose: &str) {
        firm::pay(&self.subscriber, &self.bank, Kopecks(kopecks), purpose);
    }

    pub(super) async fn advance_minutes(&self, minutes: i64) {
        self.subscriber.sandbox.advance(TimeDelta::minutes(minutes)).await.unwrap();
    }

    pub(super) async fn state(&self) -> SubscriptionState {
        self.subscriber.current().await.state
    }

    pub(super) async fn count(&self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement).fetch_one(&self.subscriber.sandbox.pool).await.unwrap()
    }

    /// Every rule of the books of transfers holds.
    pub(super) async fn assert_sound(&self) {
        let mut conn = self.subscriber.sandbox.pool.acquire().await.unwrap();
        let violations =
            transfers::verify_transfers(&mut conn, self.subscriber.sandbox.now(), 10).await.unwrap();
        assert_eq!(violations, []);
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_firm_gets_an_invoice_pays_it_and_its_period_begins(pool: MySqlPool) {
    let firm = Firm::open(pool).await;
    let asked = firm.ask().await;
    firm.subscriber.run_due().await;
    let sent = firm.bank.state.invoices();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (sent[0].number.as_str(), sent[0].kopecks),
        (asked.number.to_string().as_str(), asked.total.0)
    );
    let issued = firm.invoice(asked.id).await;
    assert_eq!((issued.state, issued.pdf_state), (TransferInvoiceState::Issued, PdfState::Wanted));
    assert_eq!(issued.bank_invoice_id.as_deref(), Some(sent[0].id.as_str()));
    firm.pay(asked.amount.0, &asked.purpose);
    firm.advance_minutes(20).await;
    assert_eq!(firm.invoice(asked.id).await.state, TransferInvoiceState::Paid);
    assert_eq!(firm.state().await, SubscriptionState::Active);
}

/// The bank took the invoice, but its answer was lost: nothing tells its id, and a repetition would be a second letter.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_invoice_whose_answer_was_lost_is_not_sent_again_and_can_be_paid(pool: MySqlPool) {
    let firm = Firm::open(pool).await;
    firm.bank.control.script(Script::next(SEND, Act::ServeThenCut));
    let asked = firm.ask().await;
    firm.subscriber.run_due().await;
    firm.advance_minutes(120).await;
    assert_eq!(firm.bank.state.invoices().len(), 1);
    assert_eq!(firm.bank.control.calls_to("POST", SEND).len(), 1);
    let issued = firm.invoice(asked.id).await;
    assert_eq!(
        (issued.state, issued.error_code.as_deref()),
        (TransferInvoiceState::Issued, Some("no_answer"))
    );
    assert_eq!(issued.pdf_state, PdfState::Lost, "the document is ours");
    firm.pay(asked.amount.0, &format!("Счет {}", asked.number));
    firm.advance_minutes(20).await;
    assert_eq!(firm.state().await, SubscriptionState::Active);
}

/// A refusal by address or haste is certain, so the same number is sent later.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_invoice_that_was_refused_for_certain_is_sent_later(pool: MySqlPool) {
    let firm = Firm::open(pool).await;
    let open = Behaviour { limits_requests: false, ..Behaviour::default() };
    firm.bank.state.behave(Behaviour { refuses_address: true, ..open.clone() });
    let asked = firm.ask().await;
    firm.subscriber.run_due().await;
    let refused = firm.invoice(asked.id).await;
    assert_eq!((refused.state, refused.sent_at), (TransferInvoiceState::Sending, None));
    assert_eq!(refused.error_code.as_deref(), Some("403 FORBIDDEN"));
    firm.bank.state.behave(open);
    firm.advance_minutes(30).await;
    assert_eq!(firm.bank.state.invoices().len(), 1);
    assert_eq!(firm.invoice(asked.id).await.state, TransferInvoiceState::Issued);
}

/// The bank refuses the fields: the invoice is valid, and only we can send it.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_invoice_that_the_bank_does_not_take_is_ours_to_send(pool: MySqlPool) {
    let firm = Firm::open(pool).await;
    let body = r#"{"errorCode":"VALIDATION_ERROR","errorMessage":"payer"}"#.to_owned();
    firm.bank.control.script(Script::next(SEND, Act::Answer { status: 422, headers: Vec::new(), body }));
    let asked = firm.ask().await;
    firm.subscriber.run_due().await;
    firm.advance_minutes(60).await;
    assert!(firm.bank.state.invoices().is_empty());
    let issued = firm.invoice(asked.id).await;
    assert_eq!((issued.state, issued.pdf_state), (TransferInvoiceState::Issued, PdfState::Lost));
    assert_eq!(issued.error_code.as_deref(), Some("422 VALIDATION_ERROR"));
}

/// Ids change at night, pages repeat operations, and readings overlap by days.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn money_counts_once_although_its_id_changes_at_night(pool: MySqlPool) {
    let firm = Firm::open(pool).await;
    let asked = firm.ask().await;
    firm.subscriber.advance_to("2027-01-31", "22:30:00").await;
    firm.bank.state.behave(Behaviour {
        limits_requests: false,
        page_size: 1,
        repeats_at_page_ends: true,
        newest_first: true,
        ..Behaviour::default()
    });
    firm.pay(asked.amount.0, &asked.purpose);
    firm.pay(100, "Оплата");
    firm.advance_minutes(20).await;
    assert_eq!(firm.state().await, SubscriptionState::Active);
    for _ in 0..3 {
        firm.bank.state.change_ids();
        firm.subscriber.sandbox.advance(TimeDelta::hours(4)).await.unwrap();
    }
    assert_eq!(firm.count("SELECT COUNT(*) FROM bank_operations").await, 2);
    assert_eq!(firm.count("SELECT COUNT(*) FROM firm_balance_entries").await, 0);
    assert!(firm.count("SELECT COUNT(*) FROM bank_operation_ids").await > 2);
    // A true second payment of equal content counts once the day's ids are final.
    let first = firm.bank.state.operations()[1].clone();
    firm.bank.state.credit(Transfer { at: Some(first.at), ..first.transfer });
    firm.advance_minutes(20).await;
    assert_eq!(firm.count("SELECT COUNT(*) FROM bank_operations").await, 3);
}

/// A worker that dies in the middle of a reading leaves its cursor, and the next one reads again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_reading_that_dies_halfway_is_repeated_without_counting_twice(pool: MySqlPool) {
    let firm = Firm::open(pool).await;
    let asked = firm.ask().await;
    firm.subscriber.run_due().await;
    firm.pay(asked.amount.0, &asked.purpose);
    for after_polls in [1, 4, 8, 12] {
        firm.subscriber.sandbox.plan_crash("transfers.read_statement", after_polls);
        firm.advance_minutes(30).await;
    }
    assert_eq!(firm.invoice(asked.id).await.state, TransferInvoiceState::Paid);
    assert_eq!(firm.count("SELECT COUNT(*) FROM bank_allocations").await, 1);
    assert_eq!(firm.state().await, SubscriptionState::Active);
}

/// A page that cannot be read stops the reading: money on it would be passed over in silence.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_unreadable_statement_is_told_and_read_again(pool: MySqlPool) {
    let firm = Firm::open(pool).await;
    let asked = firm.ask().await;
    firm.subscriber.run_due().await;
    let body = r#"{"operations":[{"operationId":"a","typeOfOperation":"Credit"}]}"#.to_owned();
    let answer = Act::Answer { status: 200, headers: Vec::new(), body };
    firm.bank.control.script(Script::next(STATEMENT, answer));
    firm.pay(asked.amount.0, &asked.purpose);
    // The schedule ticks once per stop of the clock: one reading each.
    firm.advance_minutes(30).await;
    assert_eq!(firm.invoice(asked.id).await.state, TransferInvoiceState::Issued);
    firm.advance_minutes(30).await;
    assert_eq!(firm.invoice(asked.id).await.state, TransferInvoiceState::Paid);
}
