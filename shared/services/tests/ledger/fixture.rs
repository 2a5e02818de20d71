//! A ledger with a clock that is moved by hand.

use chrono::{DateTime, TimeDelta};
use flysk_domain::id::{HoldId, InstallId, LotId, TransactionId, WalletId, WidgetId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, Line, Origin};
use flysk_domain::{Clock as _, ManualClock};
use flysk_services::ledger_proof::{verify_new_entries, verify_whole_ledger};
use flysk_store::Pool;
use flysk_store::platform::ledger::{self, CommandOutcome, LedgerCommand, Posted};
use rand::Rng as _;
use rand::rngs::StdRng;
use sqlx::AssertSqlSafe;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

pub(crate) struct Ledger {
    pub(crate) pool: Pool,
    pub(crate) clock: ManualClock,
    widget: WidgetId,
}

impl Ledger {
    /// Opens sessions like [`flysk_store::connect`].
    pub(crate) async fn open(
        options: MySqlPoolOptions,
        connect: MySqlConnectOptions,
        connections: u32,
    ) -> Self {
        let connect = connect.statement_cache_capacity(flysk_store::STATEMENT_CACHE_CAPACITY);
        let options = options.max_connections(connections);
        let pool = flysk_store::configure_pool(options).connect_with(connect).await.unwrap();
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        let widget = WidgetId::generate(&clock);
        Self { pool, clock, widget }
    }

    /// A wallet with coins.
    pub(crate) async fn wallet(&self, amount: i64) -> WalletId {
        let (id, install) = (WalletId::generate(&self.clock), InstallId::generate(&self.clock));
        let mut conn = self.pool.acquire().await.unwrap();
        ledger::insert_wallet(&mut conn, id, install, self.widget, self.clock.now()).await.unwrap();
        drop(conn);
        self.run(id, self.credit(amount)).await.unwrap();
        id
    }

    fn credit(&self, amount: i64) -> Command {
        let (lot, origin, amount) = (LotId::generate(&self.clock), Origin::Package, MicroCoins(amount));
        Command::Credit { lot, origin, amount, expires_at: None }
    }

    /// Executes a command; `None` if it is refused.
    pub(crate) async fn run(&self, wallet: WalletId, command: Command) -> Option<Posted> {
        let command = LedgerCommand::new(TransactionId::generate(&self.clock), command);
        let mut tx = self.pool.begin().await.unwrap();
        let outcomes = ledger::apply(&mut tx, wallet, &[command], &self.clock).await.unwrap();
        tx.commit().await.unwrap();
        match outcomes[..] {
            [CommandOutcome::Done(posted)] => Some(posted),
            _ => None,
        }
    }

    /// Rules that the verification of what is new finds violated, and the number of entries that it reads.
    pub(crate) async fn verify_new(&self) -> (Vec<&'static str>, i64) {
        let verified = verify_new_entries(&self.pool, &self.clock, 20).await.unwrap();
        (verified.discrepancies.iter().map(|one| one.rule).collect(), verified.entries)
    }

    /// Rules that the verification of the whole ledger finds violated.
    pub(crate) async fn verify_all(&self) -> Vec<&'static str> {
        let verified = verify_whole_ledger(&self.pool, 20).await.unwrap();
        verified.discrepancies.iter().map(|one| one.rule).collect()
    }

    pub(crate) async fn count(&self, what: &'static str) -> i64 {
        sqlx::query_scalar(what).fetch_one(&self.pool).await.unwrap()
    }

    pub(crate) async fn execute(&self, statements: &[String]) {
        for statement in statements {
            let done = sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&self.pool).await;
            assert!(done.unwrap().rows_affected() > 0, "{statement}");
        }
    }

    /// Makes everything old enough to be proven.
    pub(crate) fn age(&self) {
        self.clock.advance(TimeDelta::hours(2));
    }
}

pub(crate) fn charge(amount: i64) -> Command {
    Command::Charge {
        lines: vec![Line { service: "acme.work".parse().unwrap(), amount: MicroCoins(amount) }],
    }
}

/// What the random commands know of the wallets.
#[derive(Default)]
pub(crate) struct Known {
    holds: Vec<(WalletId, HoldId)>,
    charges: Vec<(WalletId, TransactionId)>,
}

impl Known {
    /// Executes a random command.
    pub(crate) async fn act(&mut self, ledger: &Ledger, wallets: &[WalletId], dice: &mut StdRng) {
        let wallet = wallets[dice.random_range(0..wallets.len())];
        let amount = dice.random_range(1..50);
        match dice.random_range(0..10) {
            0 => {
                ledger.run(wallet, ledger.credit(amount)).await;
            }
            1..5 => {
                let posted = ledger.run(wallet, charge(amount)).await;
                self.charges.extend(posted.map(|posted| (wallet, posted.transaction)));
            }
            5..7 => {
                let (hold, expires_at) =
                    (HoldId::generate(&ledger.clock), ledger.clock.now() + TimeDelta::minutes(90));
                let place = Command::Hold { hold, amount: MicroCoins(amount), expires_at };
                self.holds.extend(ledger.run(wallet, place).await.map(|_| (wallet, hold)));
            }
            7 if !self.holds.is_empty() => {
                let (wallet, hold) = self.holds.swap_remove(dice.random_range(0..self.holds.len()));
                let lines = vec![Line { service: "acme.work".parse().unwrap(), amount: MicroCoins(amount) }];
                ledger.run(wallet, Command::Capture { hold, lines }).await;
            }
            8 if !self.holds.is_empty() => {
                let (wallet, hold) = self.holds.swap_remove(dice.random_range(0..self.holds.len()));
                ledger.run(wallet, Command::Release { hold }).await;
            }
            _ if !self.charges.is_empty() => {
                let (wallet, charge) = self.charges[dice.random_range(0..self.charges.len())];
                ledger.run(wallet, Command::Refund { charge, amount: Some(MicroCoins(1)) }).await;
            }
            _ => {}
        }
    }
}
