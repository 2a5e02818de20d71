//! The bank's notifications as they are stored.

use flysk_clients::tbank::Notification;
use flysk_crypto::aad;
use flysk_queue::JobError;
use flysk_store::platform::purchases::NotificationRow;
use secrecy::ExposeSecret as _;

use super::keyring::keyring_unavailable;
use crate::App;

/// The body was verified before it was stored; encryption with associated data protects it from changes since.
pub(super) fn open_notification(app: &App, row: &NotificationRow) -> Result<Notification, JobError> {
    let body = app
        .keyring
        .open(&row.body_sealed, &aad::notification_body(row.id))
        .map_err(|error| keyring_unavailable(&error))?;
    Notification::read_verified(body.expose_secret().as_bytes())
        .map_err(|error| JobError::give_up(format!("the stored notification: {error}")))
}
