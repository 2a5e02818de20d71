//! Money of a statement: where it lands, that it lands once, and what it buys.

use chrono::TimeDelta;
use flysk_crypto::Keyring;
use flysk_domain::Clock as _;
use flysk_domain::id::{BankOperationId, TransferInvoiceId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{
    Change, InvoiceState, PeriodLength, SubscriptionState, VatRate, moscow_day,
};
use flysk_domain::platform::transfers::{
    DailyOccurrences, Inn, OperationState, Payer, PaymentSubject, QueueReason, TransferInvoiceState,
};
use flysk_services::subscriptions::Actor;
use flysk_services::transfers::{
    DecideError, Decision, MatchOutcome, NewTransferInvoice, ReadOperation, RequestOutcome, TransferContext,
    TransferError, expire_transfer_invoices, match_operation, match_operation_to_invoice,
    move_operation_to_balance, request_transfer_invoice, set_t_api_access, store_operation,
};
use flysk_store::platform::subscriptions::{Invoice, find_invoice};
use flysk_store::platform::transfers::{self, TransferInvoice};
use flysk_store::platform::vendors;
use sqlx::MySqlPool;

use super::world::{KEYRING, USER, World};

pub(super) const ACCOUNT: &str = "40702810900000000001";
pub(super) const FIRM: &str = "7707083893";
pub(super) const STRANGER: &str = "500100732259";

pub(super) fn keyring() -> Keyring {
    Keyring::parse(KEYRING).unwrap()
}

pub(super) fn trace() -> flysk_domain::trace::Trace {
    flysk_domain::trace::Trace { correlation_id: "statement-test".to_owned(), traceparent: None }
}

/// A vendor with access to the T-API, and an open invoice of 310 roubles that a firm is asked to pay by transfer.
pub(super) async fn asked(world: &World) -> (Invoice, TransferInvoice) {
    let keyring = keyring();
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let vendor = vendors::find_vendor_of_widget(&mut conn, world.widget.id).await.unwrap().unwrap();
    let token = "t-api-token".into();
    let access = Some((ACCOUNT, &token));
    set_t_api_access(&mut conn, &keyring, vendor.id, access, world.clock.now()).await.unwrap();
    drop(conn);
    let plan = world.plan("pro", 31_000, 310_000).await;
    let start = Change::Start { plan: plan.id, seats: 1, length: PeriodLength::Month };
    let invoice = world.apply(&world.quote(start).await).await.unwrap();
    let asked = ask(world, &invoice).await;
    (invoice, asked)
}

pub(super) async fn ask(world: &World, invoice: &Invoice) -> TransferInvoice {
    let keyring = keyring();
    let payer = Payer::new("ООО «Ромашка»", FIRM, Some("770701001")).unwrap();
    let new = NewTransferInvoice {
        subject: PaymentSubject::Invoice(invoice.id),
        payer: &payer,
        email: &"buh@example.test".parse().unwrap(),
        default_vat: VatRate::Vat22,
        requested_by: Actor::User(USER),
    };
    let context = TransferContext { keyring: &keyring, clock: &world.clock };
    let mut unit = world.unit().await;
    let outcome = request_transfer_invoice(&mut unit, context, new).await.unwrap();
    unit.commit().await.unwrap();
    match outcome {
        RequestOutcome::Requested(invoice)
        | RequestOutcome::Waiting(invoice)
        | RequestOutcome::PaidFromBalance(invoice) => *invoice,
        RequestOutcome::Refused(refusal) => panic!("no invoice: {refusal}"),
    }
}

/// A transfer as the statement lists it; its document number is a part of its identity.
pub(super) fn transfer(
    world: &World,
    document: &str,
    (inn, kopecks): (&str, i64),
    purpose: &str,
) -> ReadOperation {
    ReadOperation {
        account: ACCOUNT.to_owned(),
        bank_id: format!("bank-{document}"),
        booked_on: moscow_day(world.clock.now()),
        booked_at: world.clock.now(),
        amount: Kopecks(kopecks),
        payer_name: "ООО «Плательщик»".to_owned(),
        payer_inn: inn.to_owned(),
        payer_account: "40702810100000000002".to_owned(),
        document_number: document.to_owned(),
        purpose: purpose.to_owned(),
    }
}

/// Reads a statement: stores what is new, and matches it. Returns the operations and what became of each in this reading.
pub(super) async fn read(world: &World, listed: &[ReadOperation]) -> Vec<(BankOperationId, MatchOutcome)> {
    let keyring = keyring();
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let vendor = vendors::find_vendor_of_widget(&mut conn, world.widget.id).await.unwrap().unwrap();
    let (mut occurrences, mut ids) = (DailyOccurrences::default(), Vec::new());
    for operation in listed {
        let Some(number) = occurrences.number(operation.fingerprint(), &operation.bank_id) else { continue };
        let stored = store_operation(&mut conn, &world.clock, vendor.id, operation, number).await.unwrap();
        ids.push(stored);
    }
    drop(conn);
    let mut outcomes = Vec::new();
    for id in ids {
        let context = TransferContext { keyring: &keyring, clock: &world.clock };
        let mut unit = world.unit().await;
        let outcome = match_operation(&mut unit, context, id).await.unwrap();
        unit.commit().await.unwrap();
        outcomes.push((id, outcome));
    }
    outcomes
}

pub(super) async fn current(world: &World, id: TransferInvoiceId) -> TransferInvoice {
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    transfers::find_transfer_invoice(&mut conn, id).await.unwrap().unwrap()
}

pub(super) async fn balance(world: &World) -> i64 {
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let balances = transfers::list_balances(&mut conn, world.install).await.unwrap();
    balances.iter().map(|(_, kopecks)| kopecks.0).sum()
}

async fn sum(world: &World, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement).fetch_one(world.outbox.pool()).await.unwrap()
}

/// Every kopeck that arrived is in one place, and what left the invoices is in the balances.
pub(super) async fn check_books(world: &World) {
    let arrived =
        sum(world, "SELECT CAST(COALESCE(SUM(amount_kopecks), 0) AS SIGNED) FROM bank_operations").await;
    let placed = sum(world, "SELECT CAST(COALESCE(SUM(kopecks), 0) AS SIGNED) FROM bank_allocations").await;
    assert_eq!(arrived, placed);
    let entries =
        sum(world, "SELECT CAST(COALESCE(SUM(kopecks), 0) AS SIGNED) FROM firm_balance_entries").await;
    assert_eq!(entries, balance(world).await);
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    assert_eq!(transfers::verify_transfers(&mut conn, world.clock.now(), 10).await.unwrap(), []);
}

pub(super) async fn expire(world: &World) -> Result<u32, TransferError> {
    let keyring = keyring();
    let context = TransferContext { keyring: &keyring, clock: &world.clock };
    expire_transfer_invoices(&world.outbox, context, &trace(), 100).await
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_payment_buys_once_however_often_it_is_read(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let (invoice, asked) = asked(&world).await;
    let purpose = format!("Оплата по счету № {} от 01.12.2026", asked.number);
    let paid = transfer(&world, "1", (FIRM, 31_000), &purpose);
    // Listed twice on one page, and again under another id.
    let first = read(&world, &[paid.clone(), paid.clone()]).await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].1, MatchOutcome::Landed);
    let renamed = ReadOperation { bank_id: "other-id".to_owned(), ..paid };
    assert_eq!(read(&world, &[renamed]).await, [(first[0].0, MatchOutcome::Known)]);
    let asked = current(&world, asked.id).await;
    assert_eq!((asked.state, asked.paid), (TransferInvoiceState::Paid, Kopecks(31_000)));
    assert_eq!(asked.vat, VatRate::Vat22, "the rate of the invoice counts");
    assert_eq!(world.state().await, SubscriptionState::Active);
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let settled = find_invoice(&mut conn, invoice.id).await.unwrap().unwrap();
    assert_eq!((settled.state, settled.paid_by.as_deref()), (InvoiceState::Paid, Some("transfer")));
    let acts = transfers::list_acts(&mut conn, world.install, 10).await.unwrap();
    assert_eq!(acts.len(), 1);
    assert_eq!(acts[0].due_on, settled.period.until);
    drop(conn);
    // A second transfer of the same content on another day is balance.
    world.advance(TimeDelta::days(1));
    let paid_again = transfer(&world, "1", (FIRM, 31_000), &purpose);
    let second = read(&world, &[ReadOperation { bank_id: "next-day".to_owned(), ..paid_again }]).await;
    assert_eq!(second[0].1, MatchOutcome::Landed);
    assert_ne!(second[0].0, first[0].0);
    assert_eq!(balance(&world).await, 31_000);
    check_books(&world).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn parts_accumulate_and_the_rest_pays_the_next_invoice(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let (_, asked) = asked(&world).await;
    let number = asked.number.to_string();
    read(&world, &[transfer(&world, "1", (FIRM, 11_000), &number)]).await;
    assert_eq!(current(&world, asked.id).await.missing(), Kopecks(20_000));
    assert_ne!(world.state().await, SubscriptionState::Active, "a period is granted on its whole price only");
    read(&world, &[transfer(&world, "2", (FIRM, 60_000), &number)]).await;
    assert_eq!(current(&world, asked.id).await.state, TransferInvoiceState::Paid);
    assert_eq!(world.state().await, SubscriptionState::Active);
    assert_eq!(balance(&world).await, 40_000);
    // The next invoice of the install to this firm takes the balance first.
    let seats = Change::Seats(2);
    let more = world.apply(&world.quote(seats).await).await.unwrap();
    let next = ask(&world, &more).await;
    assert_eq!((next.state, next.from_balance), (TransferInvoiceState::Paid, more.total));
    assert_eq!(balance(&world).await, 40_000 - more.total.0);
    check_books(&world).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_strangers_payment_waits_for_a_person_who_decides_once(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let (_, asked) = asked(&world).await;
    let purpose = format!("Счет {}", asked.number);
    let queued = read(&world, &[transfer(&world, "1", (STRANGER, 32_000), &purpose)]).await;
    let (operation, outcome) = queued[0];
    assert_eq!(outcome, MatchOutcome::Queued(QueueReason::OtherPayer));
    assert_ne!(world.state().await, SubscriptionState::Active);
    let keyring = keyring();
    let context = TransferContext { keyring: &keyring, clock: &world.clock };
    let decision = Decision { operation, by: "operator:anna", reason: "платит директор" };
    let mut unit = world.unit().await;
    match_operation_to_invoice(&mut unit, context, &decision, asked.id).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(current(&world, asked.id).await.state, TransferInvoiceState::Paid);
    assert_eq!(world.state().await, SubscriptionState::Active);
    assert_eq!(balance(&world).await, 1_000, "what is over belongs to the firm of the invoice");
    let mut unit = world.unit().await;
    let inn: Inn = STRANGER.parse().unwrap();
    let again = move_operation_to_balance(&mut unit, context, &decision, (world.install, inn)).await;
    assert!(matches!(again, Err(DecideError::NotQueued)), "{again:?}");
    drop(unit);
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let decided = transfers::find_operation(&mut conn, operation).await.unwrap().unwrap();
    assert_eq!(
        (decided.state, decided.queue_reason),
        (OperationState::Landed, Some(QueueReason::OtherPayer))
    );
    drop(conn);
    check_books(&world).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_invoice_that_expires_gives_its_parts_back_and_late_money_becomes_balance(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let (_, asked) = asked(&world).await;
    let number = asked.number.to_string();
    read(&world, &[transfer(&world, "1", (FIRM, 11_000), &number)]).await;
    // The last day to pay is the 8th; an order of that day may arrive until the 13th.
    world.advance(TimeDelta::days(12));
    assert_eq!(expire(&world).await.unwrap(), 0);
    world.advance(TimeDelta::days(1));
    assert_eq!(expire(&world).await.unwrap(), 1);
    assert_eq!(expire(&world).await.unwrap(), 0);
    let expired = current(&world, asked.id).await;
    assert_eq!((expired.state, expired.paid), (TransferInvoiceState::Expired, Kopecks::ZERO));
    assert_eq!(balance(&world).await, 11_000);
    // A month late, and short of the sum.
    world.advance(TimeDelta::days(30));
    read(&world, &[transfer(&world, "2", (FIRM, 20_000), &number)]).await;
    assert_eq!(balance(&world).await, 31_000);
    assert_ne!(world.state().await, SubscriptionState::Active);
    check_books(&world).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn money_without_a_number_is_taken_only_if_one_invoice_asks_for_it(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let (_, asked) = asked(&world).await;
    let listed = [
        transfer(&world, "1", (FIRM, 30_999), "Оплата"),
        transfer(&world, "2", ("", 31_000), "Invoice"),
        transfer(&world, "3", ("7710140679", 31_000), "Перевод по терминалу"),
        transfer(&world, "4", (FIRM, 31_000), "Оплата по сче"),
    ];
    let outcomes: Vec<MatchOutcome> =
        read(&world, &listed).await.into_iter().map(|(_, outcome)| outcome).collect();
    let unknown = MatchOutcome::Queued(QueueReason::Unknown);
    assert_eq!(outcomes, [unknown, unknown, MatchOutcome::Foreign, MatchOutcome::Landed]);
    assert_eq!(current(&world, asked.id).await.state, TransferInvoiceState::Paid);
    assert_eq!(balance(&world).await, 0);
    check_books(&world).await;
}
