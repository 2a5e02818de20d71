//! Real sockets with short limits. Nothing here asserts that something is fast.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::stream;
use poem::endpoint::make_sync;
use poem::http::StatusCode;
use poem::{Body, EndpointExt as _, Response, Route, Server, handler};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;

use super::*;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
/// Longer than any test lasts.
const NEVER: Duration = Duration::from_hours(1);
/// Longer than a busy machine takes to send and read a request.
const SHORT: Duration = Duration::from_secs(2);

fn unlimited() -> ConnectionLimits {
    ConnectionLimits { connections: 100, head: NEVER, idle: NEVER, unread: NEVER }
}

#[handler]
async fn slow() -> &'static str {
    tokio::time::sleep(3 * SHORT).await;
    "late"
}

async fn serve(limits: ConnectionLimits, endless: impl Fn() -> Body + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Connections::default();
    let acceptor = connections.accept_within(listener, limits).unwrap();
    let app = Route::new()
        .at("/", make_sync(|_| "hello"))
        .at("/slow", slow)
        .at("/endless", make_sync(move |_| Response::builder().status(StatusCode::OK).body(endless())))
        .with(connections);
    let server = Server::new_with_acceptor(acceptor).http2_max_concurrent_streams(MAX_HTTP2_STREAMS);
    tokio::spawn(server.run(app));
    address
}

async fn open(limits: ConnectionLimits) -> TcpStream {
    TcpStream::connect(serve(limits, Body::empty).await).await.unwrap()
}

/// Everything until the server closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is closed with unread bytes is reset.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 4096];
    let read = stream.read(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let mut stream = open(ConnectionLimits { idle: SHORT, ..unlimited() }).await;
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_connection_is_closed_when_no_further_request_follows() {
    let mut stream = open(ConnectionLimits { idle: SHORT, ..unlimited() }).await;
    stream.write_all(REQUEST).await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200"));
}

/// A head that arrives byte by byte is progress, and still ends the connection.
#[tokio::test]
async fn an_incomplete_head_closes_the_connection_even_while_it_grows() {
    let mut stream = open(ConnectionLimits { head: SHORT, ..unlimited() }).await;
    let (mut reader, mut writer) = stream.split();
    let grow = async {
        writer.write_all(b"GET / HTTP/1.1\r\nX-Long: ").await.unwrap();
        while writer.write_all(b"a").await.is_ok() {
            tokio::time::sleep(SHORT / 50).await;
        }
    };
    let mut bytes = Vec::new();
    tokio::select! {
        () = grow => {}
        _ = reader.read_to_end(&mut bytes) => {}
    }
    assert!(!String::from_utf8_lossy(&bytes).contains("200 OK"));
}

#[tokio::test]
async fn a_request_may_run_for_longer_than_a_connection_may_be_idle() {
    let mut stream = open(ConnectionLimits { idle: SHORT, head: SHORT, ..unlimited() }).await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: api.example.com\r\n\r\n").await.unwrap();
    assert!(rest(&mut stream).await.ends_with("late"));
}

/// Notifies when the body is dropped.
struct Dropped(Arc<Notify>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_dropped() {
    let dropped = Arc::new(Notify::new());
    let tell = Arc::clone(&dropped);
    let endless = move || {
        let guard = Dropped(Arc::clone(&tell));
        Body::from_bytes_stream(stream::repeat_with(move || {
            let _ = &guard;
            Ok::<_, io::Error>(Bytes::from_static(&[0; 4096]))
        }))
    };
    let address = serve(ConnectionLimits { unread: SHORT, ..unlimited() }, endless).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: api.example.com\r\n\r\n").await.unwrap();
    dropped.notified().await;
}

#[tokio::test]
async fn further_connections_wait_until_one_is_closed() {
    let address = serve(ConnectionLimits { connections: 1, ..unlimited() }, Body::empty).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(REQUEST).await.unwrap();
    assert!(answer(&mut first).await.starts_with("HTTP/1.1 200"));
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(REQUEST).await.unwrap();
    let answered = AtomicUsize::new(0);
    tokio::select! {
        told = answer(&mut second) => panic!("a second connection was served: {told}"),
        () = async {
            first.write_all(REQUEST).await.unwrap();
            answer(&mut first).await;
            answered.fetch_add(1, Ordering::Relaxed);
        } => {}
    }
    assert_eq!(answered.load(Ordering::Relaxed), 1);
    drop(first);
    assert!(answer(&mut second).await.starts_with("HTTP/1.1 200"));
}

const HTTP2_START: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// `GET /` on this stream: a frame `HEADERS` with entries of the static table (RFC 7541).
fn http2_request(id: u8) -> Vec<u8> {
    let mut frame = vec![0, 0, 20, 1, 5, 0, 0, 0, id, 0x82, 0x86, 0x84, 0x01, 15];
    frame.extend_from_slice(b"api.example.com");
    frame
}

/// Reads frames until this stream ends.
async fn read_http2_answer(stream: &mut TcpStream, id: u8) {
    loop {
        let mut head = [0_u8; 9];
        stream.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        stream.read_exact(&mut payload).await.unwrap();
        let is_of_a_message = head[3] <= 1;
        if is_of_a_message && head[4] & 1 == 1 && head[8] == id {
            return;
        }
    }
}

/// Between requests a client sends frames of its own.
#[tokio::test]
async fn an_idle_http2_connection_may_last_longer_than_a_head() {
    let mut stream = open(ConnectionLimits { head: SHORT, ..unlimited() }).await;
    stream.write_all(HTTP2_START).await.unwrap();
    stream.write_all(&http2_request(1)).await.unwrap();
    read_http2_answer(&mut stream, 1).await;
    let settings_acknowledged = b"\x00\x00\x00\x04\x01\x00\x00\x00\x00";
    stream.write_all(settings_acknowledged).await.unwrap();
    tokio::time::sleep(3 * SHORT).await;
    stream.write_all(&http2_request(3)).await.unwrap();
    read_http2_answer(&mut stream, 3).await;
}

/// RFC 9113, 3.4 and 6.5: the server answers the preface with its settings.
#[tokio::test]
async fn an_http2_connection_has_a_limited_number_of_streams() {
    let mut stream = open(unlimited()).await;
    stream.write_all(HTTP2_START).await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "settings come first");
    let mut settings = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
    stream.read_exact(&mut settings).await.unwrap();
    let streams = settings.chunks_exact(6).find(|it| it[..2] == [0, 3]).expect("a limit of streams");
    assert_eq!(u32::from_be_bytes([streams[2], streams[3], streams[4], streams[5]]), MAX_HTTP2_STREAMS);
}
