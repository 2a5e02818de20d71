//! Estimates, charges and refunds over HTTP.

use chrono::TimeDelta;
use flysk_simulators::amocrm::Amocrm;
use flysk_suite::environment::{ACCOUNT, CLIENT_ID};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;
use tokio::task::JoinSet;

use super::charging::{BONUS, FLYCOINS, WalletClient, seconds_of, use_flycoins};
use super::harness::TestApp;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_estimate_and_a_charge_have_the_same_price(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let lines = json!([
        { "service": "flysense.recognition", "quantity": 16 },
        { "service": "flysense.summary", "quantity": 1 },
    ]);
    let wanted = json!({ "account_id": ACCOUNT, "lines": lines });
    let (status, estimate) =
        client.app.backend(Method::POST, &format!("{FLYCOINS}/estimate"), Some(wanted.clone())).await;
    assert_eq!(status, StatusCode::OK, "{estimate}");
    assert_eq!(
        estimate,
        json!({
            "lines": [
                {
                    "service": "flysense.recognition", "version": 1,
                    "tariff": { "kind": "per_minute", "rate_micro": 2_500_000, "at_least_s": 15 },
                    "unit": "second", "quantity": 16, "billed": 16, "rounding": "half_up", "amount_micro": 666_667,
                },
                {
                    "service": "flysense.summary", "version": 1,
                    "tariff": { "kind": "per_piece", "rate_micro": 1_000_000, "at_least_s": null },
                    "unit": "piece", "quantity": 1, "billed": 1, "rounding": "exact", "amount_micro": 1_000_000,
                },
            ],
            "total_micro": 1_666_667, "available_micro": BONUS, "covered": true,
        })
    );
    let charged = client.write("/charges", wanted).await;
    assert_eq!((charged.status, charged.replayed), (StatusCode::CREATED, false), "{charged:?}");
    assert_eq!(charged.body["receipt"], estimate["lines"]);
    assert_eq!(charged.micro("charged_micro"), 1_666_667);
    assert_eq!(client.balance().await, (BONUS - 1_666_667, 0));
    client.close().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_repeated_charge_gets_its_first_response(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let first = client.write_as("call-17", "/charges", seconds_of(60)).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    let _ = client.charge(60).await;
    let reordered = json!({ "lines": seconds_of(60)["lines"], "account_id": ACCOUNT });
    let again = client.write_as("call-17", "/charges", reordered).await;
    assert_eq!((again.status, again.replayed, &again.body), (first.status, true, &first.body));
    let other = client.write_as("call-17", "/charges", seconds_of(61)).await;
    assert_eq!(other.problem(), (422, "idempotency_key_reused"));
    let refund =
        json!({ "account_id": ACCOUNT, "transaction_id": first.text("transaction_id"), "all": true });
    let other = client.write_as("call-17", "/refunds", refund).await;
    assert_eq!(other.problem(), (422, "idempotency_key_reused"));
    // The same if the widget may no longer charge.
    switch(&client, false).await;
    let again = client.write_as("call-17", "/charges", seconds_of(60)).await;
    assert_eq!((again.replayed, &again.body), (true, &first.body));
    assert_eq!(client.write_as("call-17", "/charges", seconds_of(61)).await.problem().0, 422);
    assert_eq!(client.balance().await.0, BONUS - 5_000_000);
    client.close().await;
}

async fn switch(client: &WalletClient, on: bool) {
    client.app.advance(TimeDelta::seconds(1));
    let body = json!({ "account_id": ACCOUNT, "on": on });
    let (status, _) = client.app.backend(Method::PUT, "/v1/backend/switch", Some(body)).await;
    assert_eq!(status, StatusCode::OK);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_invalid_charge_has_a_reason_and_moves_nothing(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let line = |service: &str, quantity: Value| json!({ "account_id": ACCOUNT, "lines": [{ "service": service, "quantity": quantity }] });
    for (body, problem) in [
        (line("flysense.recognition", json!(1_000_000)), (402, "insufficient_balance")),
        (line("flysense.recognition", json!(0)), (400, "invalid_request")),
        (line("flysense.recognition", json!(-1)), (400, "invalid_request")),
        (line("flysense.recognition", json!(1.5)), (400, "invalid_request")),
        (line("flysense.recognition", json!(u64::MAX)), (400, "invalid_request")),
        (line("flysense.translation", json!(1)), (400, "unknown_service")),
        (line("acme.recognition", json!(1)), (400, "unknown_service")),
        (line("Flysense!", json!(1)), (400, "unknown_service")),
        (json!({ "account_id": ACCOUNT, "lines": [] }), (400, "invalid_request")),
        (json!({ "account_id": ACCOUNT }), (400, "invalid_request")),
        (json!({ "account_id": 404, "lines": seconds_of(1)["lines"] }), (404, "install_not_found")),
    ] {
        let refused = client.write("/charges", body.clone()).await;
        assert_eq!(refused.problem(), problem, "{body}: {}", refused.body);
    }
    let long = "x".repeat(121);
    for (key, problem) in [
        (None, "idempotency_key_missing"),
        (Some(""), "invalid_request"),
        (Some("two words"), "invalid_request"),
        (Some(long.as_str()), "invalid_request"),
        (Some("заказ-1"), "invalid_request"),
    ] {
        let refused = client.send(&client.app.project_token, key, "/charges", seconds_of(1)).await;
        assert_eq!(refused.problem(), (400, problem), "{key:?}");
    }
    let detail = client.charge(1_000_000).await.text("detail");
    assert_eq!(detail, "41666.666667 Flycoins are required, 100.000000 are available");
    assert_eq!(client.balance().await, (BONUS, 0));
    client.close().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_charge_is_refunded_in_parts_up_to_its_amount(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let charge = client.charge(60).await.text("transaction_id");
    let refund = |amount: Option<i64>| {
        let mut body = json!({ "account_id": ACCOUNT, "transaction_id": charge, "reference": "сбой" });
        match amount {
            Some(amount) => body["amount_micro"] = json!(amount),
            None => body["all"] = json!(true),
        }
        body
    };
    let part = client.write_as("back-1", "/refunds", refund(Some(1_000_000))).await;
    assert_eq!((part.status, part.micro("refunded_micro")), (StatusCode::CREATED, 1_000_000), "{part:?}");
    let more = client.write("/refunds", refund(Some(1_500_001))).await;
    assert_eq!(more.problem(), (409, "more_than_charged"));
    let rest = client.write_as("back-2", "/refunds", refund(None)).await;
    assert_eq!((rest.micro("refunded_micro"), rest.micro("available_micro")), (1_500_000, BONUS));
    assert_eq!(client.write("/refunds", refund(None)).await.problem(), (409, "more_than_charged"));
    let again = client.write_as("back-2", "/refunds", refund(None)).await;
    assert_eq!((again.replayed, &again.body), (true, &rest.body));
    for id in ["ltx_01ARZ3NDEKTSV4RRFFQ69G5FAV", "nonsense"] {
        let body = json!({ "account_id": ACCOUNT, "transaction_id": id, "all": true });
        assert_eq!(client.write("/refunds", body).await.problem(), (404, "unknown_charge"));
    }
    for amount in [0, -1] {
        assert_eq!(client.write("/refunds", refund(Some(amount))).await.problem(), (400, "invalid_request"));
    }
    client.close().await;
}

/// A backend that repeats a charge learns that its work was refunded, so that it does not do the work for nothing.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_repeated_charge_or_capture_says_what_was_refunded_of_it(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let held = client.write("/holds", hold_of(60)).await.text("hold_id");
    let charge = ("/charges".to_owned(), seconds_of(60));
    let capture = (format!("/holds/{held}/capture"), json!({ "lines": seconds_of(60)["lines"] }));
    for (key, (path, body)) in [("charge-1", charge), ("capture-1", capture)] {
        let first = client.write_as(key, &path, body.clone()).await;
        assert_eq!(first.micro("refunded_micro"), 0, "{first:?}");
        let charge = first.text("transaction_id");
        for (amount, refunded) in [(1_000_000, 1_000_000), (1_500_000, 2_500_000)] {
            let refund = json!({ "account_id": ACCOUNT, "transaction_id": charge, "amount_micro": amount });
            assert_eq!(client.write("/refunds", refund).await.status, StatusCode::CREATED);
            let again = client.write_as(key, &path, body.clone()).await;
            assert_eq!((again.replayed, again.micro("refunded_micro")), (true, refunded), "{again:?}");
            assert_eq!(again.text("transaction_id"), charge);
        }
    }
    assert_eq!(client.balance().await, (BONUS, 0));
    client.close().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_length_or_count_beyond_its_limit_is_refused_with_a_json_pointer(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let before = client.balance().await;
    let line = json!({ "service": "x".repeat(49), "quantity": 1 });
    for (lines, wanted) in [
        (json!([]), "`/lines` must have at least 1 item, not 0"),
        (json!([line]), "`/lines/0/service` must have at most 48 characters, not 49"),
    ] {
        let refused = client.write("/charges", json!({ "account_id": ACCOUNT, "lines": lines })).await;
        assert_eq!(refused.problem(), (400, "invalid_request"), "{refused:?}");
        assert_eq!(refused.text("detail"), wanted);
    }
    assert_eq!(client.balance().await, before);
    client.close().await;
}

/// A missing amount does not mean everything; otherwise a misspelt field would refund the whole charge.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refund_needs_an_amount_or_all(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let charge = client.charge(60).await.text("transaction_id");
    let before = client.balance().await;
    for (size, place) in [
        (json!({}), "amount_micro"),
        (json!({ "amount": 1 }), "/amount"),
        (json!({ "amount_mikro": 1_000_000 }), "/amount_mikro"),
        (json!({ "amount_micro": null }), "amount_micro"),
        (json!({ "all": false }), "amount_micro"),
        (json!({ "all": null }), "amount_micro"),
        (json!({ "all": true, "amount_micro": 1 }), "amount_micro"),
        (json!({ "all": "true" }), "/all"),
        (json!({ "amount_micro": "1" }), "/amount_micro"),
        (json!({ "amount_micro": 1.0 }), "/amount_micro"),
    ] {
        let mut body = json!({ "account_id": ACCOUNT, "transaction_id": charge });
        body.as_object_mut().unwrap().extend(size.as_object().unwrap().clone());
        let refused = client.write("/refunds", body).await;
        assert_eq!(refused.problem(), (400, "invalid_request"), "{size}: {refused:?}");
        assert!(refused.text("detail").contains(place), "{size}: {refused:?}");
    }
    assert_eq!(client.balance().await, before);
    let part = json!({ "account_id": ACCOUNT, "transaction_id": charge, "amount_micro": 1, "all": false });
    assert_eq!(client.write("/refunds", part).await.micro("refunded_micro"), 1);
    client.close().await;
}

/// A lost response of a refund made before `all` became required is still returned when the same request is
/// repeated.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refund_from_before_all_was_required_is_replayed(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let charge = client.charge(60).await.text("transaction_id");
    let all = json!({ "account_id": ACCOUNT, "transaction_id": charge, "all": true });
    let first = client.write_as("back", "/refunds", all).await;
    // As stored by the previous release: omitted fields as null.
    let former = format!(
        "refund\n{{\"account_id\":{ACCOUNT},\"amount_micro\":null,\"reference\":null,\"transaction_id\":\"{charge}\"}}"
    );
    let changed = sqlx::query("UPDATE idempotency_keys SET body_hash = SHA2(?, 256) WHERE idem_key = 'back'")
        .bind(former)
        .execute(&client.app.pool)
        .await
        .unwrap();
    assert_eq!(changed.rows_affected(), 1);
    let body = json!({ "account_id": ACCOUNT, "transaction_id": charge });
    let again = client.write_as("back", "/refunds", body.clone()).await;
    assert_eq!((again.status, again.replayed, &again.body), (first.status, true, &first.body));
    assert_eq!(client.write_as("other", "/refunds", body).await.problem(), (400, "invalid_request"));
    client.close().await;
}

/// An account that uninstalled the widget cannot be charged, but can get refunds.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_uninstalled_account_cannot_be_charged_but_can_be_refunded(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let charge = client.charge(60).await.text("transaction_id");
    let held = client.write("/holds", hold_of(60)).await.text("hold_id");
    let kept = client.write("/holds", hold_of(60)).await.text("hold_id");
    uninstall(&client.app).await;
    assert_eq!(client.app.status().await, "uninstalled");
    assert_eq!(client.charge(1).await.problem(), (409, "install_not_active"));
    assert_eq!(client.write("/holds", hold_of(1)).await.problem(), (409, "install_not_active"));
    let lines = json!({ "lines": seconds_of(30)["lines"] });
    assert_eq!(client.write(&format!("/holds/{held}/capture"), lines).await.status, StatusCode::OK);
    assert_eq!(client.write(&format!("/holds/{kept}/release"), json!({})).await.status, StatusCode::OK);
    let refund = json!({ "account_id": ACCOUNT, "transaction_id": charge, "all": true });
    assert_eq!(client.write("/refunds", refund).await.status, StatusCode::CREATED);
    assert_eq!(client.balance().await, (BONUS - 1_250_000, 0));
    client.close().await;
}

fn hold_of(seconds: u64) -> Value {
    let mut body = seconds_of(seconds);
    body["expires_in_s"] = json!(3_600);
    body
}

async fn uninstall(app: &TestApp) {
    app.advance(TimeDelta::minutes(1));
    let amocrm: &Amocrm = &app.amocrm.state;
    amocrm.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    for _ in 0..6 {
        app.run_due_jobs().await;
        app.advance(TimeDelta::minutes(1));
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_widget_without_flycoins_charges_nothing(pool: MySqlPool) {
    let client = WalletClient::at(TestApp::installed(pool).await);
    assert_eq!(client.charge(1).await.problem(), (409, "flycoins_not_used"));
    // An operator enables Flycoins: an existing install gets its wallet and bonus when first needed.
    use_flycoins(&client.app).await;
    assert_eq!(client.charge(60).await.micro("available_micro"), BONUS - 2_500_000);
    client.close().await;
}

/// Forty charges of 10 Flycoins each, sent twice with the same key, compete for 100 Flycoins.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn concurrent_charges_never_exceed_the_balance(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let mut racers = JoinSet::new();
    for number in 0..80 {
        let client = client.clone();
        racers.spawn(async move {
            client.write_as(&format!("race-{}", number / 2), "/charges", seconds_of(240)).await
        });
    }
    let mut charged = std::collections::BTreeSet::new();
    while let Some(answer) = racers.join_next().await {
        let answer = answer.unwrap();
        match answer.status.as_u16() {
            201 => {
                charged.insert(answer.text("transaction_id"));
                assert!(answer.micro("available_micro") >= 0);
            }
            status => assert_eq!((status, answer.problem().1), (402, "insufficient_balance")),
        }
    }
    assert_eq!((charged.len(), client.balance().await), (10, (0, 0)));
    client.close().await;
}
