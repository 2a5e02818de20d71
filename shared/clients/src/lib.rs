//! HTTP clients, one folder per service: amoCRM, T-Bank, SpeechKit, YandexGPT, Object Storage, Telegram, MAX,
//! Flysk's own public API and e-mail (SMTP); and an SSRF-safe client for untrusted URLs.
//!
//! A client converts typed requests to HTTP and responses to typed values. It implements the service's rules (meaning
//! of statuses, which requests may be retried) and no product rules: every error has a
//! [`FailureAction`](flysk_domain::failure_action::FailureAction) that says how the caller may go on. URLs, keys and
//! timeouts come from a `Config`. Unknown fields and names in responses are ignored. Errors, `Debug` and logs contain no
//! secrets.

pub mod amocrm;
pub mod flysk_api;
pub mod http;
pub mod mail;
pub mod max;
pub mod messenger;
pub mod outbound;
pub mod speechkit;
pub mod storage;
pub mod tbank;
pub mod telegram;
pub mod yandex;
pub mod yandexgpt;
