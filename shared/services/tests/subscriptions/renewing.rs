//! Renewals: invoices, charges, dunning, cards.

use chrono::TimeDelta;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{
    AccessLevel, AccessReason, Change, ChangeRefusal, DueStep, PendingKind, SubscriptionState,
};
use flysk_domain::platform::tbank::ErrorClass;
use flysk_services::subscriptions::{
    Actor, CancelError, SettleOutcome, cancel, restore, unlink_card, withdraw_pending,
};
use flysk_store::platform::{invoice_payments, subscriptions};
use sqlx::MySqlPool;

use super::world::{USER, World, at};

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_period_is_reminded_invoiced_once_charged_and_follows_without_a_gap(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    let invoice = world.buy(&plan, 2).await;
    let (card, tried) = world.save_card(&invoice).await;
    assert!(tried.is_none() && world.may_charge(card).await);
    world.set("2026-12-29T07:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::RemindCharge(3)]);
    world.set("2026-12-31T20:59:59Z");
    assert!(world.run_due().await.is_empty());
    world.set("2026-12-31T21:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::Renew]);
    assert!(world.run_due().await.is_empty(), "one invoice");
    let renewal = world.open_invoice().await.unwrap();
    assert_eq!((renewal.period_no, renewal.total), (2, Kopecks(62_000)));
    assert_eq!(world.state().await, SubscriptionState::Renewing);
    assert_eq!(world.access().await.level, AccessLevel::Allowed);
    assert!(world.chargeable().await.is_empty(), "charged in the daytime");
    world.set("2027-01-01T09:00:00Z");
    assert_eq!(world.chargeable().await, [renewal.id]);
    assert!(world.violations().await.is_empty());
    assert_eq!(world.settle(renewal.id).await, SettleOutcome::Settled);
    assert!(world.violations().await.is_empty());
    let period = world.row().await.subscription.period.unwrap();
    assert_eq!(
        (period.from.to_string(), period.until.to_string()),
        ("2027-01-01".into(), "2027-02-01".into())
    );
    assert!(world.chargeable().await.is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_declined_renewal_opens_grace_is_tried_by_the_schedule_and_expires(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.buy_with_card().await;
    let renewal = world.open_renewal().await;
    world.set("2027-01-01T09:00:00Z");
    let mut days = Vec::new();
    let mut next = Some(at("2027-01-01T09:00:00Z"));
    while let Some(time) = next {
        world.clock.set(time);
        next = world.fail(renewal.id, ErrorClass::Funds).await;
        days.extend(next.map(|next| next.date_naive().to_string()));
        assert_eq!(world.state().await, SubscriptionState::PastDue);
    }
    assert_eq!(days, ["2027-01-02", "2027-01-04", "2027-01-06", "2027-01-08", "2027-01-11", "2027-01-15"]);
    world.set("2027-01-14T20:59:59Z");
    assert_eq!(world.access().await.reason, AccessReason::PaymentOverdue);
    assert_eq!(world.access().await.level, AccessLevel::Grace);
    world.set("2027-01-15T21:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::Expire]);
    assert_eq!((world.state().await, world.open_invoice().await), (SubscriptionState::Expired, None));
    assert_eq!(world.access().await.level, AccessLevel::Off);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_stolen_card_is_not_tried_again_and_a_new_one_pays_the_same_invoice_at_once(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let (first, old) = world.buy_with_card().await;
    let renewal = world.open_renewal().await;
    world.set("2027-01-01T09:00:00Z");
    assert_eq!(world.fail(renewal.id, ErrorClass::Stop).await, None);
    assert!(world.chargeable().await.is_empty());
    let (new, tried) = world.save_card(&first).await;
    assert_eq!(tried, Some(renewal.id));
    assert_eq!(world.chargeable().await, [renewal.id]);
    assert!(world.may_charge(new).await && !world.may_charge(old).await);
}

/// 376-FZ: its owner has chosen another card, so nothing that could charge the former one stays.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_card_that_is_replaced_is_unlinked_with_its_consent(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let (first, old) = world.buy_with_card().await;
    let (new, _) = world.save_card(&first).await;
    let subscription = world.row().await.id;
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let linked = invoice_payments::list_cards(&mut conn, world.install).await.unwrap();
    assert_eq!(linked.iter().map(|card| card.id).collect::<Vec<_>>(), [new]);
    let unlinked = "SELECT unlinked_channel FROM payment_cards WHERE id = ?";
    let channel: Option<String> =
        sqlx::query_scalar(unlinked).bind(old.to_string()).fetch_one(&mut *conn).await.unwrap();
    assert_eq!(channel.as_deref(), Some("replaced"));
    let consents = subscriptions::list_consents(&mut conn, subscription).await.unwrap();
    let lives =
        |card| consents.iter().any(|consent| consent.card_id == Some(card) && consent.revoked_at.is_none());
    assert!(lives(new) && !lives(old));
    assert_eq!(world.row().await.card_id, Some(new));
}

/// The notification about the first payment is late.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_card_of_an_older_payment_does_not_replace_that_of_a_younger_one(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    let first = world.buy(&plan, 1).await;
    world.agree(&first).await;
    world.advance(TimeDelta::days(1));
    let second = world.apply(&world.quote(Change::Seats(2)).await).await.unwrap();
    world.settle(second.id).await;
    let (younger, _) = world.save_card(&second).await;
    let (older, tried) = world.name_card(&first).await;
    assert_eq!((tried, world.row().await.card_id), (None, Some(younger)));
    assert!(world.may_charge(younger).await && !world.may_charge(older).await);
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let linked = invoice_payments::list_cards(&mut conn, world.install).await.unwrap();
    assert_eq!(linked.iter().map(|card| card.id).collect::<Vec<_>>(), [younger]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_unlinked_card_is_never_charged_again(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let (_, card) = world.buy_with_card().await;
    world.open_renewal().await;
    world.set("2027-01-01T09:00:00Z");
    assert_eq!(world.chargeable().await.len(), 1);
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let actor = Actor::User(USER);
    assert_eq!(
        unlink_card(&mut unit, &world.clock, &world.settings(), &row, actor).await.unwrap(),
        Some(card)
    );
    unit.commit().await.unwrap();
    assert!(world.chargeable().await.is_empty() && !world.may_charge(card).await);
    assert_eq!(world.state().await, SubscriptionState::PastDue, "the invoice waits for its customer");
    let renewal = world.open_invoice().await.unwrap();
    assert_eq!(world.fail(renewal.id, ErrorClass::Funds).await, None, "an answer on its way plans no charge");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_cancellation_ends_with_the_period_and_can_be_revoked_before(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let (row, _) =
        cancel(&mut unit, &world.clock, &world.settings(), &row, Actor::User(USER), None).await.unwrap();
    let row = restore(&mut unit, &world.clock, &world.settings(), &row, Actor::User(USER)).await.unwrap();
    let cancelled = cancel(&mut unit, &world.clock, &world.settings(), &row, Actor::User(USER), None).await;
    cancelled.unwrap();
    unit.commit().await.unwrap();
    world.set("2026-12-31T21:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::EndCancelled]);
    assert_eq!(world.state().await, SubscriptionState::Cancelled);
    // A cancelled subscription can be bought again; its periods are numbered on.
    world.buy(&plan, 1).await;
    assert_eq!(world.row().await.subscription.period_no, 2);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_period_paid_ahead_begins_on_its_day(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    world.set("2026-12-20T09:00:00Z");
    let invoice = world.apply(&world.quote(Change::Renew).await).await.unwrap();
    assert_eq!(world.settle(invoice.id).await, SettleOutcome::Settled);
    assert_eq!(world.row().await.subscription.period_no, 1);
    assert_eq!(world.access().await.until, Some(at("2027-01-31T21:00:00Z")));
    world.set("2026-12-31T21:00:00Z");
    assert!(matches!(world.run_due().await[..], [DueStep::Advance(_)]));
    assert_eq!(world.row().await.subscription.period_no, 2);
    assert!(world.open_invoice().await.is_none());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_period_paid_ahead_begins_however_many_invoices_were_written_since(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    let paid = world.apply(&world.quote(Change::Renew).await).await.unwrap();
    assert_eq!(world.settle(paid.id).await, SettleOutcome::Settled);
    world.advance(TimeDelta::minutes(1));
    world.write_void_copies(paid.id, 60).await;
    world.set("2026-12-31T21:00:00Z");
    assert!(matches!(world.run_due().await[..], [DueStep::Advance(_)]));
    assert_eq!(world.row().await.subscription.period_no, 2);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_scheduler_that_was_down_catches_up_one_period_and_then_asks_a_person(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    world.set("2027-01-14T09:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::Renew]);
    let renewal = world.open_invoice().await.unwrap();
    assert_eq!(renewal.period.from.to_string(), "2027-01-01", "no day is lost");
    world.settle(renewal.id).await;
    world.set("2027-04-20T09:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::AskPerson]);
    assert_eq!(world.access().await.reason, AccessReason::UnderReview);
    assert!(world.open_invoice().await.is_none(), "no row of invoices");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_renewal_written_ahead_is_voided_when_what_waits_for_the_next_period_changes(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 3).await;
    world.set("2026-12-20T09:00:00Z");
    let ahead = world.apply(&world.quote(Change::Renew).await).await.unwrap();
    assert_eq!(ahead.total, Kopecks(93_000));
    assert!(world.apply(&world.quote(Change::Seats(1)).await).await.is_none(), "waits for the next period");
    assert!(world.open_invoice().await.is_none(), "it has the seats before the change");
    let ahead = world.apply(&world.quote(Change::Renew).await).await.unwrap();
    assert_eq!(ahead.total, Kopecks(31_000));
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let (settings, actor) = (world.settings(), Actor::User(USER));
    withdraw_pending(&mut unit, &world.clock, &settings, &row, PendingKind::Seats, actor).await.unwrap();
    unit.commit().await.unwrap();
    assert!(world.open_invoice().await.is_none(), "it has the seats of the change");
    world.set("2026-12-31T21:00:00Z");
    world.run_due().await;
    assert_eq!(world.open_invoice().await.unwrap().total, Kopecks(93_000));
    assert!(world.violations().await.is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn nobody_is_reminded_invoiced_or_ended_while_the_widget_sells_no_subscriptions(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.buy_with_card().await;
    world.sell_subscriptions(false).await;
    let told = world.actions().await;
    for (now, again) in
        [("2026-12-29T07:00:00Z", "2026-12-30T07:00:00Z"), ("2027-01-02T09:00:00Z", "2027-01-03T09:00:00Z")]
    {
        world.set(now);
        assert_eq!(world.run_due().await, [DueStep::Wait(at(again))]);
        assert!(world.run_due().await.is_empty());
    }
    assert_eq!(
        (world.state().await, world.open_invoice().await, world.actions().await),
        (SubscriptionState::Active, None, told)
    );
    assert!(world.violations().await.is_empty(), "it waits");
    world.set("2027-01-02T15:00:00Z");
    assert!(world.run_due().await.is_empty(), "it was looked at six hours ago");
    assert_eq!(world.sell_subscriptions(true).await, 1);
    assert_eq!(world.run_due().await, [DueStep::Renew], "at once, and caught up in its grace");
    let renewal = world.open_invoice().await.unwrap();
    assert_eq!(renewal.period.from.to_string(), "2027-01-01");
    assert_eq!(world.actions().await.pop().as_deref(), Some("renewal_upcoming"), "nobody was reminded");
    assert!(renewal.charge_at.unwrap() >= at("2027-01-03T15:00:00Z"), "a day after the reminder");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_period_paid_ahead_begins_although_the_widget_sells_no_subscriptions(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    let ahead = world.apply(&world.quote(Change::Renew).await).await.unwrap();
    assert_eq!(world.settle(ahead.id).await, SettleOutcome::Settled);
    world.sell_subscriptions(false).await;
    world.set("2026-12-31T21:00:00Z");
    assert!(matches!(world.run_due().await[..], [DueStep::Advance(_)]));
    let subscription = world.row().await.subscription;
    assert_eq!((subscription.period_no, subscription.prepaid), (2, None));
    assert_eq!(subscription.period.unwrap().from.to_string(), "2027-01-01");
    world.set("2027-01-31T21:00:00Z");
    assert!(matches!(world.run_due().await[..], [DueStep::Wait(_)]), "the next one is not paid");
    assert!(world.open_invoice().await.is_none());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_cancellation_takes_effect_although_the_widget_sells_no_subscriptions(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.buy_with_card().await;
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let (settings, actor) = (world.settings(), Actor::User(USER));
    cancel(&mut unit, &world.clock, &settings, &row, actor, None).await.unwrap();
    unit.commit().await.unwrap();
    world.sell_subscriptions(false).await;
    world.set("2026-12-31T20:59:59Z");
    assert!(world.run_due().await.is_empty());
    world.set("2026-12-31T21:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::EndCancelled]);
    assert_eq!(world.state().await, SubscriptionState::Cancelled);
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let revoked = restore(&mut unit, &world.clock, &settings, &row, actor).await;
    assert!(matches!(revoked, Err(CancelError::Refused(ChangeRefusal::NothingToRestore))), "{revoked:?}");
    assert!(world.violations().await.is_empty());
}

/// Fact sheet of T-Bank, class `CONFIG`: operators are alerted, and the customer is left alone.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_payer_hears_of_a_fault_of_ours_only_when_access_ends_within_a_week(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.buy_with_card().await;
    let renewal = world.open_renewal().await;
    let failures = async || {
        let actions = world.actions().await;
        let count = |wanted: &str| actions.iter().filter(|action| *action == wanted).count();
        (count("charge_postponed"), count("payment_failed"))
    };
    for (now, state, counted) in [
        ("2027-01-01T09:00:00Z", SubscriptionState::Renewing, (1, 0)),
        ("2027-01-07T09:00:00Z", SubscriptionState::Renewing, (2, 0)),
        ("2027-01-08T09:00:00Z", SubscriptionState::PastDue, (2, 1)),
    ] {
        world.set(now);
        let next = world.fail(renewal.id, ErrorClass::Config).await;
        assert!(next.is_some_and(|next| next > at(now)), "{now}: charged again");
        assert_eq!((world.state().await, failures().await), (state, counted), "{now}");
    }
    assert_eq!(world.access().await.level, AccessLevel::Grace);
}
