//! A network link to a server that a test can cut.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bytes that are forwarded together.
const BUFFER_BYTES: usize = 16 * 1024;

/// A port that leads to a server. While it is cut, nothing gets through in either direction and no connection ends: as when
/// packets are lost, the sender keeps what was not delivered. Connections that are opened meanwhile wait.
#[derive(Debug)]
pub struct Link {
    /// Port on 127.0.0.1.
    pub port: u16,
    is_open: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Link {
    /// Opens a link to a port on 127.0.0.1.
    pub async fn to(server: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let (is_open, opened) = watch::channel(true);
        let accepting = tokio::spawn(accept(listener, server, opened));
        Ok(Self { port, is_open, accepting })
    }

    /// Lets nothing through any more; connections stay open.
    pub fn cut(&self) {
        self.is_open.send_replace(false);
    }

    /// Makes it work again. What was held back is delivered.
    pub fn heal(&self) {
        self.is_open.send_replace(true);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: u16, mut opened: watch::Receiver<bool>) {
    while let Ok((client, _)) = listener.accept().await {
        if opened.wait_for(|is_open| *is_open).await.is_err() {
            return;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { continue };
        // Otherwise small statements would wait for each other's acknowledgements.
        let _best_effort = (client.set_nodelay(true), server.set_nodelay(true));
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::spawn(forward(from_client, to_server, opened.clone()));
        tokio::spawn(forward(from_server, to_client, opened.clone()));
    }
}

/// Forwards until the sender or the link ends.
async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut opened: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        if opened.wait_for(|is_open| *is_open).await.is_err() {
            return Ok(());
        }
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(buffer.get(..read).unwrap_or_default()).await?;
    }
}
