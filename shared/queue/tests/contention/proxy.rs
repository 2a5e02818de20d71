//! A database proxy that rejects commits, as a cluster node rejects a transaction that conflicts with one of
//! another node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// The whole packet of `COM_QUERY` with `COMMIT`, the first of its sequence. Source: MySQL's client/server
/// protocol.
const COMMIT: &[u8] = b"\x07\x00\x00\x00\x03COMMIT";
const ROLLBACK: &[u8] = b"\x09\x00\x00\x00\x03ROLLBACK";

/// A proxy that listens until it is dropped.
pub(crate) struct CommitProxy {
    port: u16,
    plan: Arc<Plan>,
}

#[derive(Default)]
struct Plan {
    /// Number of commits still to be rejected.
    left: AtomicU32,
    /// Error number of the rejection.
    number: AtomicU16,
}

impl CommitProxy {
    pub(crate) async fn start(host: &str, port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (own_port, plan) = (listener.local_addr().unwrap().port(), Arc::<Plan>::default());
        let (server, shared) = ((host.to_owned(), port), Arc::clone(&plan));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(server.clone()).await else { continue };
                pass(client, server, Arc::clone(&shared));
            }
        });
        Self { port: own_port, plan }
    }

    /// Connection options that go through the proxy, without TLS because the proxy parses the traffic.
    pub(crate) fn route(&self, connect: MySqlConnectOptions) -> MySqlConnectOptions {
        connect.host("127.0.0.1").port(self.port).ssl_mode(MySqlSslMode::Disabled)
    }

    /// Rolls back the next `commits` commits and answers them with error `number`.
    pub(crate) fn refuse_commits(&self, commits: u32, number: u16) {
        self.plan.number.store(number, Ordering::SeqCst);
        self.plan.left.store(commits, Ordering::SeqCst);
    }

    /// Number of commits still to be rejected.
    pub(crate) fn left(&self) -> u32 {
        self.plan.left.load(Ordering::SeqCst)
    }
}

impl Plan {
    fn refuses(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }

    /// An error packet in response to the first packet of a sequence.
    fn refusal(&self) -> Vec<u8> {
        let mut body = vec![0xff];
        body.extend(self.number.load(Ordering::SeqCst).to_le_bytes());
        body.extend(b"#40001the transaction was rolled back");
        let mut packet = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
        packet[3] = 1;
        packet.extend(body);
        packet
    }
}

fn pass(client: TcpStream, server: TcpStream, plan: Arc<Plan>) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let refused = Arc::<AtomicBool>::default();
    tokio::spawn(ask(from_client, to_server, Arc::clone(&plan), Arc::clone(&refused)));
    tokio::spawn(answer(from_server, to_client, plan, refused));
}

async fn ask(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    plan: Arc<Plan>,
    refused: Arc<AtomicBool>,
) {
    while let Some(mut packet) = packet(&mut client).await {
        if packet == COMMIT && plan.refuses() {
            refused.store(true, Ordering::SeqCst);
            packet = ROLLBACK.to_vec();
        }
        if server.write_all(&packet).await.is_err() {
            return;
        }
    }
}

async fn answer(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    plan: Arc<Plan>,
    refused: Arc<AtomicBool>,
) {
    while let Some(mut packet) = packet(&mut server).await {
        if refused.swap(false, Ordering::SeqCst) {
            packet = plan.refusal();
        }
        if client.write_all(&packet).await.is_err() {
            return;
        }
    }
}

/// The next packet with its header; `None` at the end of the stream.
async fn packet(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut packet = vec![0; 4];
    from.read_exact(&mut packet).await.ok()?;
    let length = u32::from_le_bytes([packet[0], packet[1], packet[2], 0]);
    packet.resize(4 + usize::try_from(length).ok()?, 0);
    from.read_exact(&mut packet[4..]).await.ok()?;
    Some(packet)
}
