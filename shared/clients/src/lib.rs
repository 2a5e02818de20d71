//! One folder per outside service: amoCRM, SpeechKit, YandexGPT, Object Storage, our own platform, and SSRF-safe downloads.
//!
//! A client turns typed requests into HTTP and answers into typed values. It knows the service's rules
//! (what is retried, what a status means) and nothing of ours: every error says with an
//! [`Outcome`](flysk_domain::platform::outcome::Outcome) what the caller may do. Addresses, keys and time
//! limits come in as a `Config`; unknown fields and names in answers are harmless; no secret gets into
//! errors, `Debug` or logs.

pub mod amocrm;
pub mod http;
pub mod outbound;
pub mod platform;
pub mod speechkit;
pub mod storage;
pub mod tbank;
pub mod yandex;
pub mod yandexgpt;

mod lenient;
