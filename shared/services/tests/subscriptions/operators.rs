//! Acts of operators.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{
    AccessReason, Change, DueStep, InvoiceState, PeriodLength, SubscriptionState,
};
use flysk_domain::platform::tbank::ErrorClass;
use flysk_services::subscriptions::{
    Actor, OperatorAct, OperatorError, SettleOutcome, clear_review, discard_invoice, force_renewal,
    grant_bonus_days, mark_paid, reinstate, suggested_refund, void_invoice,
};
use flysk_store::platform::subscriptions;
use sqlx::MySqlPool;

use super::world::{USER, World, at};

const ACT: OperatorAct<'static> = OperatorAct { operator: "anna", reason: "просьба клиента" };

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_forced_renewal_pays_the_next_period_and_not_the_running_one(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let (first, _) = world.buy_with_card().await;
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let invoice = force_renewal(&mut unit, &world.clock, &world.settings(), &row, ACT).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!((invoice.period.from, invoice.total), (first.period.until, Kopecks(31_000)));
    assert_eq!(world.chargeable().await, [invoice.id]);
    world.settle(invoice.id).await;
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let again = force_renewal(&mut unit, &world.clock, &world.settings(), &row, ACT).await;
    assert!(matches!(again, Err(OperatorError::NextPeriodPaid)), "{again:?}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn bonus_days_move_the_boundary_and_reinstate_what_has_ended(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    let grant = async |days: u32| {
        let mut unit = world.unit().await;
        let row = world.lock(&mut unit).await;
        let granted = grant_bonus_days(&mut unit, &world.clock, &world.settings(), &row, days, ACT).await;
        unit.commit().await.unwrap();
        granted
    };
    grant(10).await.unwrap();
    assert_eq!(world.access().await.until, Some(at("2027-01-10T21:00:00Z")));
    world.set("2027-01-10T21:00:00Z");
    world.run_due().await;
    assert!(
        matches!(grant(5).await, Err(OperatorError::Bonus(_))),
        "the dates of an open invoice are frozen"
    );
    world.set("2027-01-24T21:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::Expire]);
    grant(5).await.unwrap();
    assert_eq!(world.access().await.reason, AccessReason::Granted);
    world.set("2027-01-29T21:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::EndCancelled]);
    let days: Vec<(u32, String, String)> =
        sqlx::query_as("SELECT days, granted_by, reason FROM subscription_bonus_days ORDER BY id")
            .fetch_all(world.outbox.pool())
            .await
            .unwrap();
    let wanted = |days| (days, "operator:anna".to_owned(), "просьба клиента".to_owned());
    assert_eq!(days, [wanted(10), wanted(5)]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_settles_or_voids_an_open_invoice_once(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    let renewal = world.open_renewal().await;
    let mut unit = world.unit().await;
    mark_paid(&mut unit, &world.clock, renewal.id, ACT).await.unwrap();
    let again = mark_paid(&mut unit, &world.clock, renewal.id, ACT).await;
    assert!(matches!(again, Err(OperatorError::InvoiceNotOpen(InvoiceState::Paid))), "{again:?}");
    unit.commit().await.unwrap();
    assert_eq!(world.state().await, SubscriptionState::Active);

    world.set("2027-01-31T21:00:00Z");
    world.run_due().await;
    let renewal = world.open_invoice().await.unwrap();
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let row = void_invoice(&mut unit, &world.clock, &world.settings(), &row, &renewal, ACT).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(row.subscription.state, SubscriptionState::Expired);
    assert!(world.open_invoice().await.is_none());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_fair_share_is_that_of_the_unused_days(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    let paid = world.buy(&plan, 1).await;
    world.set("2026-12-16T09:00:00Z");
    assert_eq!(suggested_refund(&paid, &world.clock), Kopecks(16_000), "16 of 31 days");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn voiding_an_open_renewal_ends_the_subscription_tells_it_and_is_logged_once(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    sqlx::query("UPDATE widgets SET event_kinds = '[\"subscription.expired\"]'")
        .execute(world.outbox.pool())
        .await
        .unwrap();
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 3).await;
    assert!(world.apply(&world.quote(Change::Seats(1)).await).await.is_none(), "waits for the next period");
    world.set("2026-12-31T21:00:00Z");
    world.run_due().await;
    let renewal = world.open_invoice().await.unwrap();
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let row = void_invoice(&mut unit, &world.clock, &world.settings(), &row, &renewal, ACT).await.unwrap();
    assert_eq!(subscriptions::list_pending(&mut unit, row.id).await.unwrap(), []);
    let log = subscriptions::list_actions(&mut unit, row.id, 100).await.unwrap();
    unit.commit().await.unwrap();
    let by_operator: Vec<_> = log
        .iter()
        .filter(|action| action.invoice_id == Some(renewal.id) && action.actor == "operator:anna")
        .map(|action| (action.action.as_str(), action.reason.as_deref()))
        .collect();
    let reason = Some("просьба клиента");
    assert_eq!(by_operator, [("expired", reason), ("invoice_voided", reason)], "newest first");
    let told: Vec<String> =
        sqlx::query_scalar("SELECT type FROM lifecycle_events WHERE type LIKE 'subscription%'")
            .fetch_all(world.outbox.pool())
            .await
            .unwrap();
    assert_eq!(told, ["subscription.expired"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_discarded_invoice_is_logged_once(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    let start = Change::Start { plan: plan.id, seats: 1, length: PeriodLength::Month };
    let invoice = world.apply(&world.quote(start).await).await.unwrap();
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let settings = world.settings();
    discard_invoice(&mut unit, &world.clock, &settings, &row, invoice.id, Actor::User(USER)).await.unwrap();
    unit.commit().await.unwrap();
    let voided = world.actions().await.into_iter().filter(|action| action == "invoice_voided").count();
    assert_eq!(voided, 1);
}

/// An operator charges the next period ahead of time, and the card is declined.
async fn declined_ahead(pool: MySqlPool, class: ErrorClass) -> World {
    let world = World::build(pool, 0).await;
    world.buy_with_card().await;
    world.set("2026-12-10T09:00:00Z");
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let forced = force_renewal(&mut unit, &world.clock, &world.settings(), &row, ACT).await.unwrap();
    // The charge begins, and is not due any more.
    subscriptions::set_charge_at(&mut unit, forced.id, None, at("2026-12-10T09:00:00Z")).await.unwrap();
    unit.commit().await.unwrap();
    world.fail(forced.id, class).await;
    world
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_stolen_card_that_was_charged_ahead_is_left_alone_at_the_boundary(pool: MySqlPool) {
    let world = declined_ahead(pool, ErrorClass::Hard).await;
    world.set("2026-12-31T21:00:00Z");
    world.run_due().await;
    assert_eq!(world.state().await, SubscriptionState::PastDue, "the customer has to pay by another means");
    world.set("2027-01-10T09:00:00Z");
    assert!(world.chargeable().await.is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_empty_card_that_was_charged_ahead_is_charged_by_the_rest_of_the_schedule(pool: MySqlPool) {
    let world = declined_ahead(pool, ErrorClass::Funds).await;
    world.set("2026-12-31T21:00:00Z");
    world.run_due().await;
    let charge_at = world.open_invoice().await.unwrap().charge_at.unwrap();
    assert_eq!(charge_at.date_naive().to_string(), "2027-01-02", "the first charge of the schedule is spent");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_new_card_after_a_stolen_one_is_charged_although_the_boundary_comes_first(pool: MySqlPool) {
    let world = declined_ahead(pool, ErrorClass::Hard).await;
    let invoice = world.open_invoice().await.unwrap();
    let first = world.invoices().await.pop().unwrap();
    world.set("2026-12-31T20:59:59Z");
    let (_, tried) = world.save_card(&first).await;
    assert_eq!(tried, Some(invoice.id));
    world.set("2026-12-31T21:00:00Z");
    world.run_due().await;
    assert_eq!(world.chargeable().await, [invoice.id]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn bonus_days_that_reach_beyond_today_end_a_review(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    world.set("2027-04-20T09:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::AskPerson]);
    let grant = async |days: u32| {
        let mut unit = world.unit().await;
        let row = world.lock(&mut unit).await;
        grant_bonus_days(&mut unit, &world.clock, &world.settings(), &row, days, ACT).await.unwrap();
        unit.commit().await.unwrap();
    };
    grant(9).await;
    assert_eq!(world.access().await.reason, AccessReason::UnderReview, "10 January is over as well");
    grant(110).await;
    assert_eq!(world.access().await.until, Some(at("2027-04-29T21:00:00Z")));
    world.set("2027-04-29T21:00:00Z");
    assert!(world.run_due().await.contains(&DueStep::Renew), "it goes on like any other");
    assert!(world.violations().await.is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_review_of_a_lapsed_subscription_ends_by_a_person(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    world.set("2027-04-20T09:00:00Z");
    world.run_due().await;
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let row = clear_review(&mut unit, &world.clock, &world.settings(), &row, ACT).await.unwrap();
    let again = clear_review(&mut unit, &world.clock, &world.settings(), &row, ACT).await;
    assert!(matches!(again, Err(OperatorError::NotUnderReview)), "{again:?}");
    unit.commit().await.unwrap();
    assert_eq!(world.state().await, SubscriptionState::Expired);
    world.buy(&plan, 1).await;
    assert_eq!(world.access().await.reason, AccessReason::Paid);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_ended_subscription_is_reinstated_where_it_ended(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    let first = world.buy(&plan, 2).await;
    let reopen = async || {
        let mut unit = world.unit().await;
        let row = world.lock(&mut unit).await;
        let invoice = reinstate(&mut unit, &world.clock, &world.settings(), &row, ACT).await?;
        unit.commit().await.unwrap();
        Ok(invoice)
    };
    let early: Result<_, OperatorError> = reopen().await;
    assert!(matches!(early, Err(OperatorError::Reinstate(_))), "{early:?}");
    world.set("2026-12-31T21:00:00Z");
    world.run_due().await;
    world.set("2027-01-14T21:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::Expire]);
    let invoice = reopen().await.unwrap();
    assert_eq!((invoice.period.from, invoice.total), (first.period.until, Kopecks(62_000)));
    assert_eq!(world.state().await, SubscriptionState::PastDue);
    assert!(world.chargeable().await.is_empty() && world.violations().await.is_empty());
    assert_eq!(world.run_due().await, [], "it does not expire at once");
    assert_eq!(world.settle(invoice.id).await, SettleOutcome::Settled);
    assert_eq!(world.row().await.subscription.period_no, 2);
    assert_eq!(world.access().await.until, Some(at("2027-01-31T21:00:00Z")), "no day is lost");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn rows_that_contradict_each_other_are_found(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    assert!(world.violations().await.is_empty());
    world.set("2026-12-31T21:10:01Z");
    assert_eq!(world.violations().await, ["step_overdue"], "no scheduler runs");
    world.run_due().await;
    assert!(world.violations().await.is_empty());
    let break_rows = async |statement: &'static str| {
        sqlx::query(statement).execute(world.outbox.pool()).await.unwrap();
        world.violations().await
    };
    assert_eq!(break_rows("UPDATE subscriptions SET state = 'expired'").await, ["open_after_end"]);
    assert_eq!(
        break_rows("UPDATE subscription_invoices SET state = 'paid', open_slot = NULL").await,
        ["paid_not_effective"]
    );
    let rules =
        break_rows("UPDATE subscriptions SET state = 'active', period_no = 7, next_due_at = NULL").await;
    assert_eq!(rules, ["never_due", "active_without_payment"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn days_that_nobody_paid_or_granted_are_found(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    grant_bonus_days(&mut unit, &world.clock, &world.settings(), &row, 3, ACT).await.unwrap();
    unit.commit().await.unwrap();
    assert!(world.violations().await.is_empty(), "an operator has granted them");
    let break_rows = async |statement: &'static str| {
        sqlx::query(statement).execute(world.outbox.pool()).await.unwrap();
        world.violations().await
    };
    let moved = "UPDATE subscriptions SET period_until = period_until + INTERVAL 1 DAY";
    assert_eq!(break_rows(moved).await, ["days_without_reason"]);
    let paid = "UPDATE subscriptions SET period_until = '2027-01-01'";
    assert_eq!(break_rows(paid).await, [""; 0]);
    assert_eq!(break_rows("UPDATE subscriptions SET is_granted = TRUE").await, ["days_without_reason"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn late_charges_future_periods_and_missing_installs_are_found(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.buy_with_card().await;
    world.open_renewal().await;
    let violations = async || {
        let mut conn = world.outbox.pool().acquire().await.unwrap();
        let now = world.clock.now();
        let found = subscriptions::verify_schedule(&mut conn, now, 10).await.unwrap();
        found.into_iter().map(|violation| violation.rule).collect::<Vec<_>>()
    };
    let charge_at = world.open_invoice().await.unwrap().charge_at.unwrap();
    world.set(&(charge_at + TimeDelta::minutes(59)).to_rfc3339());
    assert_eq!(violations().await, [""; 0]);
    world.set(&(charge_at + TimeDelta::minutes(61)).to_rfc3339());
    assert_eq!(violations().await, ["charge_overdue"], "no worker runs");
    let settled = world.open_invoice().await.unwrap();
    assert_eq!(world.settle(settled.id).await, SettleOutcome::Settled);
    assert_eq!(violations().await, [""; 0]);
    let break_rows = async |statement: &'static str| {
        sqlx::query(statement).execute(world.outbox.pool()).await.unwrap();
        violations().await
    };
    let future = "UPDATE subscriptions SET period_from = '2027-01-02', period_until = '2027-02-01'";
    assert_eq!(break_rows(future).await, ["period_in_future"]);
    assert_eq!(break_rows("DELETE FROM installs").await, ["period_in_future", "install_missing"]);
}
