//! A broadcast of a bot: many messages within the messenger's rate limits, none refused, memory flat.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use flysk_domain::SystemClock;
use flysk_domain::flysense::activation::message::Outgoing;
use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_domain::trace::Trace;
use flysk_queue::Outbox;
use flysk_services::activation::queue_message;
use flysk_simulators::Control;
use flysk_simulators::bot::Person;

use super::machine::memory_kib;
use crate::environment::Environment;

/// Messages queued in one transaction.
const MESSAGES_PER_TRANSACTION: usize = 250;
/// Slowest rate at which a broadcast is given up: a third of the allowed one.
const MIN_MESSAGES_PER_SECOND: u64 = 10;
/// Time for the worker's start and the first messages.
const START_TIMEOUT: Duration = Duration::from_mins(2);

/// A broadcast: every person gets `each` messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Broadcast {
    pub(super) messenger: Messenger,
    pub(super) people: u32,
    pub(super) each: u32,
}

/// What a broadcast cost.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Messages sent.
    pub(super) messages: u32,
    /// Messages per second.
    pub(super) per_second: f64,
    /// Requests that the messenger refused.
    pub(super) refused: usize,
    /// Memory of the worker after the first tenth, and its most afterwards, MiB.
    pub(super) memory_mib: (f64, f64),
}

impl Broadcast {
    const fn messages(self) -> u32 {
        self.people * self.each
    }

    /// Messages per second that the messenger allows in a dialogue.
    pub(super) const fn max_per_second_in_dialogue(self) -> u32 {
        match self.messenger {
            Messenger::Telegram => 1,
            Messenger::Max => 2,
        }
    }

    /// Messages per second that the messenger allows: 30 of a bot, and so many in each dialogue.
    pub(super) fn max_per_second(self) -> f64 {
        f64::from((self.people * self.max_per_second_in_dialogue()).min(30))
    }

    /// Runs the broadcast with a worker of its own.
    pub(super) async fn run(self, env: &mut Environment) -> anyhow::Result<Outcome> {
        sqlx::query("DELETE FROM bot_messages").execute(&env.pool).await?;
        self.queue(env, &self.add_people(env)?).await?;
        let began = Instant::now();
        // Without the schedule no webhook is set, so nobody's updates are answered meanwhile.
        let log = format!("broadcast-{}", self.messenger);
        let worker = env.spawn("flysk-worker", &["run", "telegram", "max"], &log)?;
        let pid = env.pid(worker)?;
        let timeout =
            START_TIMEOUT + Duration::from_secs(u64::from(self.messages()) / MIN_MESSAGES_PER_SECOND);
        let (mut early, mut most) = (None, 0.0_f64);
        loop {
            let sent: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM bot_messages WHERE state = 'sent'")
                .fetch_one(&env.pool)
                .await?;
            if sent * 10 >= i64::from(self.messages()) {
                let mib = memory_mib(pid)?;
                early.get_or_insert(mib);
                most = most.max(mib);
            }
            if sent == i64::from(self.messages()) {
                break;
            }
            anyhow::ensure!(began.elapsed() < timeout, "{sent} messages were sent\n{}", env.logs());
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        let elapsed = began.elapsed().as_secs_f64();
        env.terminate(worker)?;
        let refused = self.control(env).calls().iter().filter(|call| call.status == Some(429)).count();
        Ok(Outcome {
            messages: self.messages(),
            per_second: f64::from(self.messages()) / elapsed,
            refused,
            memory_mib: (early.unwrap_or(most), most),
        })
    }

    fn control(self, env: &Environment) -> &Control {
        match self.messenger {
            Messenger::Telegram => &env.simulators.telegram.control,
            Messenger::Max => &env.simulators.max.control,
        }
    }

    /// People who have started the bot; their updates wait in the simulator. Returns their dialogues.
    fn add_people(self, env: &Environment) -> anyhow::Result<Vec<i64>> {
        let (telegram, max) = (&env.simulators.telegram.state, &env.simulators.max.state);
        (1..=i64::from(self.people))
            .map(|id| {
                let person = Person { id, name: "Анна".to_owned(), phone: format!("7916{id:07}") };
                match self.messenger {
                    Messenger::Telegram => {
                        telegram.add_person(person);
                        telegram.write(id, "/start")?;
                        Ok(id)
                    }
                    Messenger::Max => {
                        max.add_person(person);
                        max.start(id, None)?;
                        Ok(max.chat_id(id)?)
                    }
                }
            })
            .collect()
    }

    async fn queue(self, env: &Environment, chats: &[i64]) -> anyhow::Result<()> {
        let clock = SystemClock;
        let outbox = Outbox::new(env.pool.clone(), None, std::sync::Arc::new(clock));
        let all: Vec<i64> = (0..self.each).flat_map(|_| chats.iter().copied()).collect();
        for chunk in all.chunks(MESSAGES_PER_TRANSACTION) {
            let trace = Trace { correlation_id: "bench-broadcast".to_owned(), traceparent: None };
            let mut unit = outbox.begin(trace).await?;
            for chat_id in chunk {
                let message = Outgoing::text("Уведомление");
                queue_message(&mut unit, &clock, self.messenger, *chat_id, &message).await?;
            }
            unit.commit().await?;
        }
        Ok(())
    }
}

fn memory_mib(pid: u32) -> anyhow::Result<f64> {
    let kib = memory_kib(pid, "VmRSS").context("memory can be measured on Linux only")?;
    Ok(f64::from(u32::try_from(kib)?) / 1_024.0)
}
