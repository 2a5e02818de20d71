//! Encryption at rest: key ring, blind indexes, sealed tokens, and the associated data of every sealed column.

pub mod aad;
mod keyring;

pub use keyring::{BlindIndex, Keyring, KeyringError, SealedContact, same_secret};
