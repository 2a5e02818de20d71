//! Rotation of the key ring while purchases are in progress.

use flysk_crypto::Keyring;
use flysk_crypto::aad;
use flysk_domain::id::{NotificationId, PurchaseId};
use flysk_store::platform::purchases::{self as store, SealedNotification, SealedPurchase};
use secrecy::ExposeSecret as _;
use sqlx::MySqlPool;

use super::harness::{BONUS, COINS, GOOD_CARD, TestApp};
use super::test_env::KEYRING;

const NEW: &str = "k2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

/// Encrypted columns of purchases and notifications.
async fn sealed(app: &TestApp) -> (Vec<SealedPurchase>, Vec<SealedNotification>) {
    let mut conn = app.conn().await;
    let purchases = store::list_sealed_purchases(&mut conn, None::<PurchaseId>, 100).await.unwrap();
    (purchases, store::list_sealed_notifications(&mut conn, None::<NotificationId>, 100).await.unwrap())
}

/// Values that a ring decrypts: contacts, saved cards, notifications.
fn opened(ring: &Keyring, rows: &(Vec<SealedPurchase>, Vec<SealedNotification>)) -> Vec<String> {
    let (purchases, notifications) = rows;
    let contacts = purchases.iter().map(|row| ring.open(&row.contact, &aad::purchase_contact(row.id)));
    let cards = purchases
        .iter()
        .filter_map(|row| Some(ring.open(row.rebill.as_deref()?, &aad::purchase_rebill(row.id))));
    let bodies = notifications.iter().map(|row| ring.open(&row.body, &aad::notification_body(row.id)));
    let texts = contacts.chain(cards).chain(bodies);
    texts.filter_map(|text| Some(text.ok()?.expose_secret().to_owned())).collect()
}

/// A purchase with a saved card, one that waits for its payer, and an unprocessed notification: all are
/// re-encrypted, and the new key alone decrypts them. Processes that started with the previous key continue.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn saved_cards_contacts_and_notifications_are_reencrypted(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let saved = app.begin_with(true).await;
    app.run_due_jobs().await;
    app.pay(saved, GOOD_CARD);
    app.apply_notifications(2).await;
    let rebill = app.payment(saved).rebill_id.expect("the card was saved").to_string();
    let unread = app.opened().await;
    app.pay(unread, GOOD_CARD);
    app.wait_for_notifications(4).await;

    let (old, new) = (Keyring::parse(KEYRING).unwrap(), Keyring::parse(NEW).unwrap());
    let before = sealed(&app).await;
    let texts = opened(&old, &before);
    // Two contacts, one card, four notifications; only the first purchase has a card.
    assert_eq!((texts.len(), &texts[2]), (7, &rebill));
    assert_eq!(opened(&new, &before), Vec::<String>::new());

    let both = [("FLYSK_KEYRING", format!("{NEW},{KEYRING}"))];
    let both = both.each_ref().map(|(name, ring)| (*name, ring.as_str()));
    let told = app.worker_with(&both, &["keys:rotate"]).await.told();
    // Including the widget, its token pair and six rows of purchases; the default vendor has no password to move.
    assert!(told.contains("9 rows, 8 moved to the current key, 0 changed meanwhile."), "{told}");
    let told = app.worker_with(&both, &["keys:rotate"]).await.told();
    assert!(told.contains("9 rows, 0 moved to the current key, 0 changed meanwhile."), "{told}");

    let after = sealed(&app).await;
    assert_eq!(opened(&new, &after), texts);
    assert_eq!(opened(&old, &after), Vec::<String>::new());
    let executor = app.executor_with("FLYSK_KEYRING", NEW).await;
    app.run_due_jobs_on(&executor).await;
    assert_eq!(
        app.balance().await,
        2 * (COINS + BONUS),
        "the notifications were read under the new key alone"
    );
}

/// A ring without the previous key: nothing is re-encrypted, and the error names the missing key.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_ring_without_the_previous_key_reencrypts_nothing_and_says_so(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    app.opened().await;
    let before = sealed(&app).await;
    let refused = app.worker_with(&[("FLYSK_KEYRING", NEW)], &["keys:rotate"]).await.refused(1);
    assert!(refused.contains("k1"), "{refused}");
    assert_eq!(sealed(&app).await, before);
}
