//! Seats that users occupy: who gets one, who loses one, and users who come at once.

use chrono::TimeDelta;
use flysk_domain::id::UserId;
use flysk_domain::platform::subscriptions::{Change, Seat};
use flysk_domain::trace::Trace;
use flysk_services::subscriptions::{Actor, OccupiedSeat, free_seat, list_occupied_seats, take_seat};
use flysk_store::platform::subscriptions;
use flysk_store::{StoreResult, repeat_contended};
use sqlx::MySqlPool;
use tokio::task::JoinSet;

use super::world::{USER, World};

/// Users who come at once.
const RACERS: u64 = 50;

async fn take(world: &World, user: u64) -> Option<Seat> {
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let seat = take_seat(&mut unit, &world.clock, &world.settings(), &row, UserId(user)).await.unwrap();
    unit.commit().await.unwrap();
    seat
}

async fn free(world: &World, user: u64) -> bool {
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let freed =
        free_seat(&mut unit, &world.clock, &row, UserId(user), Actor::User(USER), None).await.unwrap();
    unit.commit().await.unwrap();
    freed
}

async fn occupied(world: &World) -> Vec<OccupiedSeat> {
    let row = world.row().await;
    list_occupied_seats(&mut world.outbox.pool().acquire().await.unwrap(), &row).await.unwrap()
}

/// User and number of each seat, first comers first.
async fn seats(world: &World) -> Vec<(u64, u32)> {
    occupied(world).await.iter().map(|occupied| (occupied.seat.user.0, occupied.seat.number)).collect()
}

/// A subscription with three seats, of a widget that gives seats to users.
async fn with_three_seats(pool: MySqlPool, idle_days: Option<u32>) -> World {
    let mut world = World::build(pool, 0).await;
    world.give_seats_to_users(idle_days).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 3).await;
    world
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn of_fifty_users_who_come_at_once_three_get_the_three_seats(pool: MySqlPool) {
    let world = with_three_seats(pool, None).await;
    let version = world.row().await.version;
    let mut racers = JoinSet::new();
    for user in 1..=RACERS {
        let (outbox, clock) = (world.outbox.clone(), world.clock.clone());
        let (settings, install) = (world.settings(), world.install);
        racers.spawn(async move {
            let take = || async {
                let trace = Trace { correlation_id: "race".to_owned(), traceparent: None };
                let mut unit = outbox.begin(trace).await?;
                let row = subscriptions::lock_subscription_of_install(&mut unit, install).await?.unwrap();
                let seat = take_seat(&mut unit, &clock, &settings, &row, UserId(user)).await?;
                unit.commit().await?;
                StoreResult::Ok(seat)
            };
            repeat_contended(take).await.unwrap()
        });
    }
    let mut numbers: Vec<u32> =
        racers.join_all().await.into_iter().flatten().map(|seat| seat.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(seats(&world).await.len(), 3);
    assert_eq!(world.row().await.version, version, "quotes remain valid");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_first_users_keep_their_seats_until_an_administrator_frees_one(pool: MySqlPool) {
    let world = with_three_seats(pool, None).await;
    for (user, number) in [(501, 1), (502, 2), (501, 1), (503, 3)] {
        assert_eq!(take(&world, user).await.map(|seat| seat.number), Some(number), "{user}");
        world.advance(TimeDelta::minutes(1));
    }
    assert_eq!(take(&world, 504).await, None, "only the excess is refused");
    assert!(!free(&world, 504).await && free(&world, 502).await && !free(&world, 502).await);
    assert_eq!(take(&world, 504).await.map(|seat| seat.number), Some(2));
    assert_eq!(take(&world, 502).await, None);
    assert_eq!(seats(&world).await, [(501, 1), (503, 3), (504, 2)]);
    let freed = world.actions().await.iter().filter(|action| *action == "seat_freed").count();
    assert_eq!(freed, 1);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn fewer_seats_are_taken_from_the_latest_comers_and_known_before(pool: MySqlPool) {
    let world = with_three_seats(pool, None).await;
    for user in [501, 502, 503] {
        take(&world, user).await.unwrap();
        world.advance(TimeDelta::minutes(1));
    }
    assert!(free(&world, 501).await);
    take(&world, 504).await.unwrap();
    assert!(occupied(&world).await.iter().all(|seat| seat.lost_on.is_none()));
    assert!(world.apply(&world.quote(Change::Seats(2)).await).await.is_none(), "from the next period on");
    let lost: Vec<(u64, String)> = occupied(&world)
        .await
        .iter()
        .filter_map(|occupied| Some((occupied.seat.user.0, occupied.lost_on?.to_string())))
        .collect();
    assert_eq!(lost, [(504, "2027-01-01".to_owned())]);
    world.set("2026-12-31T21:00:00Z");
    world.run_due().await;
    assert_eq!(seats(&world).await.len(), 3, "the renewal is not paid yet");
    let renewal = world.open_invoice().await.unwrap();
    world.settle(renewal.id).await;
    assert_eq!(seats(&world).await, [(502, 2), (503, 1)]);
    assert_eq!(take(&world, 504).await, None);
    assert!(world.actions().await.contains(&"seats_lost".to_owned()));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_seat_that_nobody_used_goes_to_who_needs_it_and_no_seat_is_given_without_access(pool: MySqlPool) {
    let world = with_three_seats(pool, Some(7)).await;
    for user in [501, 502, 503] {
        take(&world, user).await.unwrap();
        world.advance(TimeDelta::hours(1));
    }
    world.advance(TimeDelta::days(7) - TimeDelta::hours(4));
    assert_eq!(take(&world, 504).await, None);
    world.advance(TimeDelta::hours(1));
    assert_eq!(take(&world, 504).await.map(|seat| seat.number), Some(1), "unused for longest");
    assert_eq!(take(&world, 501).await, None, "the others were used later");
    let row = world.row().await;
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let count = subscriptions::count_seats(&mut conn, row.id).await.unwrap();
    assert_eq!(count.taken, 3);
    drop(conn);
    assert!(free(&world, 504).await);
    world.set("2026-12-31T21:00:00Z");
    world.run_due().await;
    world.advance(TimeDelta::days(15));
    world.run_due().await;
    assert_eq!(take(&world, 505).await, None, "the subscription has ended");
}
