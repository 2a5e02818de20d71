//! Fixture with wallets.

use chrono::{DateTime, Duration, Utc};
use flysk_domain::id::{HoldId, InstallId, LotId, TransactionId, WalletId, WidgetId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, Line, Origin};
use flysk_domain::{Clock, ManualClock};
use flysk_store::platform::ledger::{
    self, CommandOutcome, Discrepancy, IdempotencyKey, LedgerCommand, Posted, WalletRow,
};
use flysk_store::{Pool, StoreResult};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

pub(crate) struct LedgerFixture {
    pub(crate) pool: Pool,
    pub(crate) clock: ManualClock,
    pub(crate) widget: WidgetId,
}

impl LedgerFixture {
    /// Opens sessions like [`flysk_store::connect`].
    pub(crate) async fn open(options: MySqlPoolOptions, connect: MySqlConnectOptions) -> Self {
        let connect = connect.statement_cache_capacity(flysk_store::STATEMENT_CACHE_CAPACITY);
        let pool =
            flysk_store::configure_pool(options.max_connections(16)).connect_with(connect).await.unwrap();
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        let widget = WidgetId::generate(&clock);
        Self { pool, clock, widget }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) async fn wallet(&self) -> WalletId {
        let id = WalletId::generate(&self.clock);
        let install = InstallId::generate(&self.clock);
        let mut conn = self.pool.acquire().await.unwrap();
        assert!(ledger::insert_wallet(&mut conn, id, install, self.widget, self.now()).await.unwrap());
        assert!(
            !ledger::insert_wallet(
                &mut conn,
                WalletId::generate(&self.clock),
                install,
                self.widget,
                self.now()
            )
            .await
            .unwrap()
        );
        id
    }

    pub(crate) async fn apply(
        &self,
        wallet: WalletId,
        instructions: &[LedgerCommand],
    ) -> StoreResult<Vec<CommandOutcome>> {
        let mut tx = self.pool.begin().await?;
        let outcomes = ledger::apply(&mut tx, wallet, instructions, &self.clock).await?;
        tx.commit().await?;
        Ok(outcomes)
    }

    pub(crate) async fn run(&self, wallet: WalletId, command: Command) -> CommandOutcome {
        let instruction = self.instruction(command);
        self.apply(wallet, &[instruction]).await.unwrap().remove(0)
    }

    pub(crate) async fn done(&self, wallet: WalletId, command: Command) -> Posted {
        match self.run(wallet, command).await {
            CommandOutcome::Done(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn instruction(&self, command: Command) -> LedgerCommand {
        LedgerCommand::new(TransactionId::generate(&self.clock), command)
    }

    pub(crate) fn credit(&self, amount: i64, lives: Option<Duration>) -> Command {
        Command::Credit {
            lot: LotId::generate(&self.clock),
            origin: Origin::Package,
            amount: MicroCoins(amount),
            expires_at: lives.map(|lives| self.now() + lives),
        }
    }

    pub(crate) fn hold(&self, amount: i64, lives: Duration) -> (HoldId, Command) {
        let hold = HoldId::generate(&self.clock);
        let expires_at = self.now() + lives;
        (hold, Command::Hold { hold, amount: MicroCoins(amount), expires_at })
    }

    pub(crate) async fn balance(&self, wallet: WalletId) -> (i64, i64) {
        let mut conn = self.pool.acquire().await.unwrap();
        let WalletRow { available, held, .. } =
            ledger::find_wallet(&mut conn, wallet).await.unwrap().unwrap();
        (available.0, held.0)
    }

    pub(crate) async fn discrepancies(&self) -> Vec<Discrepancy> {
        let mut conn = self.pool.acquire().await.unwrap();
        ledger::verify(&mut conn, 20).await.unwrap().discrepancies
    }
}

pub(crate) fn charge(amount: i64) -> Command {
    Command::Charge { lines: lines(amount) }
}

pub(crate) fn lines(amount: i64) -> Vec<Line> {
    vec![Line { service: "flysense.recognition".parse().unwrap(), amount: MicroCoins(amount) }]
}

pub(crate) fn key(text: impl Into<String>, body: &str) -> IdempotencyKey {
    // Bodies are only compared, so any value can stand for the hash.
    IdempotencyKey { text: text.into(), body_hash: format!("{body:0>64}") }
}
