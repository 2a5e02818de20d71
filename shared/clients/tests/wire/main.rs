//! What the clients put on the wire, and what they make of what comes back: good answers, refusals, lies
//! and silence. The other side is a TCP listener that says exactly what a test tells it to.

#![expect(clippy::unwrap_used, reason = "a test stops where its own ground gives way")]

mod amocrm_api;
mod amocrm_tokens;
mod outbound_addresses;
mod outbound_codings;
mod outbound_download;
mod outbound_ends;
mod outbound_links;
mod outbound_post;
mod outbound_stream;
mod platform;
mod platform_flycoins;
mod server;
mod speechkit;
mod speechkit_errors;
mod storage;
mod tls;
mod yandexgpt;

use std::error::Error;
use std::fmt::Write as _;

/// Everything an error could put into a log: its `Debug`, and the `Display` of its whole chain.
fn all_words(error: &(dyn Error + 'static)) -> String {
    let mut words = format!("{error:?}");
    let mut next = Some(error);
    while let Some(error) = next {
        write!(words, " {error}").unwrap();
        next = error.source();
    }
    words
}
