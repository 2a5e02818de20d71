//! The metrics exporter, scraped over HTTP as by Prometheus.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

fn scrape(listen: SocketAddr) -> String {
    let mut stream = TcpStream::connect(listen).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: metrics\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn metrics_are_served_and_a_second_exporter_is_rejected() {
    let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    flysk_config::process::metrics::install(listen, "test").unwrap();
    metrics::histogram!("flysk_job_seconds", "kind" => "calls.settle").record(0.02);

    let answer = tokio::task::spawn_blocking(move || scrape(listen)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("flysk_build_info{"), "{answer}");
    assert!(answer.contains(r#"flysk_job_seconds_bucket{kind="calls.settle",le="0.025"} 1"#), "{answer}");
    assert!(answer.contains(r#"flysk_job_seconds_bucket{kind="calls.settle",le="0.01"} 0"#), "{answer}");

    let error = flysk_config::process::metrics::install(listen, "test").unwrap_err();
    assert!(error.to_string().contains(&listen.to_string()), "{error}");
}
