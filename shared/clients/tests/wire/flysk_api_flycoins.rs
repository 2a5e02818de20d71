//! Payment with Flycoins from a vendor's view.

use std::time::Duration;

use chrono::DateTime;
use flysk_clients::flysk_api::{
    CaptureRequest, ChargeRequest, Config, EstimateRequest, FlycoinRefusal, FlyskApi, FlyskApiError,
    HoldRequest, HoldSize, HoldState, IdempotencyKey, Line, RefundRequest, RefundSize,
};
use flysk_clients::http::HttpOptions;
use flysk_domain::SystemClock;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::id::{AccountId, HoldId, TransactionId};
use flysk_domain::trace::Trace;
use serde_json::{Value, json};

use crate::server::{Reply, Request, Server};

const ACCOUNT: AccountId = AccountId(12_345_678);

fn platform(server: &Server) -> FlyskApi {
    let base_url = server.url("/flysk/").parse().unwrap();
    FlyskApi::new(Config { base_url, project_token: "project-s3cr3t".into(), http: HttpOptions::default() })
        .unwrap()
}

fn key() -> IdempotencyKey {
    IdempotencyKey::new("hold-tr_1-1-1").unwrap()
}

fn lines() -> Vec<Line> {
    vec![Line { service: "flysense.recognition".into(), quantity: 95 }]
}

fn quote() -> Value {
    json!({"service": "flysense.recognition", "version": 1, "unit": "second", "quantity": 95, "billed": 95,
        "tariff": {"kind": "per_minute", "rate_micro": 2_500_000, "at_least_s": 15}, "rounding": "half_up",
        "amount_micro": 3_958_333, "new": 1})
}

/// Every request has the project token and the trace; a write also has an idempotency key.
fn assert_headers(request: &Request, key: Option<&str>) {
    assert_eq!(request.header("x-project-token"), Some("project-s3cr3t"));
    assert_eq!(request.header("x-request-id"), Some("order-12345"));
    assert_eq!(request.header("idempotency-key"), key);
}

fn trace() -> Trace {
    Trace { correlation_id: "order-12345".into(), traceparent: None }
}

#[tokio::test]
async fn a_price_is_estimated() {
    let answer =
        json!({"lines": [quote()], "total_micro": 3_958_333, "available_micro": 1, "covered": false});
    let server = Server::always(Reply::json(200, answer.to_string())).await;
    let wanted = EstimateRequest { account_id: ACCOUNT, lines: lines() };
    let estimate = platform(&server).estimate(&wanted, Some(&trace())).await.unwrap();
    assert_eq!((estimate.total_micro, estimate.available_micro, estimate.covered), (3_958_333, 1, false));
    assert_eq!((estimate.lines[0].billed, estimate.lines[0].rounding.as_str()), (95, "half_up"));
    assert_eq!(estimate.lines[0].tariff["rate_micro"], 2_500_000);
    let request = server.only_request();
    assert_eq!(request.target, "/flysk/v1/backend/flycoins/estimate");
    assert_headers(&request, None);
    let line = json!({"service": "flysense.recognition", "quantity": 95});
    assert_eq!(request.json(), json!({"account_id": 12_345_678, "lines": [line]}));
}

#[tokio::test]
async fn a_hold_is_placed_read_captured_and_released() {
    let (hold, transaction) = (HoldId::generate(&SystemClock), TransactionId::generate(&SystemClock));
    let server = Server::start(move |request, _| {
        let balances = json!({"hold_id": hold, "transaction_id": transaction, "available_micro": 5, "held_micro": 2,
            "amount_micro": 4_000_000, "charged_micro": 3_958_333, "captured_micro": 0, "account_id": 12_345_678,
            "expires_at": "2026-11-26T10:00:00Z", "state": "hibernating", "receipt": [quote()]});
        Reply::json(if request.target.ends_with("/holds") { 201 } else { 200 }, balances.to_string())
    })
    .await;
    let (platform, trace) = (platform(&server), trace());
    let wanted = HoldRequest {
        account_id: ACCOUNT,
        size: HoldSize::Lines(lines()),
        expires_in_s: 86_400,
        reference: Some("Звонок".into()),
    };
    let placed = platform.hold(&wanted, &key(), Some(&trace)).await.unwrap();
    assert_eq!((placed.hold_id, placed.amount_micro, placed.held_micro), (hold, 4_000_000, 2));
    assert_eq!(placed.expires_at, DateTime::parse_from_rfc3339("2026-11-26T10:00:00Z").unwrap());
    let status = platform.hold_status(hold, Some(&trace)).await.unwrap();
    assert_eq!((status.state, status.captured_micro), (HoldState::Other("hibernating".into()), 0));
    let capture = CaptureRequest { lines: lines(), reference: None };
    let captured = platform.capture(hold, &capture, &key(), Some(&trace)).await.unwrap();
    assert_eq!((captured.charged_micro, captured.transaction_id), (3_958_333, transaction));
    assert_eq!(captured.receipt.len(), 1);
    let released = platform.release(hold, &key(), Some(&trace)).await.unwrap();
    assert_eq!((released.available_micro, released.held_micro), (5, 2));

    let requests = server.requests();
    let line = json!({"service": "flysense.recognition", "quantity": 95});
    let expected = [
        (
            "POST",
            String::new(),
            Some(json!({"account_id": 12_345_678, "lines": [line.clone()],
            "expires_in_s": 86_400, "reference": "Звонок"})),
        ),
        ("GET", format!("/{hold}"), None),
        ("POST", format!("/{hold}/capture"), Some(json!({"lines": [line]}))),
        ("POST", format!("/{hold}/release"), Some(json!({}))),
    ];
    assert_eq!(requests.len(), expected.len());
    for (request, (method, path, body)) in requests.iter().zip(expected) {
        assert_eq!(
            (request.method.as_str(), &request.target),
            (method, &format!("/flysk/v1/backend/flycoins/holds{path}"))
        );
        assert_headers(request, body.is_some().then_some("hold-tr_1-1-1"));
        assert!(body.is_none_or(|body| request.json() == body), "{request:?}");
    }
}

#[tokio::test]
async fn an_amount_is_held_charged_and_refunded_without_lines() {
    let (hold, transaction) = (HoldId::generate(&SystemClock), TransactionId::generate(&SystemClock));
    let server = Server::start(move |_, _| {
        let answer = json!({"hold_id": hold, "transaction_id": transaction, "available_micro": 5, "held_micro": 2,
            "amount_micro": 7, "charged_micro": 7, "refunded_micro": 7, "expires_at": "2026-11-26T10:00:00Z", "receipt": []});
        Reply::json(201, answer.to_string())
    })
    .await;
    let (platform, trace) = (platform(&server), trace());
    let wanted = HoldRequest {
        account_id: ACCOUNT,
        size: HoldSize::AmountMicro(7),
        expires_in_s: 60,
        reference: None,
    };
    platform.hold(&wanted, &key(), Some(&trace)).await.unwrap();
    let charge = ChargeRequest { account_id: ACCOUNT, lines: lines(), reference: None };
    assert_eq!(platform.charge(&charge, &key(), Some(&trace)).await.unwrap().charged_micro, 7);
    let refund = RefundRequest {
        account_id: ACCOUNT,
        transaction_id: transaction,
        size: RefundSize::All,
        reference: None,
    };
    assert_eq!(platform.refund(&refund, &key(), Some(&trace)).await.unwrap().refunded_micro, 7);
    let requests = server.requests();
    assert_eq!(requests[0].json(), json!({"account_id": 12_345_678, "amount_micro": 7, "expires_in_s": 60}));
    assert_eq!(requests[1].target, "/flysk/v1/backend/flycoins/charges");
    let all = json!({"account_id": 12_345_678, "transaction_id": transaction, "all": true});
    assert_eq!(requests[2].json(), all);
    let part = serde_json::to_value(RefundRequest { size: RefundSize::Part(5), ..refund }).unwrap();
    assert_eq!(part, json!({"account_id": 12_345_678, "transaction_id": transaction, "amount_micro": 5}));
    for request in &requests {
        assert_headers(request, Some("hold-tr_1-1-1"));
    }
}

#[tokio::test]
async fn a_balance_is_requested_by_account() {
    let answer = json!({"account_id": 12_345_678, "available_micro": 963_000_000, "held_micro": 3});
    let server = Server::always(Reply::json(200, answer.to_string())).await;
    let balance = platform(&server).balance(ACCOUNT, Some(&trace())).await.unwrap();
    assert_eq!((balance.available_micro, balance.held_micro), (963_000_000, 3));
    let request = server.only_request();
    assert_eq!(request.target, "/flysk/v1/backend/flycoins/balance?account_id=12345678");
    assert_headers(&request, None);
}

#[tokio::test]
async fn errors_are_classified_and_lost_responses_are_retried() {
    let problem = |status: u16, code: &str| {
        Reply::json(status, json!({"status": status, "code": code, "detail": "for people"}).to_string())
    };
    for (reply, refusal, outcome) in [
        (
            problem(402, "insufficient_balance"),
            Some(FlycoinRefusal::InsufficientBalance),
            FailureAction::WAIT,
        ),
        (problem(409, "flycoins_not_used"), Some(FlycoinRefusal::NotUsed), FailureAction::GiveUp),
        (problem(409, "hold_ended"), Some(FlycoinRefusal::HoldEnded), FailureAction::GiveUp),
        (problem(409, "install_not_active"), Some(FlycoinRefusal::InstallNotActive), FailureAction::GiveUp),
        (problem(409, "more_than_charged"), Some(FlycoinRefusal::MoreThanCharged), FailureAction::GiveUp),
        (problem(404, "install_not_found"), Some(FlycoinRefusal::InstallNotFound), FailureAction::GiveUp),
        (problem(404, "unknown_hold"), Some(FlycoinRefusal::UnknownHold), FailureAction::GiveUp),
        (problem(404, "unknown_charge"), Some(FlycoinRefusal::UnknownCharge), FailureAction::GiveUp),
        (problem(400, "unknown_service"), Some(FlycoinRefusal::UnknownService), FailureAction::GiveUp),
        (problem(422, "idempotency_key_reused"), Some(FlycoinRefusal::KeyReused), FailureAction::GiveUp),
        (problem(401, "unauthorized"), None, FailureAction::GiveUp),
        (problem(429, "too_many_requests"), None, FailureAction::WAIT),
        (problem(503, "unavailable"), None, FailureAction::RETRY),
        (Reply::page(502), None, FailureAction::RETRY),
        (Reply::nothing(), None, FailureAction::RETRY),
        (Reply::json(201, "{}"), None, FailureAction::RETRY),
    ] {
        let label = format!("{reply:?}");
        let server = Server::always(reply).await;
        let charge = ChargeRequest { account_id: ACCOUNT, lines: lines(), reference: None };
        let error = platform(&server).charge(&charge, &key(), None).await.unwrap_err();
        assert_eq!((error.flycoins(), error.outcome()), (refusal, outcome), "{label}");
        assert!(!crate::all_words(&error).contains("s3cr3t"), "{label}");
    }
}

#[tokio::test]
async fn a_request_to_a_hanging_platform_times_out() {
    let server = Server::always(Reply::cut(201, &[], "{}", 1).then_silence()).await;
    let config = Config {
        base_url: server.base(),
        project_token: "project-s3cr3t".into(),
        http: HttpOptions::with_timeout(Duration::from_millis(200)),
    };
    let charge = ChargeRequest { account_id: ACCOUNT, lines: lines(), reference: None };
    let error = FlyskApi::new(config).unwrap().charge(&charge, &key(), None).await.unwrap_err();
    assert!(matches!(error, FlyskApiError::NoAnswer(_)));
    assert_eq!(error.outcome(), FailureAction::RETRY);
}

#[test]
fn keys_are_visible_ascii_within_the_length_limit() {
    assert!(IdempotencyKey::new("k".repeat(120)).is_ok());
    for text in [String::new(), "k".repeat(121), "a b".into(), "ключ".into(), "a\n".into()] {
        assert!(IdempotencyKey::new(text.clone()).is_err(), "{text:?}");
    }
}
