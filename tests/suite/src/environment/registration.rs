//! FlySense's registration in an environment, and its webhooks in the account.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use flysk_domain::SystemClock;
use flysk_domain::trace::Trace;
use flysk_jobs::flysense::hooks::CheckHooks;
use flysk_queue::Outbox;
use serde_json::json;

use super::processes::WAIT_TIMEOUT;
use super::{ACCOUNT, CLIENT_ID, CLIENT_SECRET, Environment, PUBLIC_ORIGIN};

impl Environment {
    /// Registers FlySense, or updates the registration of an earlier environment. Puts its project token into
    /// FlySense's environment.
    pub(super) async fn register_widget(
        &mut self,
        welcome_bonus: Option<i64>,
        starts_switched_off: bool,
    ) -> anyhow::Result<()> {
        let redirect = format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback");
        let events = format!("{}/hooks/flysense/events", self.api_url);
        self.set("TEST_CLIENT_SECRET", CLIENT_SECRET);
        let mut settings = vec!["--redirect-uri", &redirect, "--event-url", &events];
        if starts_switched_off {
            settings.extend(["--starts-switched-off", "true"]);
        }
        let billing = self.scratch().join("billing.json");
        let billing_path = billing.display().to_string();
        if let Some(amount_micro) = welcome_bonus {
            let rules = json!({ "flycoins": { "welcome_bonus": { "amount_micro": amount_micro } } });
            std::fs::write(&billing, rules.to_string())?;
            settings.extend(["--uses-flycoins", "true", "--billing", &billing_path]);
        }
        let known: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM widgets WHERE code = 'flysense'")
            .fetch_one(&self.pool)
            .await?;
        let printed = if known > 0 {
            self.command("flysk-worker", &[&["widget:update", "flysense"], settings.as_slice()].concat())?;
            let rotate = ["widget:rotate", "flysense", "--project-token", "--keep-former-hours", "0"];
            self.command("flysk-worker", &rotate)?
        } else {
            let mut register = vec!["widget:register", "--code", "flysense", "--name", "FlySense AI"];
            register.extend(["--client-uuid", CLIENT_ID, "--client-secret-env", "TEST_CLIENT_SECRET"]);
            self.command("flysk-worker", &[register, settings].concat())?
        };
        let token =
            printed.lines().find_map(|line| line.split_whitespace().find(|word| word.starts_with("fpt_")));
        token.with_context(|| format!("no project token in: {printed}"))?.clone_into(&mut self.project_token);
        let token = self.project_token.clone();
        self.set("FLYSENSE_PROJECT_TOKEN", &token);
        Ok(())
    }

    /// Subscribes webhooks of a kept environment again. The simulated amoCRM loses webhooks with its process,
    /// while the database keeps the account; the hourly check would find that too late.
    pub(super) async fn renew_hooks(&self) -> anyhow::Result<()> {
        let there = || !self.simulators.amocrm.state.hooks(ACCOUNT).is_empty();
        if there() {
            return Ok(());
        }
        let outbox = Outbox::new(self.pool.clone(), None, Arc::new(SystemClock));
        let trace = Trace { correlation_id: "kept-environment".to_owned(), traceparent: None };
        let mut unit = outbox.begin(trace).await?;
        unit.enqueue(&CheckHooks { account_id: ACCOUNT.into() }).await?;
        unit.commit().await?;
        let deadline = Instant::now() + WAIT_TIMEOUT;
        while !there() {
            anyhow::ensure!(Instant::now() < deadline, "webhooks were not subscribed again\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}
