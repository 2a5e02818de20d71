//! Concurrent requests and schedulers: the row's lock and the unique keys let one of them through.

use flysk_domain::Clock as _;
use flysk_domain::platform::subscriptions::{Change, PeriodLength};
use flysk_domain::trace::Trace;
use flysk_services::subscriptions::{
    Actor, ApplyOutcome, ApplyRequest, SettleOutcome, Settlement, apply_quote, perform_due_step,
    settle_invoice,
};
use flysk_store::platform::subscriptions;
use flysk_store::{StoreResult, repeat_contended};
use sqlx::MySqlPool;
use tokio::task::JoinSet;

use super::world::{USER, World};

const RACERS: usize = 8;

fn trace() -> Trace {
    Trace { correlation_id: "race".to_owned(), traceparent: None }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn of_many_quotes_applied_at_once_one_becomes_an_invoice(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    let mut quotes = Vec::new();
    for seats in 1..=RACERS {
        let seats = u32::try_from(seats).unwrap();
        quotes.push(world.quote(Change::Start { plan: plan.id, seats, length: PeriodLength::Month }).await);
    }
    let mut racers = JoinSet::new();
    for quote in quotes {
        let (outbox, clock, widget) = (world.outbox.clone(), world.clock.clone(), world.widget.clone());
        let install = world.install;
        racers.spawn(async move {
            let apply = || async {
                let mut unit = outbox.begin(trace()).await?;
                let row = subscriptions::lock_subscription_of_install(&mut unit, install).await?.unwrap();
                let key = quote.id.to_string();
                let request = ApplyRequest { quote: quote.id, key: &key, actor: Actor::User(USER) };
                let outcome = apply_quote(&mut unit, &clock, &widget, &row, request).await.unwrap();
                unit.commit().await?;
                StoreResult::Ok(matches!(outcome, ApplyOutcome::Applied { .. }))
            };
            repeat_contended(apply).await.unwrap()
        });
    }
    let applied = racers.join_all().await.into_iter().filter(|applied| *applied).count();
    assert_eq!((applied, world.invoices().await.len()), (1, 1));
}

/// A quote rests on the version that it was priced for, not on a lock: a preview neither waits for a change nor goes wrong by it.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_change_during_a_preview_makes_its_quote_stale(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    let start = |seats| Change::Start { plan: plan.id, seats, length: PeriodLength::Month };
    let bought = world.quote(start(1)).await;

    let mut change = world.unit().await;
    let row = world.lock(&mut change).await;
    let previewed = world.quote(start(2)).await;
    let request = ApplyRequest { quote: bought.id, key: "bought", actor: Actor::User(USER) };
    let applied = apply_quote(&mut change, &world.clock, &world.widget, &row, request).await.unwrap();
    assert!(matches!(applied, ApplyOutcome::Applied { .. }), "{applied:?}");
    change.commit().await.unwrap();

    let outcome = world.apply_as(previewed.id, "previewed").await.unwrap();
    assert!(matches!(outcome, ApplyOutcome::Changed(_)), "{outcome:?}");
    assert_eq!(world.invoices().await.len(), 1);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn schedulers_that_run_at_once_write_one_invoice_and_one_payment_settles_it(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    world.set("2026-12-31T21:00:00Z");
    let id = world.row().await.id;
    let mut racers = JoinSet::new();
    for _ in 0..RACERS {
        let (outbox, clock) = (world.outbox.clone(), world.clock.clone());
        racers.spawn(async move {
            let perform = || async {
                let mut unit = outbox.begin(trace()).await?;
                perform_due_step(&mut unit, &clock, id).await?;
                unit.commit().await
            };
            repeat_contended(perform).await.unwrap();
        });
    }
    racers.join_all().await;
    let renewal = world.open_invoice().await.unwrap();
    assert_eq!(world.invoices().await.len(), 2, "the first period and the next");

    let mut payers = JoinSet::new();
    for _ in 0..RACERS {
        let (outbox, clock) = (world.outbox.clone(), world.clock.clone());
        let invoice = renewal.id;
        payers.spawn(async move {
            let settle = || async {
                let mut unit = outbox.begin(trace()).await?;
                let settlement = Settlement { paid_at: clock.now(), means: "form", actor: Actor::Bank };
                let outcome = settle_invoice(&mut unit, &clock, invoice, settlement).await?;
                unit.commit().await?;
                StoreResult::Ok(outcome)
            };
            repeat_contended(settle).await.unwrap()
        });
    }
    let outcomes = payers.join_all().await;
    let settled = outcomes.iter().filter(|outcome| **outcome == SettleOutcome::Settled).count();
    assert_eq!((settled, world.row().await.subscription.period_no), (1, 2), "{outcomes:?}");
}

async fn locks_taken(world: &World) -> i64 {
    sqlx::query_scalar("SELECT CAST(locks_taken AS SIGNED) FROM subscriptions")
        .fetch_one(world.outbox.pool())
        .await
        .unwrap()
}

/// On a cluster a lock alone keeps nobody out: of two transactions at two nodes, one commits only if both wrote one row.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_locked_subscription_is_written(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let before = locks_taken(&world).await;
    let mut unit = world.outbox.begin(trace()).await.unwrap();
    let row = subscriptions::lock_subscription_of_install(&mut unit, world.install).await.unwrap().unwrap();
    subscriptions::lock_subscription(&mut unit, row.id).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(locks_taken(&world).await, before + 2);
}
