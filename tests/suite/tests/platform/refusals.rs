//! Errors of amoCRM's token endpoint, and their effect on the customer: usually none.

use flysk_domain::Clock;
use flysk_simulators::{Act, Script};
use flysk_store::platform::tokens::{self, PairState};
use flysk_suite::environment::CLIENT_SECRET;
use flysk_tokens::{Freshness, VaultError};
use sqlx::MySqlPool;

use super::harness::{TestApp, as_conn, trace};

const PAGE: &str = "<html><body><h1>403 Forbidden</h1></body></html>";
const OAUTH: &str = "https://developers.amocrm.ru/v3/errors/OAuthProblemJson";

/// Every row of the table of token errors, one after the other, for one install that stays active.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn only_a_rejected_grant_affects_the_customer(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
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
    let id = app.install_id().await;
    for (what, act, expected) in rows {
        app.amocrm.control.script(Script::next("/oauth2/access_token", act));
        let wish = Freshness::IssuedAfter(app.clock.now());
        let outcome = app.vault.renew(id, wish, &trace()).await;
        assert!(outcome.is_err(), "{what}: {outcome:?}");
        let state = tokens::find(as_conn(&mut app.conn().await), id).await.unwrap().unwrap().state;
        assert_eq!((app.status().await, state), ("active", expected), "{what}");
        // The pair was not spent: the next attempt succeeds.
        app.advance(chrono::TimeDelta::hours(6) + chrono::TimeDelta::seconds(1));
        app.vault.renew(id, wish, &trace()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_wrong_client_secret_affects_no_grant_and_its_repair_restores_all(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let (id, widget) = (app.install_id().await, app.widget().await);
    let mut conn = app.conn().await;
    app.vault
        .widgets()
        .change_client_secret(as_conn(&mut conn), &widget, &"stale".to_owned().into())
        .await
        .unwrap();
    let wish = Freshness::IssuedAfter(app.clock.now());
    let outcome = app.vault.renew(id, wish, &trace()).await;
    assert!(matches!(outcome, Err(VaultError::OurConfiguration(_))), "{outcome:?}");
    assert_eq!(app.status().await, "active");
    let widget = app.widget().await;
    app.vault
        .widgets()
        .change_client_secret(as_conn(&mut conn), &widget, &CLIENT_SECRET.to_owned().into())
        .await
        .unwrap();
    app.advance(chrono::TimeDelta::minutes(5) + chrono::TimeDelta::seconds(1));
    assert!(app.vault.renew(id, wish, &trace()).await.is_ok());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_definite_rejection_requires_a_reconnect(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    for (status, hint) in [
        (401, "Token has been revoked"),
        (401, "Token is not linked to client"),
        (401, "Token has expired"),
        (400, "Cannot decrypt the refresh token"),
    ] {
        app.amocrm.control.script(Script::next("/oauth2/access_token", problem(status, Some(hint))));
        let wish = Freshness::IssuedAfter(app.clock.now());
        let outcome = app.vault.renew(app.install_id().await, wish, &trace()).await;
        assert!(matches!(outcome, Err(VaultError::Refused(_))), "{hint}: {outcome:?}");
        assert_eq!(app.status().await, "reconnect", "{hint}");
        let (status, problem) = app.pauth().await;
        assert_eq!((status.as_u16(), problem["code"].as_str()), (403, Some("reconnect_required")), "{hint}");
        app.advance(chrono::TimeDelta::seconds(2));
        app.install().await;
        assert_eq!(app.status().await, "active", "{hint}");
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
