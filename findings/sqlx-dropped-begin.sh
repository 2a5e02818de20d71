#!/bin/sh
# Guess: a transaction that is dropped while it begins is rolled back, like one that is dropped later: the pool's next caller
#   gets a connection without a transaction. sqlx's own comment at the place says that a rollback is attempted.
# What happens: sqlx-mysql counts a transaction only when the answer to BEGIN has arrived, and rolls back only what is
#   counted. If the future is dropped before (a timeout, select!), the connection comes back with a transaction open. The next
#   callers' statements succeed and belong to it: nobody else sees them until somebody begins a transaction there, and they
#   are lost if the connection is closed before.
# Version: sqlx 0.9.0 (mysql), MariaDB 10.11 (a server of the system, started in a temporary folder).
# What it means: a pool for work that may be cancelled needs `after_release` with a plain ROLLBACK, which also serves as ping.
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
tokio = { version = "1", features = ["rt", "time"] }
TOML
cat > src/main.rs <<'RUST'
use std::future::{Future, poll_fn};
use std::task::Poll;

use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

const ROUNDS: i64 = 1_000;

async fn run(socket: &str) -> Result<(u64, u32), sqlx::Error> {
    let options = MySqlConnectOptions::new().socket(socket).username("root").database("test");
    let pool = MySqlPoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    let other = MySqlPoolOptions::new().max_connections(1).connect_with(options).await?;
    sqlx::query("CREATE TABLE marks (number BIGINT NOT NULL) ENGINE = InnoDB").execute(&pool).await?;
    let (mut written, mut unseen) = (0, 0);
    for number in 0..ROUNDS {
        let mut begin = Box::pin(pool.begin());
        // Dropped after some polls: before the statement is sent, while its answer is awaited, or after it.
        for _ in 0..number % 50 {
            if poll_fn(|context| Poll::Ready(begin.as_mut().poll(context).is_ready())).await {
                break;
            }
            std::thread::sleep(std::time::Duration::from_micros(10));
            tokio::task::yield_now().await;
        }
        drop(begin);
        written += sqlx::query("INSERT INTO marks VALUES (?)").bind(number).execute(&pool).await?.rows_affected();
        let seen: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM marks").fetch_one(&other).await?;
        unseen += u32::from(seen <= number);
    }
    Ok((written, unseen))
}

fn main() {
    let socket = std::env::args().nth(1).expect("a socket");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (written, unseen) = runtime.block_on(run(&socket)).unwrap();
    println!("written: {written}; not seen by others at once: {}", if unseen > 0 { "some" } else { "none" });
}
RUST
cargo build --quiet
mariadb-install-db --no-defaults --datadir="$dir/data" --auth-root-authentication-method=normal > /dev/null 2>&1
"$server" --no-defaults --user="$(id -un)" --datadir="$dir/data" --socket="$dir/socket" --pid-file="$dir/pid" --skip-networking \
    > "$dir/server.log" 2>&1 &
pid=$!
for _ in $(seq 100); do [ -S "$dir/socket" ] && break; sleep 0.2; done
grep -A1 'name = "sqlx-mysql"' Cargo.lock | tail -1
"$server" --version
seen=$(./target/debug/finding "$dir/socket")
echo "$seen"
[ "$seen" = "written: 1000; not seen by others at once: some" ] || { echo "changed" >&2; exit 1; }
