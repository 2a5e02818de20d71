#!/bin/sh
# Guess: a prepared statement that leaves a connection's full cache costs one more packet to the server, which sends no answer:
#   some microseconds. Clients of databases set TCP_NODELAY.
# What happens: sqlx sets no TCP_NODELAY on connections to MySQL and MariaDB. It sends COM_STMT_CLOSE for the evicted statement and
#   COM_STMT_EXECUTE for the next one in two writes. The server does not answer the first, so Nagle's algorithm holds the second
#   back until the delayed acknowledgement: about 40 ms for each statement that evicts another one, on loopback too, while
#   client and server are idle. Through a Unix socket nothing is held back.
# Version: sqlx 0.9.0 (mysql), MariaDB 10.11 (a server of the system, started in a temporary folder), Linux.
# What it means: `statement_cache_capacity` (100 by default) must hold all statements that a connection alternates between; lists
#   of values are padded to few lengths, and a pool of tests needs the capacity of production.
set -eu
server=$(command -v mariadbd) || { echo "needs mariadbd and mariadb-install-db in PATH" >&2; exit 2; }
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
sqlx = { version = "=0.9.0", default-features = false, features = ["mysql", "runtime-tokio"] }
tokio = { version = "1", features = ["rt"] }
TOML
cat > src/main.rs <<'RUST'
use std::time::Instant;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::ConnectOptions;

const ROUNDS: u32 = 20;

/// Milliseconds for each of two statements in turn, with a cache for so many.
async fn pace(options: MySqlConnectOptions, capacity: usize) -> Result<u128, sqlx::Error> {
    let mut conn = options.statement_cache_capacity(capacity).connect().await?;
    let began = Instant::now();
    for number in 0..ROUNDS {
        let _: i64 = sqlx::query_scalar("SELECT CAST(? AS SIGNED)").bind(number).fetch_one(&mut conn).await?;
        let _: i64 = sqlx::query_scalar("SELECT CAST(? AS SIGNED) + 1").bind(number).fetch_one(&mut conn).await?;
    }
    Ok(began.elapsed().as_millis() / u128::from(2 * ROUNDS))
}

async fn run(socket: &str, port: u16) -> Result<(), sqlx::Error> {
    let tcp = MySqlConnectOptions::new().host("127.0.0.1").port(port).username("root");
    let unix = MySqlConnectOptions::new().socket(socket).username("root");
    for (name, options, capacity) in
        [("TCP, cache of 2", tcp.clone(), 2), ("TCP, cache of 1", tcp, 1), ("Unix socket, cache of 1", unix, 1)]
    {
        let pace = pace(options, capacity).await?;
        println!("{name}: {} per statement", if pace < 10 { "less than 10 ms" } else { "more than 20 ms" });
    }
    Ok(())
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (socket, port) = (args.next().expect("a socket"), args.next().expect("a port").parse().expect("a port"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run(&socket, port)).unwrap();
}
RUST
cargo build --quiet
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mariadb-install-db --no-defaults --datadir="$dir/data" --auth-root-authentication-method=normal > /dev/null 2>&1
"$server" --no-defaults --user="$(id -un)" --datadir="$dir/data" --socket="$dir/socket" --pid-file="$dir/pid" \
    --bind-address=127.0.0.1 --port="$port" > "$dir/server.log" 2>&1 &
pid=$!
for _ in $(seq 100); do [ -S "$dir/socket" ] && break; sleep 0.2; done
grep -A1 'name = "sqlx-mysql"' Cargo.lock | tail -1
"$server" --version
seen=$(./target/debug/finding "$dir/socket" "$port")
echo "$seen"
expected="TCP, cache of 2: less than 10 ms per statement
TCP, cache of 1: more than 20 ms per statement
Unix socket, cache of 1: less than 10 ms per statement"
[ "$seen" = "$expected" ] || { echo "changed" >&2; exit 1; }
