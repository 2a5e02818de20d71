//! The panel as a relying party of Web Authentication (level 3, sections 7.1 and 7.2): what a browser is asked, and whether its
//! answer is right.
//!
//! No I/O: the caller sees to it that a challenge belongs to one session, is answered once and in time, that credentials are unique,
//! and that the signature counter grows. Attestation is not asked for, and statements are ignored: an operator may use any
//! authenticator that verifies its user.

mod authenticator_data;
mod cbor;
mod client_data;
mod public_key;
mod relying_party;

pub(crate) use relying_party::{Assertion, NewCredential, RelyingParty, User};

/// Why an answer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    /// Not an answer of a browser.
    #[error("unreadable")]
    Unreadable,
    /// Answer to a request of another kind.
    #[error("another kind of answer")]
    Kind,
    /// Answer to another challenge.
    #[error("another challenge")]
    Challenge,
    /// Answer given on the page of another origin.
    #[error("another origin")]
    Origin,
    /// Answer meant for another host.
    #[error("another relying party")]
    RelyingParty,
    /// The authenticator saw no user, or did not verify who it is.
    #[error("the user was not verified")]
    User,
    /// The flags contradict each other.
    #[error("contradicting flags")]
    Flags,
    /// The public key is of a kind that was not asked for.
    #[error("unsupported public key")]
    PublicKey,
    /// The signature is wrong.
    #[error("wrong signature")]
    Signature,
}
