//! Webhooks of other systems. A handler stores the request, enqueues a job and responds.

pub(crate) mod amocrm;
pub(crate) mod bots;
pub(crate) mod events;
mod limits;
pub(crate) mod tbank;
mod webhook_writes;

pub(crate) use limits::HookLimits;
pub(crate) use tbank::NotificationWrites;
pub(crate) use webhook_writes::WebhookWrites;

/// Counts a webhook of amoCRM that was refused; `reason` is `too_large`, `install` or `source`.
fn count_refused_hook(reason: &'static str) {
    metrics::counter!("flysk_hooks_refused_total", "reason" => reason).increment(1);
}
