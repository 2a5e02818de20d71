//! Asking a process beside us how it is: for health checks of containers, which have no HTTP client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The process is not well, or there is none.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// Nobody answers there.
    #[error("nothing answers at {address}")]
    Silent {
        /// Where it was looked for.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Somebody listens there and says nothing in time.
    #[error("{address} gave no answer within {} s", PATIENCE.as_secs())]
    Slow {
        /// Where it was looked for.
        address: SocketAddr,
    },
    /// It answers that it is not well.
    #[error("{address} answered: {answer}")]
    Unwell {
        /// Where it was looked for.
        address: SocketAddr,
        /// The beginning of what it said.
        answer: String,
    },
}

/// Asks `path` of the server that was told to listen on `listen`, from the same machine or container; anything but
/// 200 is an error.
pub async fn ask(listen: SocketAddr, path: &str) -> Result<(), HealthError> {
    let address = reach(listen);
    let answer = tokio::time::timeout(PATIENCE, get(address, path))
        .await
        .map_err(|_| HealthError::Slow { address })?
        .map_err(|source| HealthError::Silent { address, source })?;
    let well = answer.split_whitespace().nth(1) == Some("200");
    if well { Ok(()) } else { Err(HealthError::Unwell { address, answer }) }
}

async fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Who listens on every address is reached at loopback; who listens on one, only there.
fn reach(listen: SocketAddr) -> SocketAddr {
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
            assert_eq!(reach(listen.parse().unwrap()), at.parse().unwrap());
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
            ask(listen, "/health").await
        };
        answers("200 OK").await.unwrap();
        assert!(matches!(answers("503 Service Unavailable").await, Err(HealthError::Unwell { .. })));
        let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(matches!(ask(nobody, "/health").await, Err(HealthError::Silent { .. })));
    }

    #[tokio::test]
    async fn listener_of_metrics_says_that_it_is_well() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        crate::metrics::install(free, "test").unwrap();
        // The exporter begins to listen in a task of its own.
        while ask(free, crate::metrics::HEALTH).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}
