//! Responses that no HTTP library would write, sent byte by byte on a separate socket.
//!
//! The query selects the shape: `spaced` (a space between a header's name and its colon), `untyped` (HTTP/1.0 of
//! a PHP script with `text/html` and no length), `short_length` (`Content-Length` is half of the body),
//! `chunked_cut` (a chunked body that ends in the middle of the file without its last chunk).

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Serves the files of a directory.
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    socket: TcpListener,
    folder: PathBuf,
}

impl Listener {
    /// Binds a free port of 127.0.0.1.
    pub(super) async fn bind(folder: PathBuf) -> std::io::Result<Self> {
        let socket = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Self { address: socket.local_addr()?, socket, folder })
    }

    /// Answers each connection once and closes it.
    pub(super) async fn serve(self) {
        while let Ok((stream, _)) = self.socket.accept().await {
            let folder = self.folder.clone();
            tokio::spawn(async move {
                if let Err(error) = answer(stream, folder).await {
                    tracing::debug!(%error, "a raw response was not delivered");
                }
            });
        }
    }
}

async fn answer(stream: TcpStream, folder: PathBuf) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request).await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 2 {
        line.clear();
    }
    let target = request.split_whitespace().nth(1).unwrap_or_default();
    let (path, shape) = target.split_once('?').unwrap_or((target, ""));
    // Only the last path segment, which prevents path traversal.
    let name = path.rsplit('/').next().unwrap_or_default();
    let head_and_body = match tokio::fs::read(folder.join(name)).await {
        Ok(content) if !name.starts_with('.') => written(shape, &content),
        _ => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
    };
    stream.write_all(&head_and_body).await?;
    stream.shutdown().await
}

fn written(shape: &str, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let (head, body) = match shape {
        "spaced" => (
            format!("HTTP/1.1 200 OK\r\nContent-Type : audio/mpeg\r\nContent-Length : {length}\r\n"),
            content.to_vec(),
        ),
        "untyped" => ("HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n".to_owned(), content.to_vec()),
        "short_length" => {
            (format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", length / 2), content.to_vec())
        }
        "chunked_cut" => {
            let half = &content[..length / 2];
            let chunk = [format!("{:x}\r\n", half.len()).as_bytes(), half, b"\r\n"].concat();
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n".to_owned(), chunk)
        }
        _ => ("HTTP/1.1 400 Bad Request\r\n".to_owned(), Vec::new()),
    };
    [head.as_bytes(), b"Connection: close\r\n\r\n", &body].concat()
}
