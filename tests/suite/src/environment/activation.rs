//! An administrator activates FlySense through the bot in Telegram.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use flysk_domain::SystemClock;
use flysk_domain::trace::Trace;
use flysk_jobs::flysense::activation::CheckTelegramWebhook;
use flysk_queue::Outbox;
use flysk_simulators::bot::{Line, Person};
use flysk_simulators::telegram::Device;
use reqwest::Method;
use serde_json::Value;

use super::processes::WAIT_TIMEOUT;
use super::{CLIENT_ID, Environment};

/// The administrator's id in both messengers.
const PERSON: i64 = 555;

impl Environment {
    /// Installs FlySense, which starts switched off, and activates it through the bot. Returns the dialogue once webhooks
    /// are subscribed.
    pub async fn install_and_activate(&self) -> anyhow::Result<Vec<Line>> {
        let outcome = self.simulators.amocrm.state.install(CLIENT_ID, super::ACCOUNT, None).await?;
        anyhow::ensure!(outcome.status == Some(200), "the redirect URI responded with {:?}", outcome.status);
        self.wait_for("SELECT COUNT(*) FROM flysense_accounts", 1).await?;
        self.set_webhook_of_bot().await?;
        self.add_person();
        let telegram = &self.simulators.telegram.state;
        let client = self.client()?;
        let (status, link) = client.request(Method::POST, "/v1/flysense/activation", None).await?;
        anyhow::ensure!(status.as_u16() == 201, "{status}: {link}");
        self.wait_for("SELECT COUNT(*) FROM activation_links WHERE user_name IS NOT NULL", 1).await?;
        let ways = link.get("messengers").and_then(Value::as_array).context("no messengers")?;
        let url =
            ways.iter().find_map(|way| way["url"].as_str().filter(|url| url.starts_with("https://t.me/")));
        telegram.open_link(PERSON, url.context("no link to Telegram")?, Device::Phone)?;
        self.wait_for_answers(1).await?;
        telegram.share_contact(PERSON)?;
        self.wait_for_answers(3).await?;
        self.wait_for("SELECT COUNT(*) FROM flysense_accounts WHERE hooks_state = 'subscribed'", 1).await?;
        Ok(telegram.chat(PERSON)?)
    }

    /// Gives the administrator the apps of both messengers.
    pub fn add_person(&self) {
        let person = Person { id: PERSON, name: "Анна".to_owned(), phone: "79161234567".to_owned() };
        self.simulators.telegram.state.add_person(person.clone());
        self.simulators.max.state.add_person(person);
    }

    /// Sets the webhook at once; the schedule would do it within a minute.
    async fn set_webhook_of_bot(&self) -> anyhow::Result<()> {
        let outbox = Outbox::new(self.pool.clone(), None, Arc::new(SystemClock));
        let trace = Trace { correlation_id: "bot-of-environment".to_owned(), traceparent: None };
        let mut unit = outbox.begin(trace).await?;
        unit.enqueue(&CheckTelegramWebhook {}).await?;
        unit.commit().await?;
        self.wait_for("SELECT COUNT(*) FROM bots WHERE messenger = 'telegram'", 1).await
    }

    async fn wait_for_answers(&self, wanted: usize) -> anyhow::Result<()> {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        loop {
            let chat = self.simulators.telegram.state.chat(PERSON)?;
            if chat.iter().filter(|line| line.from_bot).count() >= wanted {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "the bot does not answer: {chat:?}\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
