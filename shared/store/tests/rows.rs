//! Round trips of rows, and consequences of their unique keys.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::admin::{OperatorRights, OperatorRole};
use flysk_domain::id::{AccountId, InstallId, JobId, OperatorId, SubscriptionId, WalletId, WidgetId};
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::subscriptions::{Subscription, moscow_day};
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, ManualClock};
use flysk_store::admin::listing::{Keyset, number_of_rows};
use flysk_store::admin::lists::wallets::{self, WalletFilter};
use flysk_store::admin::operators::{self, NewOperator};
use flysk_store::jobs::{self, JobState, NewJob};
use flysk_store::platform::subscriptions::{NewSubscription, insert_subscription};
use flysk_store::platform::{handshake, installs, project_tokens, widgets};
use flysk_store::{Conn, StoreError, platform::ledger};
use sqlx::MySqlPool;
use sqlx::mysql::MySqlPoolOptions;

fn clock() -> ManualClock {
    ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap())
}

async fn insert_job(conn: &mut Conn, id: JobId, now: DateTime<Utc>) -> bool {
    let trace = Trace { correlation_id: "test".to_owned(), traceparent: None };
    let job = NewJob {
        id,
        kind: "test.work",
        queue: "test",
        priority: 1,
        payload: &serde_json::Value::Null,
        max_attempts: 3,
        run_at: now,
        push_at: now,
        dedup_key: Some("one"),
        tenant: None,
        trace: &trace,
        created_at: now,
    };
    jobs::insert(conn, &job).await.unwrap()
}

/// A requeued job waits under its dedup key again, so that no second job is inserted; unless a second one waits already.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_requeued_job_takes_its_dedup_key_unless_a_newer_job_has_it(pool: MySqlPool) {
    let (clock, mut conn) = (clock(), pool.acquire().await.unwrap());
    let (first, second, now) = (JobId::generate(&clock), JobId::generate(&clock), clock.now());
    let until = now + TimeDelta::seconds(30);
    assert!(insert_job(&mut conn, first, now).await);
    let lease = jobs::claim(&mut conn, first, "worker", until, now).await.unwrap().unwrap();

    jobs::snooze(&mut conn, lease.fence, now, "not yet").await.unwrap();
    assert!(!insert_job(&mut conn, second, now).await, "the first job waits under the key");

    let lease = jobs::claim(&mut conn, first, "worker", until, now).await.unwrap().unwrap();
    assert_eq!(lease.attempt, 1, "a snooze does not count the attempt");
    assert!(insert_job(&mut conn, second, now).await);
    jobs::retry(&mut conn, lease.fence, now, "failed").await.unwrap();
    for id in [first, second] {
        assert_eq!(jobs::find(&mut conn, id).await.unwrap().unwrap().state, JobState::Queued);
    }
    let gone = jobs::retry(&mut conn, lease.fence, now, "failed").await;
    assert!(matches!(gone, Err(StoreError::WrongState { .. })), "{gone:?}");
}

async fn expedite(conn: &mut Conn, now: DateTime<Utc>) -> bool {
    let expedited = jobs::expedite(conn, "test.work", "one", now);
    tokio::time::timeout(Duration::from_secs(5), expedited).await.unwrap().unwrap()
}

/// A locked row makes nobody wait for the limit of 10 s. Transactions that found the key taken do not keep each other off.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_job_whose_row_is_locked_is_not_expedited(pool: MySqlPool) {
    // The isolation level of Flysk's processes: at MySQL's default, an insert that failed keeps others from the gap beside it.
    let as_in_production = flysk_store::configure_pool(MySqlPoolOptions::new().max_connections(4));
    let pool = Box::pin(as_in_production.connect_with((*pool.connect_options()).clone())).await.unwrap();
    let (clock, mut conn) = (clock(), pool.acquire().await.unwrap());
    let (id, now) = (JobId::generate(&clock), clock.now());
    assert!(insert_job(&mut conn, id, now).await);
    let mut elsewhere = pool.begin().await.unwrap();
    let lock = sqlx::query("SELECT id FROM jobs WHERE id = ? FOR UPDATE").bind(id.to_string());
    lock.fetch_one(&mut *elsewhere).await.unwrap();
    assert!(!expedite(&mut conn, now).await);
    elsewhere.rollback().await.unwrap();

    let (mut first, mut second) = (pool.begin().await.unwrap(), pool.begin().await.unwrap());
    for tx in [&mut first, &mut second] {
        assert!(!insert_job(tx, JobId::generate(&clock), now).await);
    }
    assert!(expedite(&mut first, now).await);
    assert!(!expedite(&mut second, now).await, "the first one does it");
}

fn new_widget(id: WidgetId) -> widgets::NewWidget<'static> {
    widgets::NewWidget {
        id,
        code: "flysense",
        name: "FlySense — звонки",
        crm: Crm::Amocrm,
        client_uuid: "00000000-0000-4000-8000-000000000001",
        client_secret_sealed: "sealed secret",
        redirect_uri: "https://flysk.example/callback",
        project_token_sealed: "sealed token",
        project_token_hash: "hash",
        event_secret_sealed: "sealed key",
    }
}

/// Two people who read the same widget cannot both change it: nobody's change is overwritten unseen.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_widget_that_was_changed_since_it_was_read_is_not_overwritten(pool: MySqlPool) {
    let (clock, mut conn) = (clock(), pool.acquire().await.unwrap());
    let id = WidgetId::generate(&clock);
    widgets::insert(&mut conn, &new_widget(id), clock.now()).await.unwrap();
    let read = widgets::find(&mut conn, id).await.unwrap().unwrap();
    let named = |name: &str| widgets::Changes { name: Some(name.to_owned()), ..widgets::Changes::default() };
    clock.advance(TimeDelta::microseconds(1));
    widgets::update_as_read(&mut conn, &read, &named("Первое"), clock.now()).await.unwrap();
    clock.advance(TimeDelta::microseconds(1));
    let second = widgets::update_as_read(&mut conn, &read, &named("Второе"), clock.now()).await;
    assert!(matches!(second, Err(StoreError::WrongState { .. })), "{second:?}");
    let stored = widgets::find(&mut conn, id).await.unwrap().unwrap();
    assert_eq!(stored.name, "Первое");
    widgets::update_as_read(&mut conn, &stored, &named("Второе"), clock.now()).await.unwrap();
}

/// A session that begins with a password ends with it: whoever signs in with one that was replaced meanwhile gets none.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_password_that_was_replaced_meanwhile_begins_no_session(pool: MySqlPool) {
    let (clock, mut conn) = (clock(), pool.acquire().await.unwrap());
    let (id, rights, now) = (OperatorId::generate(&clock), OperatorRights::default(), clock.now());
    let new = NewOperator {
        id,
        login: "anna",
        name: "Анна",
        role: OperatorRole::Owner,
        rights: &rights,
        password_hash: "$argon2id$first",
    };
    operators::insert(&mut conn, &new, now).await.unwrap();
    assert!(operators::hold_password(&mut conn, id, "$argon2id$first", now).await.unwrap());
    operators::reset(&mut conn, id, "$argon2id$second", now).await.unwrap();
    assert!(!operators::hold_password(&mut conn, id, "$argon2id$first", now).await.unwrap());
    assert!(operators::hold_password(&mut conn, id, "$argon2id$second", now).await.unwrap());
    operators::write_access(&mut conn, id, (OperatorRole::Owner, &rights), Some(now), now).await.unwrap();
    assert!(!operators::hold_password(&mut conn, id, "$argon2id$second", now).await.unwrap());
}

/// A handshake returns the widget, and install and wallet only if they exist.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_handshake_reads_widget_and_optional_install_and_wallet(pool: MySqlPool) {
    let (clock, mut conn) = (clock(), pool.acquire().await.unwrap());
    let (id, account, now) = (WidgetId::generate(&clock), AccountId(77), clock.now());
    let widget = new_widget(id);
    widgets::insert(&mut conn, &widget, now).await.unwrap();
    assert!(handshake::find(&mut conn, "nobody", account).await.unwrap().is_none());
    let alone = handshake::find(&mut conn, widget.client_uuid, account).await.unwrap().unwrap();
    assert_eq!((alone.widget.id, alone.widget.name.as_str()), (id, widget.name));
    assert!(alone.install.is_none() && alone.wallet.is_none());

    let fresh = InstallId::generate(&clock);
    let written = installs::lock_or_insert(&mut conn, fresh, id, Crm::Amocrm, account, now).await.unwrap();
    let wallet = WalletId::generate(&clock);
    ledger::insert_wallet(&mut conn, wallet, fresh, id, now).await.unwrap();

    let whole = handshake::find(&mut conn, widget.client_uuid, account).await.unwrap().unwrap();
    assert_eq!(format!("{:?}", whole.install.unwrap()), format!("{written:?}"));
    assert_eq!(whole.wallet.unwrap().id, wallet);
    for found in [
        widgets::find(&mut conn, id).await,
        widgets::find_by_code(&mut conn, widget.code).await,
        widgets::find_by_client_uuid(&mut conn, widget.client_uuid).await,
    ] {
        assert_eq!(found.unwrap().unwrap().id, id);
    }
    let owner = project_tokens::find_owner(&mut conn, &["hash".to_owned()], now).await.unwrap().unwrap();
    assert_eq!((owner.widget.id, owner.token_until), (id, None));
    assert!(widgets::find_by_code(&mut conn, "звонки").await.unwrap().is_none());
}

/// The trial is noted for a new subscription only. The server counts a row that a key has already as found.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_second_subscription_of_an_account_is_not_inserted(pool: MySqlPool) {
    let (clock, mut conn) = (clock(), pool.acquire().await.unwrap());
    let (install_id, widget_id, now) = (InstallId::generate(&clock), WidgetId::generate(&clock), clock.now());
    let subscription = Subscription::new(moscow_day(now), 14).unwrap();
    for is_new in [true, false] {
        let new = NewSubscription {
            id: SubscriptionId::generate(&clock),
            install_id,
            widget_id,
            crm: Crm::Amocrm,
            account_id: AccountId(77),
            subscription: &subscription,
            next_due_at: None,
            now,
        };
        assert_eq!(insert_subscription(&mut conn, &new).await.unwrap(), is_new);
    }
    let told: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM cache_invalidations").fetch_one(&mut *conn).await.unwrap();
    assert_eq!(told, 1);
}

/// The prices of a new deployment, by name and by widget.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_seeded_prices_are_in_force(pool: MySqlPool) {
    let (now, mut conn) = (clock().now(), pool.acquire().await.unwrap());
    let services =
        ["flysense.summary", "flysense.recognition", "flysense.nothing"].map(|name| name.parse().unwrap());
    let named = ledger::list_prices_of(&mut conn, &services, now).await.unwrap();
    let of_widget = ledger::list_prices_of_widget(&mut conn, "flysense", now).await.unwrap();
    assert_eq!(named, of_widget);
    assert_eq!(
        named.iter().map(|rule| rule.service.as_str()).collect::<Vec<_>>(),
        ["flysense.recognition", "flysense.summary"]
    );
    let before = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    assert!(ledger::list_prices_of(&mut conn, &services, before).await.unwrap().is_empty());
}

/// The count and the page of a list apply one filter; a balance that reaches or leaves zero changes what is empty.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_list_counts_the_rows_of_its_filter(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    for (number, available) in [(1, 0), (2, 5), (3, 0)] {
        sqlx::query(
            "INSERT INTO wallets (id, install_id, widget_id, available_micro, created_at, updated_at)
             VALUES (?, ?, 'wgt_00000000000000000000000000', ?, NOW(6), NOW(6))",
        )
        .bind(format!("wal_{number:026}"))
        .bind(format!("ins_{number:026}"))
        .bind(available)
        .execute(&mut *conn)
        .await
        .unwrap();
    }
    let empty = WalletFilter { is_empty: true, ..WalletFilter::default() };
    for (filter, pages) in [(WalletFilter::default(), 3), (empty.clone(), 2)] {
        let ids = wallets::ids(&mut conn, &filter, &Keyset::newest(10)).await.unwrap();
        let counted = wallets::ids(&mut conn, &filter, &Keyset::counting(1_000)).await.unwrap();
        assert_eq!((ids.len(), number_of_rows(&counted)), (pages, u32::try_from(pages).unwrap()));
    }
    sqlx::query("UPDATE wallets SET available_micro = 7").execute(&mut *conn).await.unwrap();
    assert!(wallets::ids(&mut conn, &empty, &Keyset::newest(10)).await.unwrap().is_empty());
}
