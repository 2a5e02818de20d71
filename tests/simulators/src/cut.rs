//! Connections that a handler can cut, as a crashed peer or a broken network would do.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use http::uri::Scheme;
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Open connections of a server, by peer address.
#[derive(Debug, Clone, Default)]
pub struct Connections(Arc<Mutex<HashMap<SocketAddr, Weak<AtomicBool>>>>);

impl Connections {
    /// Breaks the connection of `peer`: further reads and writes fail.
    pub fn cut(&self, peer: &RemoteAddr) {
        let flag = peer.as_socket_addr().and_then(|peer| {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get(peer).and_then(Weak::upgrade)
        });
        if let Some(flag) = flag {
            flag.store(true, Ordering::SeqCst);
        }
    }

    fn admit(&self, peer: SocketAddr, stream: TcpStream) -> CuttableStream {
        let cut = Arc::new(AtomicBool::new(false));
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= 1024 {
            open.retain(|_, flag| flag.strong_count() > 0);
        }
        open.insert(peer, Arc::downgrade(&cut));
        CuttableStream { stream, cut }
    }
}

/// Accepts TCP connections and registers them in [`Connections`].
#[derive(Debug)]
pub struct CuttableAcceptor {
    listener: TcpListener,
    local: LocalAddr,
    connections: Connections,
}

impl CuttableAcceptor {
    /// Accepts from this listener.
    pub fn new(listener: TcpListener, connections: Connections) -> io::Result<Self> {
        let local = LocalAddr(listener.local_addr()?.into());
        Ok(Self { listener, local, connections })
    }
}

impl Acceptor for CuttableAcceptor {
    type Io = CuttableStream;

    fn local_addr(&self) -> Vec<LocalAddr> {
        vec![self.local.clone()]
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        let (stream, peer) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        let stream = self.connections.admit(peer, stream);
        Ok((stream, self.local.clone(), RemoteAddr(peer.into()), Scheme::HTTP))
    }
}

/// A TCP stream that fails once its flag is set.
#[derive(Debug)]
pub struct CuttableStream {
    stream: TcpStream,
    cut: Arc<AtomicBool>,
}

impl CuttableStream {
    fn alive(&self) -> io::Result<()> {
        if self.cut.load(Ordering::SeqCst) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.alive()?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.alive()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.alive()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
