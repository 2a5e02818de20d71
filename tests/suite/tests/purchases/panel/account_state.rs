//! What the page of an account tells of its state: FlySense in it, and pauses because amoCRM blocked our address.

use std::time::Duration;

use flysk_domain::Clock as _;
use flysk_domain::flysense::account::{AccountStatus, HooksState};
use flysk_domain::id::AccountId;
use flysk_services::installs::{AmocrmCaller, block_account};
use flysk_store::flysense::accounts;
use flysk_suite::environment::ACCOUNT;
use sqlx::MySqlPool;

use super::harness::Panel;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_accounts_page_shows_flysense_and_who_pauses_after_a_403(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let path = format!("/accounts/{ACCOUNT}");
    let page = signed.page(&path).await;
    assert!(!page.contains("Вебхуки о заметках"), "FlySense was never there: {page}");
    assert!(page.contains("Пауза после 403"), "{page}");
    assert!(!signed.page("/accounts").await.contains("работает"));

    let (account, now) = (AccountId(ACCOUNT), panel.app.clock.now());
    let install = panel.app.install().await.id;
    let mut conn = panel.app.conn().await;
    let status = AccountStatus::Active;
    accounts::note_event(&mut conn, account, install, "demo.amocrm.ru", status, 1, now).await.unwrap();
    accounts::set_hooks_state(&mut conn, account, HooksState::Refused, None, now).await.unwrap();
    let page = signed.page(&path).await;
    assert!(page.contains("работает") && page.contains("нет в тарифе amoCRM"), "{page}");
    assert!(signed.page("/accounts").await.contains("работает"), "the list, too");

    let limits = &panel.app.executor.app().limits;
    block_account(limits, account, AmocrmCaller::FlySense, Duration::from_mins(30)).await;
    let page = signed.page(&path).await;
    assert!(page.contains("FlySense: ещё 30 мин"), "{page}");
    // A second caller meets the block: nobody calls the account any more.
    block_account(limits, account, AmocrmCaller::Install(install), Duration::from_mins(30)).await;
    let page = signed.page(&path).await;
    assert!(page.contains("flysense: ещё 30 мин"), "{page}");
    let status = AccountStatus::Inactive;
    accounts::note_event(&mut conn, account, install, "demo.amocrm.ru", status, 2, now).await.unwrap();
    assert!(signed.page("/accounts").await.contains("выключен"));
}
