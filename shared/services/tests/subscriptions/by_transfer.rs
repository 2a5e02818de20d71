//! A transfer invoice is the one live payment of an invoice: beside it there is neither a form nor a charge.

use chrono::TimeDelta;
use flysk_crypto::Keyring;
use flysk_domain::Clock as _;
use flysk_domain::platform::invoice_payments::PaymentStep;
use flysk_domain::platform::mail::{MailState, TransferLetter};
use flysk_domain::platform::subscriptions::{Change, PeriodLength, VatRate, moscow_day};
use flysk_domain::platform::transfers::{Payer, PaymentSubject, TransferInvoiceState};
use flysk_domain::trace::Trace;
use flysk_services::invoice_payments::FormOutcome;
use flysk_services::pdf::{find_issued_act, invoice_pdf, load_transfer_invoice};
use flysk_services::subscriptions::{Actor, expire_overdue_invoices};
use flysk_services::transfers::{
    NewTransferInvoice, PayByTransfer, RequestOutcome, RequestRefusal, TransferContext, pay_by_transfer,
    queue_letters_of_last_days, set_t_api_access, withdraw_transfer_invoice,
};
use flysk_store::platform::subscriptions::{self, Invoice};
use flysk_store::platform::transfers::{TransferInvoice, find_transfer_invoice, find_transfer_letter};
use flysk_store::platform::vendors;
use sqlx::MySqlPool;

use super::world::{KEYRING, USER, World};

const ADDRESS: &str = "buh@example.test";

impl World {
    /// Lets the seller take transfers.
    async fn take_transfers(&self) {
        let keyring = Keyring::parse(KEYRING).unwrap();
        let mut conn = self.outbox.pool().acquire().await.unwrap();
        let vendor = vendors::find_vendor_of_widget(&mut conn, self.widget.id).await.unwrap().unwrap();
        let token = "t-api-token".into();
        let access = Some(("40702810900000000001", &token));
        set_t_api_access(&mut conn, &keyring, vendor.id, access, self.clock.now()).await.unwrap();
    }

    /// An open invoice of a first period.
    async fn ordered(&self) -> Invoice {
        let plan = self.plan("pro", 31_000, 310_000).await;
        let start = Change::Start { plan: plan.id, seats: 1, length: PeriodLength::Month };
        self.apply(&self.quote(start).await).await.unwrap()
    }

    async fn ask(&self, invoice: &Invoice) -> PayByTransfer {
        let keyring = Keyring::parse(KEYRING).unwrap();
        let payer = Payer::new("ООО «Ромашка»", "7707083893", Some("770701001")).unwrap();
        let new = NewTransferInvoice {
            subject: PaymentSubject::Invoice(invoice.id),
            payer: &payer,
            email: &ADDRESS.parse().unwrap(),
            default_vat: VatRate::None,
            requested_by: Actor::User(USER),
        };
        let context = TransferContext { keyring: &keyring, clock: &self.clock };
        let mut unit = self.unit().await;
        let outcome = pay_by_transfer(&mut unit, context, new).await.unwrap();
        unit.commit().await.unwrap();
        outcome
    }

    async fn invoiced(&self, invoice: &Invoice) -> TransferInvoice {
        let outcome = self.ask(invoice).await;
        let PayByTransfer::Answered(RequestOutcome::Requested(written)) = outcome else {
            panic!("no invoice: {outcome:?}");
        };
        *written
    }

    async fn transfer(&self, of: &TransferInvoice) -> TransferInvoice {
        let mut conn = self.outbox.pool().acquire().await.unwrap();
        find_transfer_invoice(&mut conn, of.id).await.unwrap().unwrap()
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_form_is_cancelled_before_there_is_a_transfer_invoice(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.take_transfers().await;
    let invoice = world.ordered().await;
    let FormOutcome::Opening(form) = world.pay_as(&invoice, ADDRESS).await else { panic!("a form opens") };
    assert!(matches!(world.ask(&invoice).await, PayByTransfer::Busy));
    assert!(matches!(world.ask(&invoice).await, PayByTransfer::Busy), "the bank may still take money");
    assert_eq!(world.told(form, "CANCELED", None).await, PaymentStep::Fail);
    let written = world.invoiced(&invoice).await;
    assert_eq!((written.total, written.amount), (invoice.total, invoice.total));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_form_withdraws_the_transfer_invoice(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.take_transfers().await;
    let invoice = world.ordered().await;
    let written = world.invoiced(&invoice).await;
    assert!(matches!(world.pay_as(&invoice, ADDRESS).await, FormOutcome::Opening(_)));
    let withdrawn = world.transfer(&written).await;
    assert_eq!(withdrawn.state, TransferInvoiceState::Void);
    assert_eq!(withdrawn.void_reason.as_deref(), Some("paid_otherwise"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_price_is_held_until_the_due_day_is_over(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    world.take_transfers().await;
    let invoice = world.ordered().await;
    let written = world.invoiced(&invoice).await;
    assert_eq!(written.due_on.to_string(), "2026-12-08");
    world.advance(TimeDelta::days(7));
    let trace = Trace { correlation_id: "transfer".to_owned(), traceparent: None };
    assert_eq!(expire_overdue_invoices(&world.outbox, &trace, 10).await.unwrap(), 0, "its price is held");
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let held = subscriptions::find_invoice(&mut conn, invoice.id).await.unwrap().unwrap();
    assert!(held.due_at.is_some_and(|due| moscow_day(due) > written.due_on), "{:?}", held.due_at);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_seller_without_access_to_the_bank_writes_no_transfer_invoices(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let invoice = world.ordered().await;
    let outcome = world.ask(&invoice).await;
    let refused = RequestOutcome::Refused(RequestRefusal::NotOffered);
    assert_eq!(format!("{outcome:?}"), format!("{:?}", PayByTransfer::Answered(refused)));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_price_of_an_overdue_invoice_is_not_held_again(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    world.take_transfers().await;
    let invoice = world.ordered().await;
    world.advance(TimeDelta::hours(24));
    let outcome = world.ask(&invoice).await;
    let refused = RequestOutcome::Refused(RequestRefusal::NotPayable);
    assert_eq!(format!("{outcome:?}"), format!("{:?}", PayByTransfer::Answered(refused)));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_due_charge_waits_while_a_transfer_invoice_does(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.take_transfers().await;
    let renewal = world.due_charge().await;
    let written = world.invoiced(&renewal).await;
    assert!(world.begin_charge(renewal.id).await.is_none());
    assert!(world.chargeable().await.is_empty(), "the scheduler comes again tomorrow");
    let keyring = Keyring::parse(KEYRING).unwrap();
    let context = TransferContext { keyring: &keyring, clock: &world.clock };
    let mut unit = world.unit().await;
    assert!(withdraw_transfer_invoice(&mut unit, context, written.id).await.unwrap());
    unit.commit().await.unwrap();
    world.advance(TimeDelta::days(1));
    assert_eq!(world.chargeable().await, [renewal.id]);
    assert!(world.begin_charge(renewal.id).await.is_some());
}

/// One letter of a kind for an invoice, whatever runs twice.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_firm_is_told_once_that_its_invoice_is_issued_and_ends_tomorrow(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.take_transfers().await;
    let written = world.invoiced(&world.ordered().await).await;
    let trace = Trace { correlation_id: "transfer".to_owned(), traceparent: None };
    let letters = async || {
        let mut conn = world.outbox.pool().acquire().await.unwrap();
        let mut found = Vec::new();
        for letter in [TransferLetter::Issued, TransferLetter::DueTomorrow] {
            found.push(find_transfer_letter(&mut conn, written.id, letter).await.unwrap());
        }
        found
    };
    assert_eq!(letters().await, [Some(MailState::Waiting), None]);
    for (today, due) in [("2026-12-06", None), ("2026-12-07", Some(MailState::Waiting))] {
        for _ in 0..2 {
            let today = today.parse().unwrap();
            queue_letters_of_last_days(&world.outbox, &trace, today, 10).await.unwrap();
        }
        assert_eq!(letters().await[1], due, "{today}");
    }
    let queued: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE kind = 'transfers.send_letter'")
        .fetch_one(world.outbox.pool())
        .await
        .unwrap();
    assert_eq!(queued, 2);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_documents_say_what_was_promised(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.take_transfers().await;
    let written = world.invoiced(&world.ordered().await).await;
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let document = load_transfer_invoice(&mut conn, &written).await.unwrap();
    assert_eq!((document.number, document.amount), (written.number.get(), written.amount));
    assert_eq!(document.account.number, "40702810900000000001");
    assert_eq!(document.buyer.kpp.as_deref(), Some("770701001"));
    assert_eq!((document.lines.len(), document.lines[0].seats), (1, Some(1)));
    assert!(invoice_pdf(&document).starts_with(b"%PDF-"));
    assert!(find_issued_act(&mut conn, written.id).await.unwrap().is_none(), "nothing is paid yet");
}
