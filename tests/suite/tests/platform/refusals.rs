//! What amoCRM's token endpoint may say, and what it means for the customer: nothing, mostly.

use flysk_domain::Clock;
use flysk_simulators::{Act, Script};
use flysk_store::platform::tokens::{self, PairState};
use flysk_suite::stand::CLIENT_SECRET;
use flysk_vault::{Need, VaultError};
use sqlx::MySqlPool;

use super::house::{House, on, trace};

const PAGE: &str = "<html><body><h1>403 Forbidden</h1></body></html>";
const OAUTH: &str = "https://developers.amocrm.ru/v3/errors/OAuthProblemJson";

/// The rows of the table of token errors, played one after the other on one install that stays well.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn nothing_but_a_refusal_of_the_grant_disturbs_a_customer(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let rows: [(&str, Act, PairState); 8] = [
        ("a block", answer(403, "text/html", PAGE), PairState::Good),
        ("a limit", answer(429, "text/plain", "slow down"), PairState::Good),
        ("an unpaid account", problem(402, None), PairState::Good),
        ("our secret", problem(401, None), PairState::Good),
        (
            "our redirect URI",
            problem(400, Some("Redirect URI is not associated with client")),
            PairState::Good,
        ),
        ("amoCRM is ill", answer(502, "text/html", PAGE), PairState::InDoubt),
        ("no answer", Act::Cut, PairState::InDoubt),
        ("an unreadable success", answer(200, "application/json", "{}"), PairState::InDoubt),
    ];
    let id = house.install_id().await;
    for (what, act, expected) in rows {
        house.amocrm.control.script(Script::next("/oauth2/access_token", act));
        let wish = Need::NewerThan(house.clock.now());
        let outcome = house.vault.renew(id, wish, &trace()).await;
        assert!(outcome.is_err(), "{what}: {outcome:?}");
        let state = tokens::find(on(&mut house.conn().await), id).await.unwrap().unwrap().state;
        assert_eq!((house.status().await, state), ("active", expected), "{what}");
        // Whatever it was, the pair was not spent: the next try succeeds, once it is made.
        house.advance(chrono::TimeDelta::hours(6) + chrono::TimeDelta::seconds(1));
        house.vault.renew(id, wish, &trace()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_secret_we_lost_is_our_problem_and_its_repair_brings_everything_back(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let (id, widget) = (house.install_id().await, house.widget().await);
    let mut conn = house.conn().await;
    house.vault.change_client_secret(on(&mut conn), &widget, &"stale".to_owned().into()).await.unwrap();
    let wish = Need::NewerThan(house.clock.now());
    let outcome = house.vault.renew(id, wish, &trace()).await;
    assert!(matches!(outcome, Err(VaultError::OurConfiguration(_))), "{outcome:?}");
    assert_eq!(house.status().await, "active");
    let widget = house.widget().await;
    house.vault.change_client_secret(on(&mut conn), &widget, &CLIENT_SECRET.to_owned().into()).await.unwrap();
    house.advance(chrono::TimeDelta::minutes(5) + chrono::TimeDelta::seconds(1));
    assert!(house.vault.renew(id, wish, &trace()).await.is_ok());
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn every_definite_refusal_asks_for_a_reconnect(pool: MySqlPool) {
    let house = House::installed(pool).await;
    for (status, hint) in [
        (401, "Token has been revoked"),
        (401, "Token is not linked to client"),
        (401, "Token has expired"),
        (400, "Cannot decrypt the refresh token"),
    ] {
        house.amocrm.control.script(Script::next("/oauth2/access_token", problem(status, Some(hint))));
        let wish = Need::NewerThan(house.clock.now());
        let outcome = house.vault.renew(house.install_id().await, wish, &trace()).await;
        assert!(matches!(outcome, Err(VaultError::Refused(_))), "{hint}: {outcome:?}");
        assert_eq!(house.status().await, "reconnect", "{hint}");
        let (status, problem) = house.pauth().await;
        assert_eq!((status.as_u16(), problem["code"].as_str()), (403, Some("reconnect_required")), "{hint}");
        house.advance(chrono::TimeDelta::seconds(2));
        house.install().await;
        assert_eq!(house.status().await, "active", "{hint}");
    }
}

fn answer(status: u16, content_type: &str, body: &str) -> Act {
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    Act::Answer { status, headers, body: body.to_owned() }
}

fn problem(status: u16, hint: Option<&str>) -> Act {
    let mut body = serde_json::json!({ "title": "…", "type": OAUTH, "status": status, "detail": "…" });
    if let Some(hint) = hint {
        body["hint"] = hint.into();
    }
    answer(status, "application/problem+json", &body.to_string())
}
