#!/bin/sh
# Guess: a field `#[sqlx(try_from = "String")]` of a derived FromRow whose conversion fails gives
#   sqlx::Error::ColumnDecode with the conversion's own error as source (it is boxed for that).
# What happens: the source is always the text "unprintable error: (unprintable type)". The macro chooses how to box
#   the error by autoref specialization, but calls the method on the wrapper itself, so the least special choice wins:
#   neither Error nor Display nor Debug of the conversion's error is used, and no downcast finds it.
# Version: sqlx 0.9.0, feature derive.
# What it means: log the error inside TryFrom, and recognise a failed conversion by that text, or do not use try_from
#   where the reason matters.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["derive", "sqlite", "runtime-tokio"] }
tokio = { version = "1", features = ["rt"] }
TOML
cat > src/main.rs <<'RUST'
#[derive(Debug)]
struct Color;

#[derive(Debug)]
struct NoColor(String);

impl std::fmt::Display for NoColor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` is no color", self.0)
    }
}

impl std::error::Error for NoColor {}

impl TryFrom<String> for Color {
    type Error = NoColor;

    fn try_from(text: String) -> Result<Self, NoColor> {
        if text == "red" { Ok(Self) } else { Err(NoColor(text)) }
    }
}

#[derive(Debug, sqlx::FromRow)]
struct Row {
    #[allow(dead_code)]
    #[sqlx(try_from = "String")]
    color: Color,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut conn = <sqlx::SqliteConnection as sqlx::Connection>::connect("sqlite::memory:").await.unwrap();
        let row: Result<Row, _> = sqlx::query_as("SELECT 'wet' AS color").fetch_one(&mut conn).await;
        match row.unwrap_err() {
            sqlx::Error::ColumnDecode { source, .. } => {
                println!("source: {source}; downcast finds it: {}", source.downcast_ref::<NoColor>().is_some());
            }
            other => println!("another error: {other}"),
        }
    });
}
RUST
cargo build --quiet
grep -A1 'name = "sqlx"' Cargo.lock | tail -1
seen=$(./target/debug/finding)
echo "$seen"
[ "$seen" = "source: unprintable error: (unprintable type); downcast finds it: false" ] || { echo "changed" >&2; exit 1; }
