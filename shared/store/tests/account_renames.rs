//! Former domains and names of accounts.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::AccountId;
use flysk_domain::platform::crm::Crm;
use flysk_store::Conn;
use flysk_store::platform::account_renames::{self, AccountRename};
use flysk_store::platform::accounts::{self, AccountUpdate};
use sqlx::MySqlPool;

const ACCOUNT: AccountId = AccountId(31_234_567);

fn day(day: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_796_000_000, 0).unwrap() + TimeDelta::days(day)
}

async fn learn(conn: &mut Conn, host: &str, name: &str, at: DateTime<Utc>) {
    let (crm, id) = (Crm::Amocrm, ACCOUNT);
    let update = AccountUpdate { crm, id, host, api_domain: None, name, utc_offset_minutes: None, at };
    accounts::upsert(conn, &update).await.unwrap();
}

fn rename(changed: i64, former_host: &str, former_name: &str) -> AccountRename {
    AccountRename {
        changed_at: day(changed),
        former_host: former_host.to_owned(),
        former_name: former_name.to_owned(),
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_former_domain_or_name_is_kept_and_found_until_it_is_erased(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    learn(&mut conn, "first.amocrm.ru", "Василёк", day(0)).await;
    learn(&mut conn, "first.amocrm.ru", "Василёк", day(1)).await;
    accounts::rename(&mut conn, Crm::Amocrm, ACCOUNT, "second.amocrm.ru", day(2)).await.unwrap();
    learn(&mut conn, "second.amocrm.ru", "Ромашка", day(3)).await;
    // Older than what is known.
    learn(&mut conn, "first.amocrm.ru", "Василёк", day(1)).await;
    let list = account_renames::list_before(&mut conn, Crm::Amocrm, ACCOUNT, day(9), 10).await.unwrap();
    assert_eq!(list, [rename(3, "second.amocrm.ru", "Василёк"), rename(2, "first.amocrm.ru", "Василёк")]);
    let found = account_renames::find_by_former_host(&mut conn, "first.amocrm.ru", 10).await.unwrap();
    assert_eq!(found, [ACCOUNT]);
    assert!(account_renames::find_by_former_host(&mut conn, "пример.рф", 10).await.unwrap().is_empty());
    assert_eq!(account_renames::count_names(&mut conn, Crm::Amocrm, ACCOUNT).await.unwrap(), 2);
    assert_eq!(account_renames::erase_names(&mut conn, Crm::Amocrm, ACCOUNT).await.unwrap(), 2);
    let list = account_renames::list_before(&mut conn, Crm::Amocrm, ACCOUNT, day(9), 10).await.unwrap();
    assert_eq!(list, [rename(3, "second.amocrm.ru", ""), rename(2, "first.amocrm.ru", "")]);
    assert_eq!(account_renames::prune(&mut conn, day(3), 10).await.unwrap(), 1);
}

/// amoCRM promises no limit. Without the account nobody of it could install a widget.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_name_that_is_too_long_is_cut_and_is_the_same_name_the_next_time(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let (long, cut) = ("Ы".repeat(300), "Ы".repeat(255));
    learn(&mut conn, "first.amocrm.ru", &long, day(0)).await;
    learn(&mut conn, "first.amocrm.ru", &long, day(1)).await;
    learn(&mut conn, "first.amocrm.ru", "Ромашка", day(2)).await;
    let list = account_renames::list_before(&mut conn, Crm::Amocrm, ACCOUNT, day(9), 10).await.unwrap();
    assert_eq!(list, [rename(2, "first.amocrm.ru", &cut)]);
}
