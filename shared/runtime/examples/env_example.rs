//! Prints `.env.example` from the catalogue of variables.

use std::io::Write;

fn main() -> std::io::Result<()> {
    let text = flysk_runtime::config::env_example(flysk_runtime::config::SECTIONS);
    std::io::stdout().write_all(text.as_bytes())
}
