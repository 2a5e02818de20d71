#!/bin/sh
# Guess: a client that speaks SMTP turns Nagle's algorithm off, or writes a letter and its end at once. On one machine a letter
#   takes a millisecond.
# What happens: lettre's connections (`connect_tokio1`, which its transports use as well) leave the algorithm on, and write the
#   closing line `.` after the content in a write of its own. The kernel holds that line back until the server acknowledges the
#   content; the server has nothing to say before the line has come, so its kernel delays the acknowledgement, by 40 ms on Linux.
#   Every letter waits for that. Over a socket that was opened by the caller with TCP_NODELAY (`connect_with_transport`) it
#   does not.
# Version: lettre 0.11.23 (tokio1), aiosmtpd 1.4.6 as the server.
# What it means: a program that sends many letters opens the connection itself. For implicit TLS the crate takes no open socket.
set -eu
dir=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid"; wait; rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
lettre = { version = "=0.11.23", default-features = false, features = ["smtp-transport", "builder", "tokio1"] }
tokio = { version = "1", features = ["rt", "net", "time"] }
TOML
cat > src/main.rs <<'RUST'
use std::time::{Duration, Instant};

use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use tokio::net::TcpStream;

const LETTER: &[u8] = b"From: a@example.test\r\nTo: b@example.test\r\nSubject: none\r\n\r\nText";

async fn open(port: u16, own_socket: bool) -> AsyncSmtpConnection {
    let hello = ClientId::Domain("example.test".to_owned());
    if !own_socket {
        let opened = AsyncSmtpConnection::connect_tokio1(("127.0.0.1", port), None, &hello, None, None);
        return opened.await.expect("a greeting");
    }
    let socket = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
    socket.set_nodelay(true).expect("the option");
    AsyncSmtpConnection::connect_with_transport(Box::new(socket), &hello).await.expect("a greeting")
}

/// Median of nine letters: from the server's "354" to its "250".
async fn content(port: u16, own_socket: bool) -> Duration {
    let mut took = Vec::new();
    for _ in 0..9 {
        let mut connection = open(port, own_socket).await;
        let sender = Some("a@example.test".parse().expect("an address"));
        connection.command(Mail::new(sender, Vec::new())).await.expect("MAIL");
        let recipient = "b@example.test".parse().expect("an address");
        connection.command(Rcpt::new(recipient, Vec::new())).await.expect("RCPT");
        connection.command(Data).await.expect("DATA");
        let began = Instant::now();
        connection.message(LETTER).await.expect("the letter");
        took.push(began.elapsed());
        connection.quit().await.expect("QUIT");
    }
    took.sort();
    took[took.len() / 2]
}

fn main() {
    let port = std::env::args().nth(1).expect("a port").parse().expect("a port");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (library, own) = runtime.block_on(async { (content(port, false).await, content(port, true).await) });
    println!("content and its end, median of 9: {} ms by the library's socket, {} ms with TCP_NODELAY",
        library.as_millis(), own.as_millis());
    assert!(library >= Duration::from_millis(30) && own < Duration::from_millis(10), "this has changed");
}
RUST
cargo build --quiet --target-dir target
python3 -m venv venv
venv/bin/pip install --quiet aiosmtpd==1.4.6
port=$(venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
venv/bin/python -m aiosmtpd -n -l "127.0.0.1:$port" > server.log 2>&1 &
pid=$!
until venv/bin/python -c "import socket; socket.create_connection(('127.0.0.1', $port))" 2> /dev/null; do sleep 0.1; done
grep -A 1 '^name = "lettre"' Cargo.lock
target/debug/finding "$port"
