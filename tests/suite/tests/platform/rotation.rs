//! Secrets that change while everybody works.

use chrono::TimeDelta;
use flysk_clients::amocrm::AmoCrm;
use flysk_domain::Clock;
use flysk_runtime::Keyring;
use flysk_store::platform::{changes, tokens, widgets};
use flysk_vault::{Vault, VaultError, places};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use sqlx::MySqlPool;

use super::house::{House, on};

const OLD: &str = "k1:Zmx5c2stc3VpdGUta2V5LW9mLXRlc3RzLTMyYnl0ZXM=";
const NEW: &str = "k2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

async fn asks(house: &House, token: &str) -> StatusCode {
    house.ask(Method::GET, "/v1/backend/events", ("X-Project-Token", token), None).await.0
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn two_project_tokens_are_good_while_one_replaces_the_other(pool: MySqlPool) {
    let house = House::build(pool).await;
    let mut conn = house.conn().await;
    let until = house.clock.now() + TimeDelta::hours(24);
    let (old, widget) = (house.project_token.clone(), house.widget().await);
    let new = house.vault.rotate_project_token(on(&mut conn), &widget, Some(until)).await.unwrap();
    let new = new.expose_secret().to_owned();
    assert_eq!((asks(&house, &old).await, asks(&house, &new).await), (StatusCode::OK, StatusCode::OK));
    house.advance(TimeDelta::hours(25));
    assert_eq!(
        (asks(&house, &old).await, asks(&house, &new).await),
        (StatusCode::UNAUTHORIZED, StatusCode::OK)
    );
    let widget = house.widget().await;
    let newest = house.vault.rotate_project_token(on(&mut conn), &widget, None).await.unwrap();
    assert_eq!(asks(&house, &new).await, StatusCode::UNAUTHORIZED, "revoked at once");
    let kept = house.clock.now() + TimeDelta::hours(1);
    let widget = house.widget().await;
    house.vault.rotate_project_token(on(&mut conn), &widget, Some(kept)).await.unwrap();
    assert_eq!(asks(&house, newest.expose_secret()).await, StatusCode::OK);
    widgets::revoke_former_token(on(&mut conn), widget.id, house.clock.now()).await.unwrap();
    assert_eq!(asks(&house, newest.expose_secret()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(asks(&house, "").await, StatusCode::UNAUTHORIZED);
}

/// Under a ring with a new key in front everything is moved; then the old key opens nothing any more.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn everything_sealed_moves_to_the_new_key(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.amocrm.state.issue_code(flysk_suite::stand::CLIENT_ID, flysk_suite::stand::ACCOUNT, None).unwrap();
    let mut conn = house.conn().await;
    let both = vault(&house, &format!("{NEW},{OLD}"));
    let noted = changes::newest(on(&mut conn)).await.unwrap();
    let moved = both.reseal_all(on(&mut conn)).await.unwrap();
    assert_eq!((moved.moved, moved.missed), (2, 0), "the widget and its pair");
    assert_eq!(
        changes::newest(on(&mut conn)).await.unwrap(),
        noted,
        "nothing that is remembered became untrue"
    );
    let again = both.reseal_all(on(&mut conn)).await.unwrap();
    assert_eq!((again.seen, again.moved, again.former_tokens_until), (2, 0, None));
    let (new, old) = (vault(&house, NEW), vault(&house, OLD));
    let widget = house.widget().await;
    assert!(new.client_secret(&widget).is_ok());
    assert!(matches!(old.client_secret(&widget), Err(VaultError::Keyring(_))));
    let pair = tokens::find(on(&mut conn), house.install_id().await).await.unwrap().unwrap();
    let place = places::access_token(pair.install_id);
    assert!(new.keyring().open(&pair.access_sealed, &place).is_ok());
    // Neither a changed text nor one of another row opens.
    assert!(new.keyring().open(&pair.refresh_sealed, &place).is_err());
    let hash = new.keyring().lookup_hash(&house.project_token).to_string();
    assert_eq!(widget.project_token_hash, hash);
}

fn vault(house: &House, ring: &str) -> Vault {
    let keyring = Keyring::parse(ring).unwrap();
    let amocrm = AmoCrm::new(flysk_clients::amocrm::Config::default()).unwrap();
    Vault::new(house.engine.outbox().clone(), keyring.into(), amocrm, vec!["amocrm.ru".to_owned()])
}

/// A token that is being replaced is found by a hash under the key of its day: the operator is told to keep that key.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_former_token_keeps_its_key_in_the_ring(pool: MySqlPool) {
    let house = House::build(pool).await;
    let mut conn = house.conn().await;
    let until = house.clock.now() + TimeDelta::hours(24);
    house.vault.rotate_project_token(on(&mut conn), &house.widget().await, Some(until)).await.unwrap();
    let both = vault(&house, &format!("{NEW},{OLD}"));
    let kept = both.reseal_all(on(&mut conn)).await.unwrap().former_tokens_until;
    assert!(kept.is_some_and(|kept| kept > house.clock.now() + TimeDelta::hours(23)), "{kept:?}");
}
