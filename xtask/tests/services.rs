//! Starts, kills and recognizes real servers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use xtask::services::{Durability, Mysql, Redis, Server};

/// A directory that is removed after the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = xtask::workspace::target().join("services").join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self(dir.canonicalize().unwrap())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A server that is stopped after the test, even if the test fails.
struct Guarded(Server);

impl Drop for Guarded {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// Sends one line and compares the answer.
fn ask(server: &Server, line: &str, answer: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.write_all(line.as_bytes()).unwrap();
    let mut bytes = vec![0; answer.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), answer);
}

#[test]
fn redis_keeps_its_data_and_its_port_over_a_stop() {
    let dir = Scratch::new("keeps");
    let redis = Redis::find().expect("redis-server is needed for this test");
    let first = Guarded(redis.start(&dir.0, None).unwrap());
    ask(&first.0, "SET answer 42\r\n", "+OK\r\n");
    first.0.stop();
    assert!(!first.0.is_alive());

    let second = Guarded(redis.start(&dir.0, Some(first.0.port)).unwrap());
    assert_eq!(second.0.port, first.0.port);
    ask(&second.0, "GET answer\r\n", "$2\r\n42\r\n");
}

#[test]
fn a_port_that_is_taken_is_not_fought_over() {
    let (one, other) = (Scratch::new("one"), Scratch::new("other"));
    let redis = Redis::find().expect("redis-server is needed for this test");
    let first = Guarded(redis.start(&one.0, None).unwrap());
    let second = Guarded(redis.start(&other.0, Some(first.0.port)).unwrap());
    assert_ne!(second.0.port, first.0.port);
    assert!(first.0.is_alive() && second.0.is_alive());
}

#[test]
fn another_process_with_the_same_number_is_not_our_server() {
    let dir = Scratch::new("number");
    let impostor = Server { pid: std::process::id(), port: 1, dir: dir.0.clone() };
    assert!(!impostor.is_alive());
    impostor.kill(); // or this test would not come to its end
}

#[test]
fn a_killed_database_comes_back_on_its_port() {
    let dir = Scratch::new("database");
    let mysql = Mysql::find().expect("mariadbd or mysqld is needed for this test");
    let first = Guarded(mysql.start(&dir.0, None, Durability::Process).unwrap());
    assert_eq!(Mysql::url(&first.0), format!("mysql://flysk:flysk@127.0.0.1:{}/flysk", first.0.port));
    first.0.kill();
    assert!(!first.0.is_alive());

    let second = Guarded(mysql.start(&dir.0, Some(first.0.port), Durability::Machine).unwrap());
    assert_eq!(second.0.port, first.0.port);
    assert!(second.0.is_alive());
}

#[test]
fn a_server_that_does_not_start_says_why() {
    let dir = Scratch::new("why");
    // A data directory that is marked as complete but is empty.
    fs::create_dir_all(dir.0.join("data")).unwrap();
    fs::write(dir.0.join("laid-out"), "").unwrap();
    let mysql = Mysql::find().expect("mariadbd or mysqld is needed for this test");
    let error = mysql.start(&dir.0, None, Durability::Process).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("the database ended at its start"), "{text}");
    assert!(text.lines().count() > 2, "the end of its log is missing: {text}");
}
