#!/bin/sh
# Guess: a `DateTime<Utc>` that is bound to a statement is compared with a DATETIME column as the same date and time in a literal
#   is, whatever its year; MySQL and MariaDB agree.
# What happens: sqlx sends a `DateTime<Utc>` as a parameter of the type TIMESTAMP, and a `NaiveDateTime` as DATETIME. MariaDB cannot
#   hold a TIMESTAMP after 2038-01-19 and compares the parameter as if it were NULL: every comparison is unknown, rows are not
#   found, and there is neither an error nor a warning. The same moment bound as a `NaiveDateTime` finds them.
# Version: sqlx 0.9.0 (mysql, chrono), MariaDB 10.11 (a server of the system, started in a temporary folder).
# What it means: "before the end of time" (9999-12-31) as the start of a list that is read backwards finds nothing on MariaDB. Bind
#   `naive_utc()`, or leave the condition out.
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
chrono = { version = "0.4", default-features = false }
sqlx = { version = "=0.9.0", default-features = false, features = ["mysql", "chrono", "runtime-tokio"] }
tokio = { version = "1", features = ["rt"] }
TOML
cat > src/main.rs <<'RUST'
use chrono::{DateTime, Utc};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::ConnectOptions;

const BEFORE: &str = "SELECT COUNT(*) FROM marks WHERE at < ?";

async fn count(conn: &mut MySqlConnection, until: &str) -> Result<(), sqlx::Error> {
    let until: DateTime<Utc> = until.parse().unwrap();
    let with_zone: i64 = sqlx::query_scalar(BEFORE).bind(until).fetch_one(&mut *conn).await?;
    let without: i64 = sqlx::query_scalar(BEFORE).bind(until.naive_utc()).fetch_one(&mut *conn).await?;
    println!("before {}: {with_zone} as DateTime<Utc>, {without} as NaiveDateTime", until.date_naive());
    Ok(())
}

async fn run(socket: &str) -> Result<(), sqlx::Error> {
    let mut conn = MySqlConnectOptions::new().socket(socket).username("root").connect().await?;
    for statement in [
        "CREATE DATABASE finding",
        "USE finding",
        "CREATE TABLE marks (at DATETIME(6) NOT NULL PRIMARY KEY)",
        "INSERT INTO marks VALUES ('2026-12-01 00:00:00')",
    ] {
        sqlx::raw_sql(statement).execute(&mut conn).await?;
    }
    count(&mut conn, "2037-12-31T00:00:00Z").await?;
    count(&mut conn, "2039-01-01T00:00:00Z").await?;
    count(&mut conn, "9999-12-31T00:00:00Z").await
}

fn main() {
    let socket = std::env::args().nth(1).expect("a socket");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run(&socket)).unwrap();
}
RUST
cargo build --quiet
mariadb-install-db --no-defaults --datadir="$dir/data" --auth-root-authentication-method=normal > /dev/null 2>&1
"$server" --no-defaults --user="$(id -un)" --datadir="$dir/data" --socket="$dir/socket" --pid-file="$dir/pid" \
    --skip-networking > "$dir/server.log" 2>&1 &
pid=$!
for _ in $(seq 100); do [ -S "$dir/socket" ] && break; sleep 0.2; done
grep -A1 'name = "sqlx-mysql"' Cargo.lock | tail -1
"$server" --version
seen=$(./target/debug/finding "$dir/socket")
echo "$seen"
expected="before 2037-12-31: 1 as DateTime<Utc>, 1 as NaiveDateTime
before 2039-01-01: 0 as DateTime<Utc>, 1 as NaiveDateTime
before 9999-12-31: 0 as DateTime<Utc>, 1 as NaiveDateTime"
[ "$seen" = "$expected" ] || { echo "changed" >&2; exit 1; }
