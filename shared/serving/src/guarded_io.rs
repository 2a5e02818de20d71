//! A socket that fails when its client lets the server wait for too long.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use super::{ConnectionLimits, OpenConnection, lock};

/// First bytes of an HTTP/2 connection (RFC 9113, 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2";

/// A TCP connection within [`ConnectionLimits`].
pub struct GuardedIo {
    stream: TcpStream,
    connection: OpenConnection,
    limits: ConnectionLimits,
    read_timer: Pin<Box<Sleep>>,
    /// Number of first bytes that are those of [`HTTP2_PREFACE`]; `None` once one differs.
    preface: Option<usize>,
    /// Runs while the client reads nothing.
    write_timer: Option<Pin<Box<Sleep>>>,
    _permit: OwnedSemaphorePermit,
}

impl GuardedIo {
    pub(super) fn new(
        stream: TcpStream,
        connection: OpenConnection,
        limits: ConnectionLimits,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let read_timer = Box::pin(tokio::time::sleep(limits.idle));
        Self { stream, connection, limits, read_timer, preface: Some(0), write_timer: None, _permit: permit }
    }

    /// Pending until the client has let the server wait for too long.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let deadline = lock(&self.connection.activity).deadline(&self.limits);
            let now = Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            // While a request runs, look again later.
            self.read_timer.as_mut().reset(deadline.unwrap_or(now + self.limits.idle));
            ready!(self.read_timer.as_mut().poll(cx));
        }
    }

    /// Notes bytes from the client. On an HTTP/2 connection that has served a request they may belong to none, so that no head
    /// is waited for: the client is only idle.
    fn note_read(&mut self, bytes: &[u8]) {
        if let Some(seen) = self.preface {
            let expected = HTTP2_PREFACE.get(seen..).unwrap_or_default();
            let same = bytes.iter().zip(expected).take_while(|(byte, other)| byte == other).count();
            self.preface = (same == bytes.len().min(expected.len())).then_some(seen + same);
        }
        let is_http2 = self.preface == Some(HTTP2_PREFACE.len());
        let mut activity = lock(&self.connection.activity);
        if activity.requests == 0 && !(is_http2 && activity.has_served) {
            activity.head_since.get_or_insert_with(Instant::now);
        }
    }

    /// Notes progress of writing, or fails after a time without any.
    fn note_write<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(result) = written {
            self.write_timer = None;
            let mut activity = lock(&self.connection.activity);
            activity.idle_since = Instant::now();
            activity.head_since = None;
            return Poll::Ready(result);
        }
        let unread = self.limits.unread;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(unread)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for GuardedIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.stream).poll_read(cx, buf) {
            if let Some(bytes) = buf.filled().get(before..).filter(|bytes| !bytes.is_empty()) {
                this.note_read(bytes);
            }
            return Poll::Ready(result);
        }
        this.poll_deadline(cx).map(Err)
    }
}

impl AsyncWrite for GuardedIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.note_write(cx, written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.note_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
