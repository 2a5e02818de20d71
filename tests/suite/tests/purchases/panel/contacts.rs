//! Encrypted e-mail addresses and phone numbers are found by the search box, by their hashes.

use flysk_crypto::{Keyring, aad};
use flysk_domain::flysense::activation::binding::BindingState;
use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_domain::id::{BindingId, UserId};
use flysk_domain::{Clock as _, ContactTerm};
use flysk_jobs::platform::upkeep::HashContacts;
use flysk_services::activation::reencrypt_bindings;
use flysk_store::flysense::activation::bindings::{self, BindingRow};
use reqwest::header::LOCATION;
use sqlx::MySqlPool;

use super::harness::{Panel, Signed};

const PHONE: &str = "+79161234567";
const EMAIL: &str = "Anna.Petrova@example.test";
/// The key that replaces the environment's one.
const NEW_KEY: &str = "new:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

/// Where the search box leads to.
async fn found(signed: &Signed<'_>, typed: &str) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", typed).finish();
    let answer = signed.panel.get_as(&signed.cookie, &format!("/search?{query}")).await;
    answer.headers().get(LOCATION).map(|path| path.to_str().unwrap().to_owned()).unwrap_or_default()
}

/// Binds a person to the account.
async fn bind(panel: &Panel) -> BindingId {
    let (app, install) = (&panel.app, panel.app.install().await);
    let (id, now) = (BindingId::generate(&app.clock), app.clock.now());
    let keyring = &app.executor.app().keyring;
    let phone = keyring.seal_phone(PHONE, &aad::binding_phone(id)).unwrap();
    let email = keyring.seal_email(EMAIL, &aad::binding_email(id)).unwrap();
    let binding = BindingRow {
        id,
        account_id: install.account_id,
        install_id: install.id,
        user_id: UserId(501),
        messenger: Messenger::Telegram,
        messenger_user_id: 555,
        chat_id: 555,
        person: "Анна".to_owned(),
        phone_sealed: phone.sealed,
        phone_masked: "+7 *** ***-45-67".to_owned(),
        state: BindingState::Active,
        muted: Vec::new(),
        consented_at: now,
    };
    let mut conn = app.conn().await;
    bindings::put(&mut conn, &binding, phone.index.as_bytes(), now).await.unwrap();
    let sealed = (email.sealed.as_str(), email.index.as_bytes().as_slice());
    bindings::set_email(&mut conn, id, Some(sealed), now).await.unwrap();
    id
}

async fn run(panel: &Panel, statement: &'static str) {
    sqlx::query(statement).execute(&panel.app.pool).await.unwrap();
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_person_and_a_buyer_are_found_by_phone_and_address_in_any_notation(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let purchase = format!("/purchases/{}", panel.app.paid().await);
    bind(&panel).await;
    let install = format!("/installs/{}", panel.app.install().await.id);
    for typed in [PHONE, "8 (916) 123-45-67", "89161234567", "9161234567", EMAIL, "anna.petrova@EXAMPLE.test"]
    {
        assert_eq!(found(&signed, typed).await, install, "{typed}");
    }
    for typed in ["buh@example.test", " BUH@example.test "] {
        assert_eq!(found(&signed, typed).await, purchase, "{typed}");
    }
    for other in ["+79161234568", "anna@example.test"] {
        assert_eq!(found(&signed, other).await, "", "{other}");
    }
    run(&panel, "UPDATE vendors SET email = 'Sale@Vendor.test', phone = '8 495 000-11-22'").await;
    let vendor: String =
        sqlx::query_scalar("SELECT MIN(id) FROM vendors").fetch_one(&panel.app.pool).await.unwrap();
    for typed in ["sale@vendor.test", "+74950001122"] {
        assert_eq!(found(&signed, typed).await, format!("/vendors/{vendor}"), "{typed}");
    }
}

/// Rows of before, and those of an earlier release, which writes no hashes.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn rows_without_hashes_are_found_after_the_job_also_if_it_runs_twice(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let purchase = format!("/purchases/{}", panel.app.paid().await);
    bind(&panel).await;
    let install = format!("/installs/{}", panel.app.install().await.id);
    run(&panel, "UPDATE coin_purchases SET contact_hash = NULL").await;
    run(&panel, "UPDATE activation_bindings SET phone_hash = NULL, email_hash = NULL").await;
    assert_eq!(found(&signed, PHONE).await, "");
    for _ in 0..2 {
        panel.app.enqueue(&HashContacts {}).await;
        panel.app.run_due_jobs().await;
        assert_eq!(found(&signed, PHONE).await, install);
        assert_eq!(found(&signed, EMAIL).await, install);
        assert_eq!(found(&signed, "buh@example.test").await, purchase);
    }
    // A contact that was changed cannot be opened, and is not tried again every hour.
    run(&panel, "UPDATE coin_purchases SET contact_hash = NULL, contact_sealed = 'v1.k1.AAAA'").await;
    panel.app.enqueue(&HashContacts {}).await;
    panel.app.run_due_jobs().await;
    let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM coin_purchases WHERE contact_hash IS NULL")
        .fetch_one(&panel.app.pool)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

/// The hash moves to the new key together with the contact, so that the previous key can be removed.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn hashes_follow_their_contacts_to_a_new_key(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let id = bind(&panel).await;
    let hash = async || -> Vec<u8> {
        sqlx::query_scalar("SELECT phone_hash FROM activation_bindings WHERE id = ?")
            .bind(id.to_string())
            .fetch_one(&panel.app.pool)
            .await
            .unwrap()
    };
    let term = ContactTerm::of_phone(PHONE);
    let old = panel.app.variables["FLYSK_KEYRING"].clone();
    let [new, both] =
        [NEW_KEY.to_owned(), format!("{NEW_KEY},{old}")].map(|ring| Keyring::parse(&ring).unwrap());
    let hashes = |ring: &Keyring| -> Vec<Vec<u8>> {
        ring.contact_indexes(&term).iter().map(|index| index.as_bytes().to_vec()).collect()
    };
    assert!(hashes(&both).contains(&hash().await), "found under both keys");
    assert!(!hashes(&new).contains(&hash().await));
    let moved = reencrypt_bindings(&mut *panel.app.conn().await, &both).await.unwrap();
    assert_eq!((moved.reencrypted, moved.skipped), (1, 0));
    assert_eq!(hashes(&new), [hash().await], "the previous key is not needed any more");
}
