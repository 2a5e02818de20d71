//! The dialogue of the bot with one person.

use flysk_crypto::Keyring;
use flysk_domain::Clock;
use flysk_domain::flysense::activation::binding::BindingState;
use flysk_domain::flysense::activation::code::ShortCode;
use flysk_domain::flysense::activation::command::Command;
use flysk_domain::flysense::activation::link::{
    LinkFacts, MAX_WRONG_CODES, Presentation, Presenter, WRONG_CODES_WINDOW, may_try_code,
};
use flysk_domain::flysense::activation::message::{Contact, Outgoing, Person, PersonMessage, Said};
use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_domain::flysense::activation::notices::NoticeKind;
use flysk_domain::flysense::activation::texts::{self, LinkOwner};
use flysk_domain::id::AccountId;
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::flysense::accounts;
use flysk_store::flysense::activation::bindings;
use flysk_store::flysense::activation::chats::{self, ChatRow};
use flysk_store::flysense::activation::links::{self, LinkRow};

use super::ActivationError;
use super::bind::bind;
use super::messages::queue_message;

/// Longest payload or code that is looked up, bytes.
const MAX_PAYLOAD_LEN: usize = 128;

/// Does what a person's message asks for, and queues the answers. The caller commits; a second run in another transaction
/// must be prevented by the caller, because answers would be queued twice.
pub async fn handle_message(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    keyring: &Keyring,
    messenger: Messenger,
    message: &PersonMessage,
) -> Result<(), ActivationError> {
    let person = &message.person;
    let chat = chats::lock(unit, messenger, person.chat_id, clock.now()).await?;
    let mut dialogue = Dialogue { unit, clock, keyring, messenger, person, chat };
    if message.said == Said::Stopped {
        return Ok(dialogue.set_bindings(BindingState::Blocked).await?);
    }
    // Whoever writes has not blocked the bot.
    dialogue.set_bindings(BindingState::Active).await?;
    match &message.said {
        Said::Start(Some(payload)) => dialogue.present(payload).await,
        Said::Text(text) => dialogue.read(text).await,
        Said::Contact(contact) => dialogue.take_contact(contact).await,
        Said::Start(None) | Said::Other | Said::Stopped => Ok(dialogue.lead_on().await?),
    }
}

struct Dialogue<'a> {
    unit: &'a mut UnitOfWork,
    clock: &'a dyn Clock,
    keyring: &'a Keyring,
    messenger: Messenger,
    person: &'a Person,
    chat: ChatRow,
}

/// Kind of the presented secret.
#[derive(Clone, Copy)]
enum Secret {
    Token,
    Code,
}

impl Dialogue<'_> {
    async fn say(&mut self, message: &Outgoing) -> StoreResult<()> {
        let chat_id = self.person.chat_id;
        queue_message(self.unit, self.clock, self.messenger, chat_id, message).await.map(drop)
    }

    fn presenter(&self) -> Presenter {
        Presenter { messenger: self.messenger, user_id: self.person.user_id }
    }

    async fn set_bindings(&mut self, state: BindingState) -> StoreResult<()> {
        let (messenger, chat_id, now) = (self.messenger, self.person.chat_id, self.clock.now());
        bindings::set_state_of_chat(self.unit, messenger, chat_id, state, now).await
    }

    async fn host(&mut self, account_id: AccountId) -> StoreResult<String> {
        let account = accounts::find(self.unit, account_id).await?;
        Ok(account.map_or_else(|| format!("№ {account_id}"), |account| account.host))
    }

    /// A payload of a deep link, or a code after `/start`.
    async fn present(&mut self, payload: &str) -> Result<(), ActivationError> {
        if let Some(code) = ShortCode::parse(payload) {
            return self.present_code(&code).await;
        }
        let link = if payload.len() <= MAX_PAYLOAD_LEN {
            let hashes = self.hashes(payload);
            links::lock_by_token(self.unit, &hashes).await?
        } else {
            None
        };
        match link {
            Some(link) => Ok(self.present_link(&link, Secret::Token).await?),
            None => Ok(self.say(&texts::unknown_link()).await?),
        }
    }

    async fn present_code(&mut self, code: &ShortCode) -> Result<(), ActivationError> {
        let now = self.clock.now();
        if !may_try_code(self.chat.wrong_codes, self.chat.codes_since, now) {
            return Ok(self.say(&texts::too_many_codes()).await?);
        }
        let hashes = self.hashes(code.as_str());
        if let Some(link) = links::lock_by_code(self.unit, &hashes).await? {
            return Ok(self.present_link(&link, Secret::Code).await?);
        }
        let is_over = self.chat.codes_since.is_none_or(|since| now >= since + WRONG_CODES_WINDOW);
        let chat = if is_over {
            ChatRow { wrong_codes: 1, codes_since: Some(now) }
        } else {
            ChatRow { wrong_codes: self.chat.wrong_codes + 1, ..self.chat.clone() }
        };
        chats::set_wrong_codes(self.unit, self.messenger, self.person.chat_id, &chat).await?;
        let left = MAX_WRONG_CODES.saturating_sub(chat.wrong_codes);
        let answer = if left == 0 { texts::too_many_codes() } else { texts::wrong_code(left) };
        Ok(self.say(&answer).await?)
    }

    fn hashes(&self, secret: &str) -> Vec<String> {
        self.keyring.blind_indexes(secret).iter().map(ToString::to_string).collect()
    }

    /// A link that exists; its row is locked.
    async fn present_link(&mut self, link: &LinkRow, by: Secret) -> StoreResult<()> {
        let now = self.clock.now();
        let expires_at = match by {
            Secret::Token => link.expires_at,
            Secret::Code => link.code_expires_at,
        };
        let facts = LinkFacts { state: link.state, expires_at, opened_by: link.opened_by() };
        let host = self.host(link.account_id).await?;
        match facts.present(self.presenter(), now) {
            Presentation::Opens => {
                let (who, chat_id) = (self.presenter(), self.person.chat_id);
                links::mark_opened(self.unit, link.id, who, chat_id, now).await?;
                self.ask(link, &host).await
            }
            Presentation::GoesOn => self.ask(link, &host).await,
            Presentation::AlreadyBound => self.say(&texts::already_bound(&host)).await,
            Presentation::Expired => self.say(&texts::expired()).await,
            Presentation::Replaced => self.say(&texts::replaced()).await,
            Presentation::Foreign(owner) => {
                if let Some(chat_id) = link.chat_id {
                    let warning = texts::foreign_attempt(&host);
                    queue_message(self.unit, self.clock, owner.messenger, chat_id, &warning).await?;
                }
                self.say(&texts::foreign(owner.messenger)).await
            }
        }
    }

    async fn ask(&mut self, link: &LinkRow, host: &str) -> StoreResult<()> {
        let owner = LinkOwner { host, user_name: link.user_name.as_deref() };
        self.say(&texts::ask_for_contact(owner)).await
    }

    /// The link that this person has opened and may still use.
    async fn opened_link(&mut self) -> StoreResult<Option<LinkRow>> {
        let now = self.clock.now();
        let link = links::lock_opened_in(self.unit, self.messenger, self.person.chat_id).await?;
        let who = self.presenter();
        Ok(link.filter(|link| link.opened_by() == Some(who) && now < link.expires_at))
    }

    async fn take_contact(&mut self, contact: &Contact) -> Result<(), ActivationError> {
        let Some(link) = self.opened_link().await? else { return Ok(self.lead_on().await?) };
        let host = self.host(link.account_id).await?;
        match contact {
            Contact::Own(phone) => {
                let Self { unit, clock, keyring, messenger, person, .. } = self;
                bind(unit, *clock, keyring, &link, *messenger, person, phone).await?;
                Ok(self.say(&texts::contact_accepted(&host, &phone.masked())).await?)
            }
            Contact::Unproven(fault) => {
                let fault_code: &'static str = fault.into();
                tracing::warn!(account.id = %link.account_id, link.id = %link.id, fault = fault_code, "a contact was refused");
                metrics::counter!("flysk_activation_contacts_refused_total", "fault" => fault_code)
                    .increment(1);
                let owner = LinkOwner { host: &host, user_name: link.user_name.as_deref() };
                Ok(self.say(&texts::contact_refused(*fault, owner)).await?)
            }
        }
    }

    async fn read(&mut self, text: &str) -> Result<(), ActivationError> {
        match Command::parse(text) {
            Command::Help => Ok(self.say(&texts::help()).await?),
            Command::Status | Command::Unknown => Ok(self.lead_on().await?),
            Command::Stop => Ok(self.stop().await?),
            Command::Settings => Ok(self.show_settings(None).await?),
            Command::Switch { kind, on } => Ok(self.show_settings(Some((kind, on))).await?),
            Command::Code(code) => self.present_code(&code).await,
        }
    }

    /// Changes one kind of notices, if asked, and shows all.
    async fn show_settings(&mut self, change: Option<(NoticeKind, bool)>) -> StoreResult<()> {
        let (messenger, chat_id) = (self.messenger, self.person.chat_id);
        let bound = bindings::list_of_chat(self.unit, messenger, chat_id).await?;
        let Some(last) = bound.last() else { return self.say(&texts::lead_to_link()).await };
        let mut muted = last.muted.clone();
        if let Some((kind, on)) = change {
            muted.retain(|known| *known != kind);
            if !on {
                muted.push(kind);
            }
            bindings::set_muted_of_chat(self.unit, messenger, chat_id, &muted, self.clock.now()).await?;
        }
        self.say(&texts::settings(&muted)).await
    }

    async fn stop(&mut self) -> StoreResult<()> {
        bindings::delete_of_chat(self.unit, self.messenger, self.person.chat_id).await?;
        self.say(&texts::stopped()).await
    }

    /// The next step of whoever wrote something else: the open question, the state, or how to get a link.
    async fn lead_on(&mut self) -> StoreResult<()> {
        if let Some(link) = self.opened_link().await? {
            let host = self.host(link.account_id).await?;
            return self.ask(&link, &host).await;
        }
        let bound = bindings::list_of_chat(self.unit, self.messenger, self.person.chat_id).await?;
        let Some(last) = bound.last() else { return self.say(&texts::lead_to_link()).await };
        let mut hosts = Vec::with_capacity(bound.len());
        for binding in &bound {
            hosts.push(self.host(binding.account_id).await?);
        }
        self.say(&texts::status(&hosts, &last.phone_masked)).await
    }
}
