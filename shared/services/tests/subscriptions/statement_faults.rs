//! What payers and banks do wrong: money is neither lost nor counted twice, and nothing is granted that was not paid.

use chrono::{Days, TimeDelta};
use flysk_domain::Clock as _;
use flysk_domain::id::VendorId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{SubscriptionState, VatRate, moscow_day};
use flysk_domain::platform::transfers::{
    DueTerms, MAX_PURPOSE_CHARS, OperationState, PaymentOrder, QueueReason, TransferInvoiceState,
};
use flysk_services::pdf::{act_pdf, find_issued_act};
use flysk_services::subscriptions::expire_overdue_invoices;
use flysk_services::transfers::{
    DecideError, Decision, MatchOutcome, ReadOperation, ReturnBalanceError, ReturnedBalance, TransferContext,
    TransferError, issue_act, match_operation, move_operation_to_balance, pay_from_balance,
    record_returned_balance, record_returned_operation, store_operation, withdraw_transfer_invoice,
};
use flysk_store::platform::transfers::{self, BalanceOwner, TransferInvoice};
use flysk_store::platform::vendors::{self, Vendor, VendorTaxes};
use flysk_store::repeat_contended;
use sqlx::MySqlPool;
use tokio::task::JoinSet;

use super::statement::{
    FIRM, STRANGER, ask, asked, balance, check_books, current, expire, keyring, read, trace, transfer,
};
use super::world::World;

const LANDED: MatchOutcome = MatchOutcome::Landed;

/// Reads one transfer; returns what became of it.
async fn pay(world: &World, document: &str, from: (&str, i64), purpose: &str) -> MatchOutcome {
    read(world, &[transfer(world, document, from, purpose)]).await[0].1
}

async fn withdraw(world: &World, invoice: &TransferInvoice) {
    let keyring = keyring();
    let context = TransferContext { keyring: &keyring, clock: &world.clock };
    let mut unit = world.unit().await;
    assert!(withdraw_transfer_invoice(&mut unit, context, invoice.id).await.unwrap());
    unit.commit().await.unwrap();
}

async fn seller(world: &World) -> Vendor {
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    vendors::find_vendor_of_widget(&mut conn, world.widget.id).await.unwrap().unwrap()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_foreign_payer_with_the_right_number_waits_for_a_person(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let (_, asked) = asked(&world).await;
    let purpose = format!("Invoice {}", asked.number);
    let queued = MatchOutcome::Queued(QueueReason::OtherPayer);
    // None, a code of a foreign organisation, and one that is no INN.
    for (document, inn) in [("1", ""), ("2", "99091"), ("3", "9909123456")] {
        assert_eq!(pay(&world, document, (inn, 31_000), &purpose).await, queued, "{inn}");
    }
    assert_ne!(world.state().await, SubscriptionState::Active);
    check_books(&world).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn two_invoices_of_one_sum_need_a_number(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let (_, first) = asked(&world).await;
    // A twin of it for another subject: the same firm, the same sum.
    sqlx::query(
        "INSERT INTO transfer_invoices (id, vendor_id, number, install_id, widget_id, pays_purchase_id, open_slot, state,
             payer_name, payer_inn, payer_kpp, email_sealed, title, purpose, total_kopecks, amount_kopecks, vat, issued_on,
             due_on, requested_by, created_at, updated_at)
         SELECT 'tin_01KC0000000000000000000000', vendor_id, 1000025, install_id, widget_id,
             'pur_01KC0000000000000000000000', 1, state, payer_name, payer_inn, payer_kpp, '', title, purpose,
             total_kopecks, amount_kopecks, vat, issued_on, due_on, requested_by, created_at, updated_at
         FROM transfer_invoices WHERE id = ?",
    )
    .bind(first.id.to_string())
    .execute(world.outbox.pool())
    .await
    .unwrap();
    let ambiguous = MatchOutcome::Queued(QueueReason::SeveralInvoices);
    assert_eq!(pay(&world, "1", (FIRM, 31_000), "Оплата по договору").await, ambiguous);
    assert_eq!(pay(&world, "2", (FIRM, 31_000), &format!("Счет {}", first.number)).await, LANDED);
    assert_eq!(current(&world, first.id).await.state, TransferInvoiceState::Paid);
    check_books(&world).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_whole_sum_a_month_late_is_balance_when_its_price_is_gone(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let (_, first) = asked(&world).await;
    world.advance(TimeDelta::days(13));
    assert_eq!(expire(&world).await.unwrap(), 1);
    expire_overdue_invoices(&world.outbox, &trace(), 10).await.unwrap();
    world.advance(TimeDelta::days(30));
    assert_eq!(pay(&world, "1", (FIRM, 31_000), &first.number.to_string()).await, LANDED);
    assert_ne!(world.state().await, SubscriptionState::Active, "nobody promised this price for a month");
    assert_eq!((balance(&world).await, current(&world, first.id).await.paid), (31_000, Kopecks::ZERO));
    check_books(&world).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn money_of_a_withdrawn_invoice_pays_the_next_one_without_a_second_transfer(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let (invoice, first) = asked(&world).await;
    withdraw(&world, &first).await;
    let second = ask(&world, &invoice).await;
    assert_eq!((second.state, second.amount), (TransferInvoiceState::Sending, Kopecks(31_000)));
    // The accountant pays by the former document, less a rouble first.
    assert_eq!(pay(&world, "1", (FIRM, 30_900), &first.number.to_string()).await, LANDED);
    assert_eq!(ask(&world, &invoice).await.id, second.id, "the balance does not pay all of it");
    let keyring = keyring();
    let context = TransferContext { keyring: &keyring, clock: &world.clock };
    let mut unit = world.unit().await;
    assert!(!pay_from_balance(&mut unit, context, second.id).await.unwrap());
    drop(unit);
    assert_eq!(pay(&world, "2", (FIRM, 100), &first.number.to_string()).await, LANDED);
    assert_ne!(world.state().await, SubscriptionState::Active, "nothing is bought without being asked for");
    let paid = ask(&world, &invoice).await;
    assert_eq!((paid.id, paid.state), (second.id, TransferInvoiceState::Paid));
    assert_eq!((paid.from_balance, paid.amount), (Kopecks(31_000), Kopecks::ZERO));
    assert_eq!((world.state().await, balance(&world).await), (SubscriptionState::Active, 0));
    check_books(&world).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_purpose_that_the_bank_cut_within_the_number_is_matched_by_firm_and_sum(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let (_, first) = asked(&world).await;
    let number = first.number.to_string();
    let before = "Оплата за информационные услуги ".repeat(10);
    let cut: String = format!("{}{number}", before.chars().take(MAX_PURPOSE_CHARS - 4).collect::<String>());
    let cut: String = cut.chars().take(MAX_PURPOSE_CHARS).collect();
    let unknown = MatchOutcome::Queued(QueueReason::Unknown);
    assert_eq!(pay(&world, "1", (FIRM, 30_999), &cut).await, unknown, "another sum tells nothing");
    assert_eq!(pay(&world, "2", (FIRM, 31_000), &cut).await, LANDED);
    assert_eq!(current(&world, first.id).await.state, TransferInvoiceState::Paid);
    check_books(&world).await;
}

/// The rate of the day of the invoice counts; an issued act survives whatever the seller is called and taxed by later.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn vat_and_a_name_that_change_leave_invoice_and_act_alone(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let (_, first) = asked(&world).await;
    assert_eq!(first.vat, VatRate::Vat22);
    let keyring = keyring();
    let context = TransferContext { keyring: &keyring, clock: &world.clock };
    let change = async |name: &str, vat: VatRate| {
        let mut conn = world.outbox.pool().acquire().await.unwrap();
        let mut vendor = seller(&world).await;
        name.clone_into(&mut vendor.legal_name);
        vendors::update_vendor(&mut conn, &vendor, world.clock.now()).await.unwrap();
        let valid_from = moscow_day(world.clock.now());
        let taxes = VendorTaxes { valid_from, taxation: "osn".to_owned(), vat };
        vendors::put_taxes(&mut conn, vendor.id, &taxes, world.clock.now()).await.unwrap();
    };
    change("ООО «Первое»", VatRate::Vat5).await;
    assert_eq!(pay(&world, "1", (FIRM, 31_000), &first.number.to_string()).await, LANDED);
    let mut unit = world.unit().await;
    assert!(!issue_act(&mut unit, context, first.id).await.unwrap(), "the period runs");
    drop(unit);
    world.advance(TimeDelta::days(31));
    for is_first in [true, false] {
        let mut unit = world.unit().await;
        assert_eq!(issue_act(&mut unit, context, first.id).await.unwrap(), is_first);
        unit.commit().await.unwrap();
    }
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let issued = find_issued_act(&mut conn, first.id).await.unwrap().unwrap();
    assert_eq!((issued.number, issued.vat), (1, VatRate::Vat22));
    assert_eq!((issued.seller.name.as_str(), issued.invoice_number), ("ООО «Первое»", first.number.get()));
    drop(conn);
    change("ООО «Второе»", VatRate::None).await;
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let again = find_issued_act(&mut conn, first.id).await.unwrap().unwrap();
    assert_eq!(act_pdf(&again), act_pdf(&issued));
    drop(conn);
    check_books(&world).await;
}

/// A number of an act that was taken in a transaction that is rolled back is taken again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_series_of_acts_has_no_gaps(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let (_, first) = asked(&world).await;
    pay(&world, "1", (FIRM, 31_000), &first.number.to_string()).await;
    world.advance(TimeDelta::days(31));
    let keyring = keyring();
    let context = TransferContext { keyring: &keyring, clock: &world.clock };
    let mut lost = world.unit().await;
    assert!(issue_act(&mut lost, context, first.id).await.unwrap());
    drop(lost);
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    assert!(find_issued_act(&mut conn, first.id).await.unwrap().is_none());
    let today = moscow_day(world.clock.now());
    assert_eq!(
        transfers::list_due_acts(&mut conn, "transfers.issue_act", today, 10).await.unwrap(),
        [first.id]
    );
    drop(conn);
    let mut unit = world.unit().await;
    assert!(issue_act(&mut unit, context, first.id).await.unwrap());
    unit.commit().await.unwrap();
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    assert_eq!(find_issued_act(&mut conn, first.id).await.unwrap().unwrap().number, 1);
    drop(conn);
    check_books(&world).await;
}

/// The bank words an operation anew, and books it on another day, under the same id: it is the same money.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operation_that_is_worded_anew_under_its_id_counts_once(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let (_, first) = asked(&world).await;
    let listed = transfer(&world, "1", (FIRM, 31_000), &format!("Счет {}", first.number));
    let known = read(&world, std::slice::from_ref(&listed)).await[0];
    assert_eq!(known.1, LANDED);
    let worded = ReadOperation { purpose: format!("{{VO10100}} {}", listed.purpose), ..listed.clone() };
    let moved = ReadOperation { booked_on: listed.booked_on + Days::new(1), ..worded.clone() };
    for again in [worded, moved] {
        assert_eq!(read(&world, &[again]).await, [(known.0, MatchOutcome::Known)]);
    }
    // Another amount, or the same id much later, is other money.
    let other = ReadOperation { amount: Kopecks(100), purpose: "Пеня".to_owned(), ..listed.clone() };
    let later = ReadOperation { booked_on: listed.booked_on + Days::new(30), ..listed };
    for new in [other, later] {
        assert_ne!(read(&world, &[new]).await[0].0, known.0);
    }
    check_books(&world).await;
}

/// Readings and the end of an invoice race for it: its money is in one place, whoever comes first.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn workers_that_match_one_statement_at_once_count_it_once(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let (_, first) = asked(&world).await;
    let number = first.number.to_string();
    let vendor = seller(&world).await.id;
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    for document in 0..8 {
        let part = transfer(&world, &document.to_string(), (FIRM, 5_000), &number);
        store_operation(&mut conn, &world.clock, vendor, &part, 0).await.unwrap();
    }
    let waiting = transfers::list_new_operations(&mut conn, vendor, 100).await.unwrap();
    drop(conn);
    let mut workers = JoinSet::new();
    for worker in 0..3 {
        let (outbox, clock, waiting) = (world.outbox.clone(), world.clock.clone(), waiting.clone());
        let invoice = first.id;
        workers.spawn(async move {
            let keyring = keyring();
            let context = TransferContext { keyring: &keyring, clock: &clock };
            if worker == 2 {
                let withdraw = || async {
                    let mut unit = outbox.begin(trace()).await?;
                    withdraw_transfer_invoice(&mut unit, context, invoice).await?;
                    unit.commit().await?;
                    Ok::<_, TransferError>(())
                };
                return repeat_contended(withdraw).await.unwrap();
            }
            for id in waiting {
                let matched = || async {
                    let mut unit = outbox.begin(trace()).await?;
                    match_operation(&mut unit, context, id).await?;
                    unit.commit().await?;
                    Ok::<_, TransferError>(())
                };
                repeat_contended(matched).await.unwrap();
            }
        });
    }
    workers.join_all().await;
    let placed: i64 = sqlx::query_scalar("SELECT CAST(SUM(kopecks) AS SIGNED) FROM bank_allocations")
        .fetch_one(world.outbox.pool())
        .await
        .unwrap();
    assert_eq!(placed, 40_000);
    let ended = current(&world, first.id).await;
    let held = if ended.state == TransferInvoiceState::Paid { 31_000 } else { 0 };
    assert_eq!((ended.paid.0, balance(&world).await), (held, 40_000 - held), "{ended:?}");
    check_books(&world).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn what_a_person_sends_back_pays_nothing_any_more(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let (invoice, first) = asked(&world).await;
    let order = PaymentOrder::new("17", moscow_day(world.clock.now())).unwrap();
    let keyring = keyring();
    let context = TransferContext { keyring: &keyring, clock: &world.clock };
    // From the queue.
    let queued = read(&world, &[transfer(&world, "1", (STRANGER, 500), "Ошибка")]).await[0].0;
    let decision =
        Decision { operation: queued, by: "operator:anna", reason: "ошиблись фирмой" };
    let mut unit = world.unit().await;
    record_returned_operation(&mut unit, context, &decision, &order).await.unwrap();
    unit.commit().await.unwrap();
    let mut unit = world.unit().await;
    let again = record_returned_operation(&mut unit, context, &decision, &order).await;
    assert!(matches!(again, Err(DecideError::NotQueued)), "{again:?}");
    drop(unit);
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let state = transfers::find_operation(&mut conn, queued).await.unwrap().unwrap().state;
    let rows = transfers::list_allocations(&mut conn, queued).await.unwrap();
    drop(conn);
    assert_eq!(state, OperationState::Returned);
    let told = rows.last().and_then(|row| row.reason.clone()).unwrap();
    assert!(told.starts_with("поручение № 17 от ") && told.ends_with("ошиблись фирмой"), "{told}");
    // From a balance: an order counts once, and no more than there is.
    pay(&world, "2", (FIRM, 31_000 + 7_000), &first.number.to_string()).await;
    assert_eq!(balance(&world).await, 7_000);
    let owner =
        BalanceOwner { vendor: invoice.vendor_id, install: world.install, inn: FIRM.parse().unwrap() };
    let return_balance = async |kopecks: i64, order: &PaymentOrder| {
        let returned = ReturnedBalance {
            owner,
            kopecks: Kopecks(kopecks),
            order,
            by: "operator:anna",
            reason: "попросили вернуть",
        };
        let mut unit = world.unit().await;
        record_returned_balance(&mut unit, &world.clock, returned).await?;
        unit.commit().await.unwrap();
        Ok::<_, ReturnBalanceError>(())
    };
    assert!(matches!(return_balance(7_001, &order).await, Err(ReturnBalanceError::TooMuch)));
    assert!(matches!(return_balance(0, &order).await, Err(ReturnBalanceError::Amount)));
    return_balance(3_000, &order).await.unwrap();
    assert!(matches!(return_balance(3_000, &order).await, Err(ReturnBalanceError::Known)));
    assert_eq!(balance(&world).await, 4_000);
    check_books(&world).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn money_of_one_seller_is_no_balance_with_another(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    asked(&world).await;
    let queued = read(&world, &[transfer(&world, "1", (STRANGER, 500), "Аванс")]).await[0].0;
    let mut other = seller(&world).await;
    (other.id, other.code) = (VendorId::generate(&world.clock), "other".to_owned());
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    vendors::insert_vendor(&mut conn, &other).await.unwrap();
    vendors::set_vendor_of_widget(&mut conn, world.widget.id, other.id, world.clock.now()).await.unwrap();
    drop(conn);
    let keyring = keyring();
    let context = TransferContext { keyring: &keyring, clock: &world.clock };
    let decision = Decision { operation: queued, by: "operator:anna", reason: "аванс" };
    let mut unit = world.unit().await;
    let to = (world.install, STRANGER.parse().unwrap());
    let refused = move_operation_to_balance(&mut unit, context, &decision, to).await;
    assert!(matches!(refused, Err(DecideError::OtherSeller)), "{refused:?}");
    drop(unit);
    check_books(&world).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_seller_chooses_how_long_its_invoices_can_be_paid(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let (invoice, first) = asked(&world).await;
    assert_eq!(first.due_on.to_string(), "2026-12-08", "a week unless it is chosen");
    withdraw(&world, &first).await;
    let terms = DueTerms::new(10, true).unwrap();
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    transfers::set_due_terms(&mut conn, invoice.vendor_id, terms, world.clock.now()).await.unwrap();
    assert_eq!(transfers::find_due_terms(&mut conn, invoice.vendor_id).await.unwrap(), Some(terms));
    drop(conn);
    // From Tuesday, over two weekends.
    let second = ask(&world, &invoice).await;
    assert_eq!(second.due_on.to_string(), "2026-12-15");
    withdraw(&world, &second).await;
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let month = DueTerms::new(30, false).unwrap();
    transfers::set_due_terms(&mut conn, invoice.vendor_id, month, world.clock.now()).await.unwrap();
    drop(conn);
    assert_eq!(ask(&world, &invoice).await.due_on.to_string(), "2026-12-31");
}
