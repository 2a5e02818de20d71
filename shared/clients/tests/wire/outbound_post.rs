//! POST requests to event endpoints.

use std::time::Duration;

use flysk_clients::outbound::{OutboundError, PostLimits, Response};
use http::HeaderMap;

use crate::outbound_addresses::opened_for;
use crate::server::{Reply, Server};

async fn post(server: &Server, limits: PostLimits) -> Result<Response, OutboundError> {
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", "evt_1".parse().unwrap());
    headers.insert("content-type", "application/json".parse().unwrap());
    opened_for(server).post(&server.url("/events"), headers, r#"{"event":"install"}"#.into(), &limits).await
}

#[tokio::test]
async fn an_event_is_sent_with_its_headers_and_the_response_is_truncated() {
    let long = "я".repeat(2000);
    let server = Server::always(Reply::new(503, &[("Retry-After", "30")], &long)).await;
    let answer = post(&server, PostLimits::default()).await.unwrap();
    assert_eq!((answer.status, answer.is_success()), (503, false));
    assert_eq!(answer.retry_after, Some(Duration::from_secs(30)));
    assert_eq!(answer.body_head, long.as_bytes()[..1024]);
    let request = server.only_request();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/events"));
    assert_eq!(request.header("webhook-id"), Some("evt_1"));
    assert_eq!(request.json()["event"], "install");
}

#[tokio::test]
async fn a_redirect_is_a_response_and_is_not_followed() {
    let server = Server::always(Reply::new(307, &[("Location", "/elsewhere")], "")).await;
    assert_eq!(post(&server, PostLimits::default()).await.unwrap().status, 307);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_status_counts_even_if_the_body_never_ends() {
    let server = Server::always(Reply::cut(200, &[], "x".repeat(100), 10).then_silence()).await;
    let answer = post(&server, PostLimits { total: Duration::from_secs(3) }).await.unwrap();
    assert!(answer.is_success());
    assert_eq!(answer.text(), "x".repeat(10));
}

#[tokio::test]
async fn a_hanging_endpoint_times_out() {
    let server = Server::always(Reply::nothing().then_silence()).await;
    let error = post(&server, PostLimits { total: Duration::from_millis(50) }).await.unwrap_err();
    assert!(matches!(error, OutboundError::TimedOut), "{error:?}");
}

#[tokio::test]
async fn response_bodies_are_not_in_debug() {
    let server = Server::always(Reply::new(200, &[], "token=s3cr3t")).await;
    let answer = post(&server, PostLimits::default()).await.unwrap();
    assert!(!format!("{answer:?}").contains("s3cr3t"));
}
