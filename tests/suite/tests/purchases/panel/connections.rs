//! The process of the portal, which everybody may reach, serves connections within limits.

use std::process::{Child, Stdio};
use std::time::Duration;

use flysk_suite::ports::quiet_port;
use sqlx::MySqlPool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::harness::Panel;

/// Beginning of an HTTP/2 connection with an empty SETTINGS frame (RFC 9113, 3.4 and 6.5).
const BEGINNING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Id of the setting `SETTINGS_MAX_CONCURRENT_STREAMS`.
const MAX_STREAMS: u16 = 3;
/// Its value, `flysk_serving::MAX_HTTP2_STREAMS`; the default of the server's library is another one.
const STREAMS: u32 = 64;
/// Time for a process to start.
const START_TIMEOUT: Duration = Duration::from_mins(5);

/// A process that ends with its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn connect(port: u16) -> TcpStream {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < deadline, "the portal did not start: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The server's settings: id and value.
async fn settings(stream: &mut TcpStream) -> Vec<(u16, u32)> {
    stream.write_all(BEGINNING).await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "the first frame has the settings: {head:?}");
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await.unwrap();
    let setting = |bytes: &[u8]| {
        (
            u16::from_be_bytes([bytes[0], bytes[1]]),
            u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]),
        )
    };
    payload.chunks_exact(6).map(setting).collect()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn panel_and_portal_bound_connections_as_the_api_does(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    for only in ["portal", "panel"] {
        let port = quiet_port().unwrap();
        let mut command = panel.prepare(&["serve", "--only", only]).await;
        command.env("FLYSK_ADMIN_LISTEN", format!("127.0.0.1:{port}"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let _process = Process(command.spawn().unwrap());
        let mut stream = connect(port).await;
        let told = settings(&mut stream).await;
        // The limits of time and number come with the same acceptor; its own tests are in `shared/serving`.
        assert!(told.contains(&(MAX_STREAMS, STREAMS)), "{only}: {told:?}");
    }
}
