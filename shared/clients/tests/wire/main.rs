//! Requests of the clients and their handling of responses: successes, refusals, invalid responses and timeouts. The
//! server is a TCP listener with scripted responses.

#![expect(clippy::unwrap_used, reason = "a test stops where its own ground gives way")]

mod amocrm_api;
mod amocrm_tokens;
mod flysk_api;
mod flysk_api_flycoins;
mod outbound_addresses;
mod outbound_codings;
mod outbound_download;
mod outbound_ends;
mod outbound_links;
mod outbound_post;
mod outbound_stream;
mod server;
mod speechkit;
mod speechkit_errors;
mod storage;
mod tls;
mod yandexgpt;

use std::error::Error;
use std::fmt::Write as _;

/// Everything that an error may write to a log: its `Debug`, and the `Display` of its whole chain.
fn all_words(error: &(dyn Error + 'static)) -> String {
    let mut words = format!("{error:?}");
    let mut next = Some(error);
    while let Some(error) = next {
        write!(words, " {error}").unwrap();
        next = error.source();
    }
    words
}
