//! Activation of FlySense through its bots, and the bots' messages.

use std::time::Duration;

use flysk_domain::flysense::activation::notices::NoticeKind;
use flysk_domain::id::{AccountId, BindingId, BotMessageId, BotUpdateId, LinkId};
use flysk_queue::{Backoff, Job, Policy, Priority};
use serde::{Deserialize, Serialize};

use crate::declare::recurring_job;
use crate::queues::{self, LETTER_POLICY};

/// Delays while a person waits in a dialogue.
const DIALOGUE_BACKOFF: Backoff =
    Backoff::Exponential { first: Duration::from_secs(1), max: Duration::from_mins(5) };

/// Handles one update of a messenger.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HandleUpdate {
    /// Row of `bot_updates`.
    pub update_id: BotUpdateId,
}

impl Job for HandleUpdate {
    const KIND: &'static str = "activation.handle_update";
    const POLICY: Policy =
        Policy::for_queue(queues::ACTIVATION).priority(Priority::High).backoff(DIALOGUE_BACKOFF);
    const TRIGGER: &'static str = "a webhook of Telegram or MAX";
    const DESCRIPTION: &'static str = "answers a person in the bot: links, codes, phone numbers, commands";

    fn dedup_key(&self) -> Option<String> {
        Some(self.update_id.to_string())
    }
}

/// Reads the name of the user who created a link, which the bot shows, and the account's time zone. After the phone number was
/// confirmed, it reads the user's e-mail address instead, for notices that the messenger does not deliver.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadUser {
    /// Row of `activation_links`.
    pub link_id: LinkId,
    /// amoCRM's number of the account.
    pub account_id: AccountId,
}

impl Job for ReadUser {
    const KIND: &'static str = "activation.read_user";
    const POLICY: Policy =
        Policy::for_queue(queues::ACTIVATION).priority(Priority::High).attempts(4).backoff(DIALOGUE_BACKOFF);
    const TRIGGER: &'static str = "a new activation link, a confirmed phone number";
    const DESCRIPTION: &'static str =
        "reads name and e-mail address of the user who created the link from amoCRM";

    fn dedup_key(&self) -> Option<String> {
        Some(self.link_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}

/// Switches FlySense on in an account, as any vendor's backend does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Enable {
    /// The link whose phone number was confirmed.
    pub link_id: LinkId,
    /// amoCRM's number of the account.
    pub account_id: AccountId,
}

impl Job for Enable {
    const KIND: &'static str = "activation.enable";
    const POLICY: Policy =
        Policy::for_queue(queues::ACTIVATION).priority(Priority::High).attempts(30).backoff(DIALOGUE_BACKOFF);
    const TRIGGER: &'static str = "a confirmed phone number";
    const DESCRIPTION: &'static str =
        "switches FlySense on through the platform's API and answers the person";

    fn dedup_key(&self) -> Option<String> {
        Some(self.link_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}

/// Follows a deactivation: forgets the people bound to an account that uninstalled FlySense, or notifies
/// them of the lost access.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FollowDeactivation {
    /// amoCRM's number of the account.
    pub account_id: AccountId,
}

impl Job for FollowDeactivation {
    const KIND: &'static str = "activation.follow_deactivation";
    const POLICY: Policy = Policy::for_queue(queues::ACTIVATION).attempts(20);
    const TRIGGER: &'static str = "deactivation of FlySense";
    const DESCRIPTION: &'static str =
        "deletes the bindings of an account that uninstalled FlySense; notifies people of lost access";

    fn dedup_key(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}

/// Queues the notices of an account that are due.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendNotices {
    /// amoCRM's number of the account.
    pub account_id: AccountId,
}

impl Job for SendNotices {
    const KIND: &'static str = "activation.send_notices";
    const POLICY: Policy = Policy::for_queue(queues::ACTIVATION).priority(Priority::Low);
    const TRIGGER: &'static str = "`activation.send_notices_due`";
    const DESCRIPTION: &'static str = "queues notices: low balance, waiting calls, weekly digest";

    fn dedup_key(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}

/// Sends a notice by e-mail, because the messenger does not reach the person.
///
/// The intent is stored before the letter is handed over. A run that finds an intent does not send it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendLetter {
    /// The message of the bot with the notice's text, whose outcome is the letter's.
    pub message_id: BotMessageId,
    /// amoCRM's number of the account.
    pub account_id: AccountId,
    /// Row of `activation_bindings`.
    pub binding_id: BindingId,
    /// Decides the text.
    pub kind: NoticeKind,
}

impl Job for SendLetter {
    const KIND: &'static str = "activation.send_letter";
    const POLICY: Policy = LETTER_POLICY;
    const TRIGGER: &'static str = "a notice to a person who blocked the bot";
    const DESCRIPTION: &'static str = "sends a notice of FlySense by e-mail, once";

    fn dedup_key(&self) -> Option<String> {
        Some(self.message_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}

recurring_job! {
    /// Enqueues the notices of every active account with a person to write to.
    SendNoticesDue, "activation.send_notices_due";
    policy: Policy::for_queue(queues::UPKEEP).attempts(2).timeout_secs(300);
    trigger: "every hour";
    description: "enqueues `activation.send_notices` for every active account with a bound person";
}

/// Declares the jobs of one messenger. Each messenger has a queue of its own, so that one that does not answer does not
/// delay the other.
macro_rules! messenger_jobs {
    ($label:literal, $queue:expr; $send:ident, $send_kind:literal; $check:ident, $check_kind:literal) => {
        #[doc = concat!("Sends one message through ", $label, ".")]
        #[derive(Debug, Clone, Serialize, Deserialize)]
        pub struct $send {
            /// Row of `bot_messages`.
            pub message_id: BotMessageId,
        }

        impl Job for $send {
            const KIND: &'static str = $send_kind;
            const POLICY: Policy = Policy::for_queue($queue).priority(Priority::High).attempts(12).timeout_secs(45);
            const TRIGGER: &'static str = "an answer of the bot, a notice";
            const DESCRIPTION: &'static str =
                concat!("sends a message through ", $label, ", once; within its rate limits");

            fn dedup_key(&self) -> Option<String> {
                Some(self.message_id.to_string())
            }
        }

        recurring_job! {
            /// Checks the webhook of the bot and sets it if it is missing, and records the bot's name and state.
            $check, $check_kind;
            policy: Policy::for_queue($queue).attempts(2).timeout_secs(60);
            trigger: "every minute";
            description: "sets the bot's webhook if it is missing; records its name, waiting updates and last error";
        }
    };
}

messenger_jobs!("Telegram", queues::TELEGRAM; SendTelegramMessage, "telegram.send_message"; CheckTelegramWebhook, "telegram.check_webhook");
messenger_jobs!("MAX", queues::MAX; SendMaxMessage, "max.send_message"; CheckMaxWebhook, "max.check_webhook");
