//! Trials, quotes, and what their invoices do.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::id::{AccountId, InstallId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::subscriptions::{
    AccessLevel, AccessReason, Change, DueStep, InvoiceState, LineKind, PendingChange, PeriodLength,
    SubscriptionState,
};
use flysk_services::subscriptions::{
    ApplyError, ApplyOutcome, QuoteRefusal, SettleOutcome, list_losing_access,
};
use flysk_store::StoreError;
use flysk_store::platform::installs;
use flysk_store::platform::subscriptions::{self, NewInvoice};
use sqlx::MySqlPool;

use super::world::World;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_trial_becomes_a_paid_period_that_is_anchored_to_the_day_of_payment(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let plan = world.plan("pro", 49_900, 499_000).await;
    assert_eq!(world.access().await.reason, AccessReason::Trial);
    world.set("2026-12-05T20:59:59Z");
    let quote = world.quote(Change::Start { plan: plan.id, seats: 3, length: PeriodLength::Month }).await;
    assert_eq!((quote.total, quote.lines.len()), (Kopecks(149_700), 1));
    let invoice = world.apply(&quote).await.unwrap();
    assert_eq!(world.state().await, SubscriptionState::Trialing, "an unpaid invoice changes nothing");
    // The payer finishes after midnight in Moscow.
    world.set("2026-12-05T21:00:10Z");
    assert_eq!(world.settle(invoice.id).await, SettleOutcome::Settled);

    let row = world.row().await;
    let period = row.subscription.period.unwrap();
    assert_eq!((row.subscription.state, row.subscription.period_no), (SubscriptionState::Active, 1));
    assert_eq!(
        (period.from.to_string(), period.until.to_string()),
        ("2026-12-06".into(), "2027-01-06".into())
    );
    assert_eq!(world.access().await.reason, AccessReason::Paid);
    assert_eq!(world.actions().await, ["trial_started", "invoice_created", "activated"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_trial_is_reminded_and_ends_once(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    world.set("2026-12-13T07:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::RemindTrial(3)]);
    world.set("2026-12-15T21:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::EndTrial]);
    assert_eq!(world.state().await, SubscriptionState::TrialEnded);
    assert_eq!(world.access().await.level, AccessLevel::Off);
    assert!(world.run_due().await.is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_quote_binds_until_midnight_and_anything_that_changed_gives_a_new_one(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let plan = world.plan("pro", 49_900, 499_000).await;
    let start = Change::Start { plan: plan.id, seats: 3, length: PeriodLength::Month };
    let late = world.quote(start).await;
    world.set("2026-12-01T21:00:00Z");
    let outcome = world.apply_as(late.id, "late").await.unwrap();
    let ApplyOutcome::Changed(renewed) = outcome else { panic!("{outcome:?}") };
    assert_ne!(renewed.id, late.id);

    // Two quotes of one state: only the first can be applied.
    let (first, second) = (world.quote(start).await, world.quote(start).await);
    let invoice = world.apply(&first).await.unwrap();
    assert!(matches!(world.apply_as(second.id, "second").await.unwrap(), ApplyOutcome::Changed(_)));
    // A repeated request gets the same invoice; the same key for another quote is refused.
    let ApplyOutcome::Applied { invoice: Some(again), replayed: true, .. } =
        world.apply_as(first.id, "key-1").await.unwrap()
    else {
        panic!("not replayed")
    };
    assert_eq!(again.id, invoice.id);
    assert!(matches!(world.apply_as(renewed.id, "key-1").await.unwrap(), ApplyOutcome::KeyReused));
    assert!(matches!(world.apply_as(first.id, "other").await.unwrap(), ApplyOutcome::AlreadyApplied));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_retired_plan_cannot_be_bought_with_an_old_quote_but_a_frozen_invoice_can_be_paid(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let plan = world.plan("pro", 49_900, 499_000).await;
    let start = Change::Start { plan: plan.id, seats: 1, length: PeriodLength::Month };
    let quote = world.quote(start).await;
    let frozen = world.apply(&quote).await.unwrap();
    let other = world.quote(start).await;
    // A new price is a new version; the old one is not on offer any more.
    world.plan("pro", 99_900, 999_000).await;
    let refused = world.apply_as(other.id, "retired").await;
    assert!(matches!(refused, Err(ApplyError::Refused(QuoteRefusal::PlanNotAvailable))), "{refused:?}");
    assert_eq!(world.settle(frozen.id).await, SettleOutcome::Settled);
    assert_eq!(world.row().await.subscription.terms.unwrap().seat_price, Kopecks(49_900));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn seats_work_after_payment_unpaid_additions_are_netted_and_removals_wait(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 3).await;
    world.set("2026-12-16T09:00:00Z");
    // 16 of 31 days are left: 310 roubles a month are 160 roubles.
    let two = world.apply(&world.quote(Change::Seats(5)).await).await.unwrap();
    assert_eq!(two.total, Kopecks(32_000));
    let five = world.apply(&world.quote(Change::Seats(8)).await).await.unwrap();
    assert_eq!(five.total, Kopecks(80_000), "one payment for both additions");
    assert_eq!(world.open_invoice().await.unwrap().id, five.id);
    assert_eq!(world.row().await.subscription.terms.unwrap().seats, 3, "unpaid seats do not work");
    assert_eq!(world.settle(five.id).await, SettleOutcome::Settled);
    assert_eq!(world.row().await.subscription.terms.unwrap().seats, 8);

    let removal = world.quote(Change::Seats(2)).await;
    assert_eq!((removal.total, removal.lines.len()), (Kopecks::ZERO, 0));
    assert!(world.apply(&removal).await.is_none());
    let row = world.row().await;
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let pending = subscriptions::list_pending(&mut conn, row.id).await.unwrap();
    assert_eq!((row.subscription.terms.unwrap().seats, pending), (8, vec![PendingChange::Seats(2)]));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_paid_addition_replaces_the_removal_before_it_and_keeps_the_one_after_it(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 3).await;
    assert!(world.apply(&world.quote(Change::Seats(2)).await).await.is_none());
    world.advance(TimeDelta::minutes(1));
    let addition = world.apply(&world.quote(Change::Seats(5)).await).await.unwrap();
    assert_eq!(world.settle(addition.id).await, SettleOutcome::Settled);
    assert_eq!(world.pending().await, [], "five seats were asked for last");
    let told = world.actions().await;
    let last = told.iter().rev().take(2).map(String::as_str).collect::<Vec<_>>();
    assert_eq!(last, ["changed", "change_withdrawn"], "the log tells what became of the removal");

    let addition = world.apply(&world.quote(Change::Seats(7)).await).await.unwrap();
    world.advance(TimeDelta::minutes(1));
    assert!(world.apply(&world.quote(Change::Seats(4)).await).await.is_none());
    assert_eq!(world.settle(addition.id).await, SettleOutcome::Settled);
    assert_eq!(world.row().await.subscription.terms.unwrap().seats, 7);
    assert_eq!(world.pending().await, [PendingChange::Seats(4)], "it was asked for last");
    world.set("2026-12-31T21:00:00Z");
    world.run_due().await;
    assert_eq!(world.open_invoice().await.unwrap().total, Kopecks(124_000));
    assert!(world.violations().await.is_empty());
}

/// Switching the sale on names the day on which access really ends.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn who_loses_access_when_a_widget_is_sold_is_listed_with_its_day(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let losing = async || {
        let mut conn = world.outbox.pool().acquire().await.unwrap();
        let listed = list_losing_access(&mut conn, &world.widget, 14, world.clock.now()).await.unwrap();
        listed.iter().map(|account| account.on.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(losing().await, ["2026-12-16"]);
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    assert_eq!(losing().await, ["2027-01-15"], "after the grace");
    world.set("2027-01-10T09:00:00Z");
    assert_eq!(losing().await, ["2027-01-15"], "and not on a day that has passed");
    world.set("2027-04-20T09:00:00Z");
    assert_eq!(losing().await, [""; 0], "a person decides, and access goes on");
    sqlx::query("DELETE FROM subscriptions").execute(world.outbox.pool()).await.unwrap();
    assert_eq!(losing().await, ["2027-05-05"], "a trial that starts now");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn all_accounts_that_lose_access_are_listed_and_the_first_to_lose_it_come_first(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    // The account that has bought has the lowest id and keeps its access longest.
    let mut unit = world.unit().await;
    for account in 40_000_001..=40_001_000 {
        let fresh = InstallId::generate(&world.clock);
        let (widget, now) = (world.widget.id, world.clock.now());
        let account = AccountId(account);
        installs::lock_or_insert(&mut unit, fresh, widget, Crm::Amocrm, account, now).await.unwrap();
    }
    unit.commit().await.unwrap();
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let listed = list_losing_access(&mut conn, &world.widget, 14, world.clock.now()).await.unwrap();
    assert_eq!(listed.len(), 1_001);
    let (first, last) = (listed[0], listed[1_000]);
    assert_eq!((first.account_id, first.on.to_string()), (AccountId(40_000_001), "2026-12-16".to_owned()));
    assert_eq!((last.account_id, last.on.to_string()), (AccountId(31_234_567), "2027-01-15".to_owned()));
}

/// Two seats for one day cost 65 kopecks, which the bank does not charge.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_free_addition_of_seats_withdraws_the_removal_that_waits(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("mini", 1_000, 10_000).await;
    world.buy(&plan, 3).await;
    assert!(world.apply(&world.quote(Change::Seats(1)).await).await.is_none());
    world.set("2026-12-31T09:00:00Z");
    let addition = world.quote(Change::Seats(5)).await;
    assert_eq!((addition.lines[1].kind, addition.total), (LineKind::Waiver, Kopecks::ZERO));
    assert!(world.apply(&addition).await.is_none());
    let row = world.row().await;
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    assert_eq!(subscriptions::list_pending(&mut conn, row.id).await.unwrap(), []);
    drop(conn);
    world.set("2026-12-31T21:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::Renew]);
    assert_eq!(world.open_invoice().await.unwrap().terms.seats, 5, "what was asked for last");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_dearer_plan_works_at_once_a_cheaper_one_with_the_next_period(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let (basic, pro) = (world.plan("basic", 31_000, 310_000).await, world.plan("pro", 62_000, 620_000).await);
    world.buy(&basic, 2).await;
    world.set("2026-12-31T09:00:00Z");
    let quote = world.quote(Change::Plan(pro.id)).await;
    assert_eq!((quote.lines[0].kind, quote.total), (LineKind::Difference, Kopecks(2_000)));
    let invoice = world.apply(&quote).await.unwrap();
    assert_eq!(world.settle(invoice.id).await, SettleOutcome::Settled);
    assert_eq!(world.row().await.subscription.terms.unwrap().plan, pro.id);
    world.apply(&world.quote(Change::Plan(basic.id)).await).await;
    world.apply(&world.quote(Change::Seats(1)).await).await;
    world.set("2026-12-31T21:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::Renew]);
    let renewal = world.open_invoice().await.unwrap();
    assert_eq!((renewal.terms.plan, renewal.terms.seats, renewal.total), (basic.id, 1, Kopecks(31_000)));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_waiting_change_to_a_retired_plan_is_told_and_the_old_plan_goes_on(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let (basic, pro) = (world.plan("basic", 31_000, 310_000).await, world.plan("pro", 62_000, 620_000).await);
    world.buy(&pro, 2).await;
    assert!(world.apply(&world.quote(Change::Plan(basic.id)).await).await.is_none(), "waits");
    assert!(world.apply(&world.quote(Change::Seats(1)).await).await.is_none(), "waits");
    let mut unit = world.unit().await;
    assert!(subscriptions::retire_plan(&mut unit, world.widget.id, &basic.code).await.unwrap());
    unit.commit().await.unwrap();
    world.reach_first_boundary().await;
    assert_eq!(world.run_due().await, [DueStep::Renew], "it neither blocks nor fails");
    let renewal = world.open_invoice().await.unwrap();
    assert_eq!((renewal.terms.plan, renewal.terms.seats, renewal.total), (pro.id, 1, Kopecks(62_000)));
    let told = world.actions().await.into_iter().filter(|action| action == "change_unavailable").count();
    assert_eq!(told, 1, "an operator sees it");
    assert_eq!(world.settle(renewal.id).await, SettleOutcome::Settled);
    assert!(world.pending().await.is_empty() && world.violations().await.is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_database_allows_one_invoice_for_a_period_and_one_open_invoice(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    let paid = world.buy(&plan, 1).await;
    let row = world.row().await;
    let mut unit = world.unit().await;
    let id = flysk_domain::id::InvoiceId::generate(&world.clock);
    let same_period = NewInvoice {
        id,
        subscription_id: row.id,
        install_id: row.install_id,
        widget_id: row.widget_id,
        vendor_id: paid.vendor_id,
        kind: paid.kind,
        quote_id: None,
        terms: paid.terms,
        period_no: paid.period_no,
        period: paid.period,
        title: "",
        lines: &paid.lines,
        total: paid.total,
        taxation: None,
        vat: None,
        due_at: None,
        charge_at: None,
        now: paid.created_at,
    };
    let refused = subscriptions::insert_invoice(&mut unit, &same_period).await;
    let taken = |error: Result<(), StoreError>| match error {
        Err(StoreError::Duplicate { key }) => key,
        other => panic!("{other:?}"),
    };
    assert_eq!(taken(refused), "subscription_invoices_period");
    let (next, after) =
        (NewInvoice { period_no: 2, ..same_period.clone() }, NewInvoice { period_no: 3, ..same_period });
    subscriptions::insert_invoice(&mut unit, &next).await.unwrap();
    let other = NewInvoice { id: flysk_domain::id::InvoiceId::generate(&world.clock), ..after };
    assert_eq!(taken(subscriptions::insert_invoice(&mut unit, &other).await), "subscription_invoices_open");
    // A void invoice frees its period.
    subscriptions::mark_invoice_void(&mut unit, id, "test", paid.created_at).await.unwrap();
    let again = NewInvoice { period_no: 2, ..other };
    subscriptions::insert_invoice(&mut unit, &again).await.unwrap();
    assert_eq!(subscriptions::find_invoice(&mut unit, again.id).await.unwrap().unwrap(), again.inserted());
    assert_eq!(subscriptions::find_invoice(&mut unit, id).await.unwrap().unwrap().state, InvoiceState::Void);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_invoice_that_is_not_paid_in_a_day_is_voided(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let plan = world.plan("pro", 49_900, 499_000).await;
    let start = Change::Start { plan: plan.id, seats: 1, length: PeriodLength::Month };
    let invoice = world.apply(&world.quote(start).await).await.unwrap();
    let trace = flysk_domain::trace::Trace { correlation_id: "test".to_owned(), traceparent: None };
    let expire = || flysk_services::subscriptions::expire_overdue_invoices(&world.outbox, &trace, 100);
    assert_eq!(expire().await.unwrap(), 0);
    world.advance(TimeDelta::hours(24));
    assert_eq!((expire().await.unwrap(), expire().await.unwrap()), (1, 0));
    assert!(world.open_invoice().await.is_none());
    assert_eq!(world.invoices().await[0].state, InvoiceState::Void);
    assert_eq!(world.invoices().await[0].id, invoice.id);
}
