//! Messages of the bots.

use chrono::{DateTime, Utc};
use flysk_crypto::{Keyring, KeyringError};
use flysk_domain::Clock;
use flysk_domain::flysense::activation::message::{Keyboard, Outgoing};
use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_domain::id::BotMessageId;
use flysk_jobs::flysense::activation::{SendMaxMessage, SendTelegramMessage};
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::flysense::activation::messages;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

/// Purpose of sealed addresses of buttons.
const LINK_PURPOSE: &str = "bot_messages.link";

/// Seals the address of a button, for [`Keyboard::SealedLink`].
///
/// # Errors
///
/// The address cannot be encrypted.
pub fn seal_link(keyring: &Keyring, url: &Url) -> Result<String, KeyringError> {
    keyring.seal_token(&SecretString::from(url.as_str()), LINK_PURPOSE)
}

/// A stored message as it is sent: with the address of its button.
///
/// # Errors
///
/// The address was sealed by a key that the ring does not contain.
pub fn open_message(keyring: &Keyring, stored: &Outgoing) -> Result<Outgoing, KeyringError> {
    let mut message = stored.clone();
    if let Keyboard::SealedLink { label, sealed } = &stored.keyboard {
        let url = keyring.open_token(sealed, LINK_PURPOSE)?.expose_secret().to_owned();
        message.keyboard = Keyboard::Link { label: label.clone(), url };
    }
    Ok(message)
}

/// Stores a message and enqueues its sending.
pub async fn queue_message(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    messenger: Messenger,
    chat_id: i64,
    message: &Outgoing,
) -> StoreResult<BotMessageId> {
    let message_id = BotMessageId::generate(clock);
    queue_message_at(unit, clock, message_id, messenger, chat_id, message, clock.now()).await?;
    Ok(message_id)
}

/// Stores a message with this id and enqueues its sending at `send_at` or later.
pub(super) async fn queue_message_at(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    message_id: BotMessageId,
    messenger: Messenger,
    chat_id: i64,
    message: &Outgoing,
    send_at: DateTime<Utc>,
) -> StoreResult<()> {
    messages::insert(unit, message_id, messenger, chat_id, message, clock.now()).await?;
    match messenger {
        Messenger::Telegram => unit.enqueue_at(&SendTelegramMessage { message_id }, send_at).await?,
        Messenger::Max => unit.enqueue_at(&SendMaxMessage { message_id }, send_at).await?,
    };
    Ok(())
}
