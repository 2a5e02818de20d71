#!/bin/sh
# Guess: redis-rs' ConnectionManager opens a new connection when its server cannot serve it any more: when the server has become a
#   replica (READONLY), and when a command was not answered in time.
# What happens: it keeps the connection in both cases. An error of the server is a value of a successful reply
#   (Value::ServerError), and the manager looks at failed replies only. A timeout is an I/O error of the kind TimedOut, which
#   counts as worth a repetition on the same connection, not as a lost one.
# Version: redis 1.8.1 (aio::ConnectionManager), Redis 7.0 (a server of the system, started in a temporary folder).
# What it means: after a failover, a manager behind a virtual address or DNS stays on the old server: on a demoted one as long as that
#   runs, on a frozen one as long as TCP does. Whoever needs more has to look at the replies and to replace the connection.
set -eu
server=$(command -v redis-server) || { echo "needs redis-server in PATH" >&2; exit 2; }
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
redis = { version = "=1.8.1", default-features = false, features = ["tokio-comp", "connection-manager"] }
tokio = { version = "1", features = ["rt", "time"] }
TOML
cat > src/main.rs <<'RUST'
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisResult};

/// Number of the server's connection that the manager uses.
async fn id(manager: &mut ConnectionManager) -> RedisResult<u64> {
    redis::cmd("CLIENT").arg("ID").query_async(manager).await
}

async fn run(socket: &str) -> RedisResult<()> {
    let client = Client::open(format!("unix://{socket}"))?;
    let mut other = client.get_multiplexed_async_connection().await?;
    let config = ConnectionManagerConfig::new().set_response_timeout(Some(Duration::from_millis(300)));
    let mut manager = client.get_connection_manager_with_config(config).await?;
    let first = id(&mut manager).await?;

    let () = redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).query_async(&mut other).await?;
    let mut refused = 0;
    for _ in 0..20 {
        let set = redis::cmd("SET").arg("key").arg(1).query_async::<()>(&mut manager).await;
        refused += u32::from(set.is_err_and(|error| error.code() == Some("READONLY")));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("READONLY: {refused} of 20; same connection: {}", id(&mut manager).await? == first);
    let () = redis::cmd("REPLICAOF").arg("NO").arg("ONE").query_async(&mut other).await?;

    let () = redis::cmd("CLIENT").arg("PAUSE").arg(2_000).arg("ALL").query_async(&mut other).await?;
    let mut timed_out = 0;
    for _ in 0..4 {
        timed_out += u32::from(id(&mut manager).await.is_err_and(|error| error.is_timeout()));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    println!("timeouts: {timed_out} of 4; same connection: {}", id(&mut manager).await? == first);
    Ok(())
}

fn main() {
    let socket = std::env::args().nth(1).expect("a socket");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run(&socket)).unwrap();
}
RUST
cargo build --quiet
"$server" --port 0 --unixsocket "$dir/socket" --dir "$dir" --save "" --appendonly no --daemonize no > "$dir/server.log" 2>&1 &
pid=$!
for _ in $(seq 100); do [ -S "$dir/socket" ] && break; sleep 0.1; done
grep -A1 'name = "redis"' Cargo.lock | tail -1
"$server" --version
seen=$(./target/debug/finding "$dir/socket")
echo "$seen"
wanted='READONLY: 20 of 20; same connection: true
timeouts: 4 of 4; same connection: true'
[ "$seen" = "$wanted" ] || { echo "changed" >&2; exit 1; }
