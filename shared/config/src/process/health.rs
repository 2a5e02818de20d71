//! Health check of a process on the same machine, for container images without an HTTP client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Timeout of the check: connecting and reading the response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The process is unhealthy or does not run.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// Connecting, writing or reading failed.
    #[error("cannot reach {address}")]
    Unreachable {
        /// Address that was checked.
        address: SocketAddr,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The process listens but sent no response in time.
    #[error("no response from {address} within {} s", RESPONSE_TIMEOUT.as_secs())]
    TimedOut {
        /// Address that was checked.
        address: SocketAddr,
    },
    /// The response has another status than 200.
    #[error("{address} answered: {answer}")]
    Unhealthy {
        /// Address that was checked.
        address: SocketAddr,
        /// The first 4096 bytes of the response.
        answer: String,
    },
}

/// Sends `GET path` to the server that listens on `listen` on this machine or in this container. Any status but 200 is
/// an error.
pub async fn check(listen: SocketAddr, path: &str) -> Result<(), HealthError> {
    let address = probe_address(listen);
    let answer = tokio::time::timeout(RESPONSE_TIMEOUT, get(address, path))
        .await
        .map_err(|_| HealthError::TimedOut { address })?
        .map_err(|source| HealthError::Unreachable { address, source })?;
    let is_healthy = answer.split_whitespace().nth(1) == Some("200");
    if is_healthy { Ok(()) } else { Err(HealthError::Unhealthy { address, answer }) }
}

async fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A server that listens on all addresses is checked at loopback, any other at its own address.
fn probe_address(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_is_looked_for_where_it_listens() {
        for (listen, at) in [
            ("0.0.0.0:9090", "127.0.0.1:9090"),
            ("[::]:9090", "[::1]:9090"),
            ("10.1.2.3:9090", "10.1.2.3:9090"),
        ] {
            assert_eq!(probe_address(listen.parse().unwrap()), at.parse().unwrap());
        }
    }

    #[tokio::test]
    async fn only_an_answer_of_200_is_well() {
        let answers = async |status: &'static str| {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let listen = listener.local_addr().unwrap();
            tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 128];
                let _ = stream.read(&mut request).await.unwrap();
                stream.write_all(format!("HTTP/1.1 {status}\r\n\r\nhi").as_bytes()).await.unwrap();
            });
            check(listen, "/health").await
        };
        answers("200 OK").await.unwrap();
        assert!(matches!(answers("503 Service Unavailable").await, Err(HealthError::Unhealthy { .. })));
        let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(matches!(check(nobody, "/health").await, Err(HealthError::Unreachable { .. })));
    }

    #[tokio::test]
    async fn listener_of_metrics_says_that_it_is_well() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        super::super::metrics::install(free, "test").unwrap();
        // The exporter starts listening in a separate task.
        while check(free, super::super::metrics::HEALTH_PATH).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}
