//! The key at rest changes while purchases are on their way.

use flysk_domain::id::{NoticeId, PurchaseId};
use flysk_runtime::Keyring;
use flysk_store::purchases::{self as store, SealedNotice, SealedPurchase};
use flysk_vault::places;
use secrecy::ExposeSecret as _;
use sqlx::MySqlPool;

use super::house::{BONUS, COINS, GOOD_CARD, Shop};
use super::surroundings::KEYRING;

const NEW: &str = "k2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

/// What purchases and notices keep sealed.
async fn sealed(shop: &Shop) -> (Vec<SealedPurchase>, Vec<SealedNotice>) {
    let mut conn = shop.conn().await;
    let purchases = store::list_sealed_purchases(&mut conn, None::<PurchaseId>, 100).await.unwrap();
    (purchases, store::list_sealed_notices(&mut conn, None::<NoticeId>, 100).await.unwrap())
}

/// What a ring opens of them: contacts, saved cards, notices.
fn opened(ring: &Keyring, rows: &(Vec<SealedPurchase>, Vec<SealedNotice>)) -> Vec<String> {
    let (purchases, notices) = rows;
    let contacts = purchases.iter().map(|row| ring.open(&row.contact, &places::purchase_contact(row.id)));
    let cards = purchases
        .iter()
        .filter_map(|row| Some(ring.open(row.rebill.as_deref()?, &places::purchase_rebill(row.id))));
    let bodies = notices.iter().map(|row| ring.open(&row.body, &places::notice_body(row.id)));
    let texts = contacts.chain(cards).chain(bodies);
    texts.filter_map(|text| Some(text.ok()?.expose_secret().to_owned())).collect()
}

/// A purchase with a saved card, one that waits for its payer, and a notice nobody has read yet: all of it moves, and
/// the new key alone opens it. What the former key was needed for goes on.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn saved_cards_contacts_and_notices_move_to_the_new_key(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let saved = shop.begin_with(true).await;
    shop.run_due_jobs().await;
    shop.pay(saved, GOOD_CARD);
    shop.hear(2).await;
    let rebill = shop.payment(saved).rebill_id.expect("the card was saved").to_string();
    let unread = shop.opened().await;
    shop.pay(unread, GOOD_CARD);
    shop.told(4).await;

    let (old, new) = (Keyring::parse(KEYRING).unwrap(), Keyring::parse(NEW).unwrap());
    let before = sealed(&shop).await;
    let texts = opened(&old, &before);
    // Two contacts, one card, four notices; only the first of them has a card.
    assert_eq!((texts.len(), &texts[2]), (7, &rebill));
    assert_eq!(opened(&new, &before), Vec::<String>::new());

    let both = [("FLYSK_KEYRING", format!("{NEW},{KEYRING}"))];
    let both = both.each_ref().map(|(name, ring)| (*name, ring.as_str()));
    let told = shop.worker_with(&both, &["keys:rotate"]).await.told();
    // With the widget, its pair of tokens and six rows of purchases.
    assert!(told.contains("8 rows, 8 moved to the current key, 0 changed meanwhile."), "{told}");
    let told = shop.worker_with(&both, &["keys:rotate"]).await.told();
    assert!(told.contains("8 rows, 0 moved to the current key, 0 changed meanwhile."), "{told}");

    let after = sealed(&shop).await;
    assert_eq!(opened(&new, &after), texts);
    assert_eq!(opened(&old, &after), Vec::<String>::new());
    let engine = shop.engine_with("FLYSK_KEYRING", NEW).await;
    shop.run_due_jobs_on(&engine).await;
    assert_eq!(shop.balance().await, 2 * (COINS + BONUS), "the notices were read under the new key alone");
}

/// A ring that lost the former key too early: nothing is moved, and the sentence says what to put back.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_ring_without_the_former_key_moves_nothing_and_says_so(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    shop.opened().await;
    let before = sealed(&shop).await;
    let refused = shop.worker_with(&[("FLYSK_KEYRING", NEW)], &["keys:rotate"]).await.refused(1);
    assert!(refused.contains("k1"), "{refused}");
    assert_eq!(sealed(&shop).await, before);
}
