//! Backends of vendors: some accept events at once, some never respond.
//!
//! They share the cores with what is measured, so they read of a request what they count, and write an answer of one line: HTTP/1.1
//! over TCP with persistent connections, without a server's framework.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The answer of a backend that accepts an event.
const ACCEPTED: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
/// End of the head of a request.
const HEAD_END: &[u8] = b"\r\n\r\n";
/// No request is longer, in bytes.
const MAX_REQUEST_LEN: usize = 64 * 1024;
/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

type Arrivals = Arc<Mutex<Received>>;

/// What has arrived.
#[derive(Debug, Default)]
struct Received {
    events: HashMap<String, Instant>,
    /// Ports of the sender, one for each of its connections.
    ports: HashSet<u16>,
}

/// Receiver of events, with the arrival time of each.
#[derive(Debug)]
pub(super) struct Sink {
    /// `http://127.0.0.1:…`.
    pub(super) url: String,
    /// `127.0.0.1:…`, without the scheme.
    pub(super) addr: String,
    arrivals: Arrivals,
}

impl Sink {
    /// Starts a server that runs until the process ends.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let arrivals = Arrivals::default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?.to_string();
        tokio::spawn(accept(listener, Arc::clone(&arrivals)));
        Ok(Self { url: format!("http://{addr}"), addr, arrivals })
    }

    /// Clears the recorded arrivals.
    pub(super) fn forget(&self) {
        *locked(&self.arrivals) = Received::default();
    }

    /// Number of connections over which events have arrived.
    pub(super) fn connections(&self) -> usize {
        locked(&self.arrivals).ports.len()
    }

    /// Waits until `wanted` different events have arrived; returns their arrival times.
    pub(super) async fn wait_for(
        &self,
        wanted: usize,
        timeout: Duration,
    ) -> anyhow::Result<HashMap<String, Instant>> {
        let deadline = Instant::now() + timeout;
        loop {
            let count = locked(&self.arrivals).events.len();
            if count >= wanted {
                return Ok(locked(&self.arrivals).events.clone());
            }
            if Instant::now() > deadline {
                bail!("{count} of {wanted} events arrived within {} s", timeout.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A request that has arrived with its body.
#[derive(Debug, PartialEq, Eq)]
struct EventRequest {
    /// Id of the event.
    id: String,
    /// Whether it is for a backend that never responds.
    hangs: bool,
    /// Length of head and body, in bytes.
    length: usize,
}

impl EventRequest {
    /// The first request of what was received; `None` if a part of it is missing.
    fn parse(received: &[u8]) -> anyhow::Result<Option<Self>> {
        let Some(head_len) = received.windows(HEAD_END.len()).position(|bytes| bytes == HEAD_END) else {
            ensure!(received.len() < MAX_REQUEST_LEN, "the head of a request is too long");
            return Ok(None);
        };
        let mut lines = std::str::from_utf8(&received[..head_len])?.split("\r\n");
        let hangs = lines.next().is_some_and(|line| line.starts_with("POST /hang/"));
        let (mut id, mut body_len) = (String::new(), 0);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("webhook-id") {
                value.trim().clone_into(&mut id);
            } else if name.eq_ignore_ascii_case("content-length") {
                body_len = value.trim().parse()?;
            }
        }
        ensure!(body_len < MAX_REQUEST_LEN, "the body of a request is too long");
        let length = head_len + HEAD_END.len() + body_len;
        Ok((received.len() >= length).then_some(Self { id, hangs, length }))
    }
}

/// Accepts connections until the process ends.
async fn accept(listener: TcpListener, arrivals: Arrivals) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(serve(stream, peer.port(), Arc::clone(&arrivals)));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Answers the requests of a connection until it ends, or one of them is malformed or for a backend that never responds. `port`
/// is the sender's.
async fn serve(mut stream: TcpStream, port: u16, arrivals: Arrivals) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut received: Vec<u8> = Vec::with_capacity(4096);
    loop {
        let Some(request) = EventRequest::parse(&received)? else {
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
            continue;
        };
        if request.hangs {
            // Until the sender closes the connection.
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
            return Ok(());
        }
        received.drain(..request.length);
        {
            let mut arrived = locked(&arrivals);
            arrived.events.entry(request.id).or_insert_with(Instant::now);
            arrived.ports.insert(port);
        }
        stream.write_all(ACCEPTED).await?;
    }
}

fn locked(arrivals: &Arrivals) -> std::sync::MutexGuard<'_, Received> {
    arrivals.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, id: &str) -> String {
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nwebhook-id: {id}\r\nContent-Length: 2\r\n\r\n{{}}")
    }

    #[test]
    fn a_request_is_complete_with_its_body() {
        let text = request("/take/1", "evt_1");
        let complete = EventRequest { id: "evt_1".to_owned(), hangs: false, length: text.len() };
        assert_eq!(EventRequest::parse(text.as_bytes()).unwrap(), Some(complete));
        for length in [0, 10, text.len() - 1] {
            assert_eq!(EventRequest::parse(&text.as_bytes()[..length]).unwrap(), None, "{length} bytes");
        }
        let hanging = EventRequest::parse(request("/hang/1", "evt_2").as_bytes()).unwrap().unwrap();
        assert!(hanging.hangs);
    }

    #[tokio::test]
    async fn each_request_of_a_connection_is_counted_and_answered() {
        let sink = Sink::start().await.unwrap();
        let mut stream = TcpStream::connect(&sink.addr).await.unwrap();
        let sent = request("/take/1", "evt_1") + &request("/take/2", "evt_2") + &request("/take/2", "evt_2");
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answers = vec![0; 3 * ACCEPTED.len()];
        stream.read_exact(&mut answers).await.unwrap();
        assert_eq!(answers, ACCEPTED.repeat(3));
        let arrived = sink.wait_for(2, Duration::from_secs(1)).await.unwrap();
        assert_eq!((arrived.len(), sink.connections()), (2, 1));
    }
}
