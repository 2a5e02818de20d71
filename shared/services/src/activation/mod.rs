//! Activation of FlySense through messengers: links, the dialogue of the bot, bindings.

mod bind;
mod dialogue;
mod end;
mod links;
mod messages;
mod notices;
mod reencrypt;

use flysk_crypto::KeyringError;
use flysk_store::{Contention, StoreError};

pub use dialogue::handle_message;
pub use end::{forget_account, unbind};
pub use links::{CreatedLink, create_link};
pub use messages::{open_message, queue_message, seal_link};
pub use notices::{notify_account, switch_notices, write_letter_instead};
pub use reencrypt::{ReencryptedBindings, reencrypt_bindings};

/// A use case of activation failed.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// The database failed or lost a race.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A value cannot be sealed or opened.
    #[error("key ring: {0}")]
    Keyring(#[from] KeyringError),
}

impl Contention for ActivationError {
    fn is_contended(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_contended())
    }
}
