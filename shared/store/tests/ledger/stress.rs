//! Random concurrent operations with simulated crashes; afterwards the ledger must be consistent.

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration as StdDuration;

use chrono::Duration;
use flysk_domain::id::{HoldId, LotId, TransactionId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, LotPart, Origin, TransactionKind};
use flysk_store::platform::ledger::{self, CommandOutcome, LedgerCommand, WalletBatcher};
use flysk_store::{StoreError, StoreResult};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use tokio::task::JoinSet;

use crate::ledger_fixture::{LedgerFixture, key, lines};

/// Number of concurrent actors.
const ACTOR_COUNT: u64 = 8;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn fifty_thousand_steps_with_crashes_keep_the_ledger_consistent(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    run_stress(LedgerFixture::open(options, connect).await, 50_000).await;
}

#[ignore = "takes an hour; for releases"]
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_million_steps_with_crashes_keep_the_ledger_consistent(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    run_stress(LedgerFixture::open(options, connect).await, 1_000_000).await;
}

/// The actors' knowledge of a wallet, partly outdated.
#[derive(Default)]
struct KnownState {
    holds: Vec<HoldId>,
    charges: Vec<TransactionId>,
    lots: Vec<LotId>,
    /// Withdrawals that are not restored yet, with their coins.
    withdrawn: Vec<(TransactionId, LotPart)>,
    /// Known withdrawals: each is restored once.
    heard: HashSet<TransactionId>,
    sent: Vec<LedgerCommand>,
}

struct Load {
    fixture: LedgerFixture,
    /// Two batchers, like two processes; some actors use them, others call the ledger directly.
    batchers: [WalletBatcher; 2],
    wallets: Vec<WalletId>,
    known: Vec<Mutex<KnownState>>,
    steps: AtomicI64,
}

async fn run_stress(fixture: LedgerFixture, steps: i64) {
    let mut wallets = Vec::new();
    for _ in 0..4 {
        wallets.push(fixture.wallet().await);
    }
    let known = wallets.iter().map(|_| Mutex::default()).collect();
    let batchers = [0, 1].map(|_| WalletBatcher::new(fixture.pool.clone(), Arc::new(fixture.clock.clone())));
    let load = Arc::new(Load { fixture, batchers, wallets, known, steps: AtomicI64::new(steps) });
    let mut actors = JoinSet::new();
    for seed in 0..ACTOR_COUNT {
        let load = Arc::clone(&load);
        actors.spawn(async move { load.act(StdRng::seed_from_u64(seed)).await });
    }
    while let Some(ended) = actors.join_next().await {
        ended.unwrap();
    }
    load.finish().await;
}

impl Load {
    async fn act(&self, mut dice: StdRng) {
        while self.steps.load(Ordering::Relaxed) > 0 {
            let at = dice.random_range(0..self.wallets.len());
            let count = dice.random_range(1..=8);
            let instructions: Vec<LedgerCommand> = (0..count).map(|_| self.invent(at, &mut dice)).collect();
            self.steps.fetch_sub(count, Ordering::Relaxed);
            if dice.random_ratio(1, 50) {
                self.fixture.clock.advance(Duration::minutes(dice.random_range(0..20)));
            }
            // An actor that does not know the outcome repeats the commands under the same keys.
            while !self.try_once(at, &instructions, &mut dice).await {}
        }
    }

    /// One try; `false` if the actor cannot know whether the commands were executed.
    async fn try_once(&self, at: usize, instructions: &[LedgerCommand], dice: &mut StdRng) -> bool {
        let batcher = self.batchers.get(dice.random_range(0..4_usize));
        let attempt = async {
            match batcher {
                Some(batcher) => submit(batcher, self.wallets[at], instructions).await,
                None => self.fixture.apply(self.wallets[at], instructions).await,
            }
        };
        let outcomes = match dice.random_range(0..20) {
            // The process crashes before the commit.
            0 => {
                let mut tx = self.fixture.pool.begin().await.unwrap();
                let _ = ledger::apply(&mut tx, self.wallets[at], instructions, &self.fixture.clock).await;
                drop(tx);
                return false;
            }
            // It crashes at a random moment, possibly during the commit.
            1 => {
                let time_limit = StdDuration::from_micros(dice.random_range(0..8_000));
                match tokio::time::timeout(time_limit, attempt).await {
                    Ok(outcomes) => outcomes,
                    Err(_) => return false,
                }
            }
            _ => attempt.await,
        };
        match outcomes {
            Ok(outcomes) => {
                self.learn(at, instructions, &outcomes);
                true
            }
            Err(StoreError::Conflict(_) | StoreError::Duplicate { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }

    fn learn(&self, at: usize, instructions: &[LedgerCommand], outcomes: &[CommandOutcome]) {
        let mut known = self.known[at].lock().unwrap();
        for (instruction, outcome) in instructions.iter().zip(outcomes) {
            assert_ne!(*outcome, CommandOutcome::KeyReused, "keys are never used for two bodies here");
            let (CommandOutcome::Done(answer) | CommandOutcome::Replayed(answer)) = outcome else { continue };
            match &instruction.command {
                Command::Credit { lot, .. } => known.lots.push(*lot),
                Command::Hold { hold, .. } => known.holds.push(*hold),
                Command::Charge { .. } | Command::Capture { .. } => known.charges.push(answer.transaction),
                Command::Withdraw { lots, amount } if known.heard.insert(answer.transaction) => {
                    known.withdrawn.push((answer.transaction, LotPart { lot: lots[0], amount: *amount }));
                }
                _ => {}
            }
            known.sent.push(instruction.clone());
        }
    }

    /// Generates a command: mostly valid, sometimes impossible, sometimes a repetition.
    fn invent(&self, at: usize, dice: &mut StdRng) -> LedgerCommand {
        fn recent<T: Clone>(from: &[T], dice: &mut StdRng) -> Option<T> {
            let from = &from[from.len().saturating_sub(40)..];
            (!from.is_empty()).then(|| from[dice.random_range(0..from.len())].clone())
        }
        let fixture = &self.fixture;
        let mut known = self.known[at].lock().unwrap();
        let amount = dice.random_range(1..400);
        let lives = Duration::minutes(dice.random_range(1..300));
        let origin = Origin::ALL[dice.random_range(0..Origin::ALL.len())];
        let credit = |expires: Option<Duration>| Command::Credit {
            lot: LotId::generate(&fixture.clock),
            origin,
            amount: MicroCoins(amount),
            expires_at: expires.map(|lives| fixture.now() + lives),
        };
        let command = match dice.random_range(0..100) {
            0..16 => Some(credit(dice.random_bool(0.5).then_some(lives))),
            16..38 => Some(Command::Charge { lines: lines(amount) }),
            38..58 => Some(fixture.hold(amount, lives).1),
            58..72 => recent(&known.holds, dice).map(|hold| Command::Capture { hold, lines: lines(amount) }),
            72..80 => recent(&known.holds, dice).map(|hold| Command::Release { hold }),
            80..92 => recent(&known.charges, dice).map(|charge| Command::Refund {
                charge,
                amount: (amount % 8 != 0).then_some(MicroCoins(amount)),
            }),
            92..95 => recent(&known.lots, dice)
                .map(|lot| Command::Withdraw { lots: vec![lot], amount: MicroCoins(amount) }),
            // A withdrawal is removed from the list when it is restored, so that no other actor restores it.
            95..97 => known
                .withdrawn
                .pop()
                .map(|(withdrawal, part)| Command::Restore { withdrawal, parts: vec![part] }),
            _ => return recent(&known.sent, dice).unwrap_or_else(|| self.keyed(credit(None), dice)),
        };
        self.keyed(command.unwrap_or_else(|| credit(None)), dice)
    }

    /// Gives the command a key, which is also stored in the transaction for counting.
    fn keyed(&self, command: Command, dice: &mut StdRng) -> LedgerCommand {
        let text = format!("{:032x}", dice.random::<u128>());
        let instruction = self.fixture.instruction(command).keyed(key(text.clone(), "body"));
        LedgerCommand { reference: Some(text), ..instruction }
    }

    async fn finish(&self) {
        let fixture = &self.fixture;
        // A batcher may still execute commands whose actor gave up waiting; a command submitted last finishes last.
        for batcher in &self.batchers {
            for wallet in &self.wallets {
                batcher.submit(*wallet, fixture.instruction(fixture.credit(1, None))).await.unwrap();
            }
        }
        assert_eq!(fixture.discrepancies().await, [], "while holds are open");
        fixture.clock.advance(Duration::days(30));
        loop {
            let mut conn = fixture.pool.acquire().await.unwrap();
            let due = ledger::list_wallets_to_sweep(&mut conn, fixture.now(), 100).await.unwrap();
            drop(conn);
            if due.is_empty() {
                break;
            }
            for wallet in due {
                fixture.apply(wallet, &[]).await.unwrap();
            }
        }
        assert_eq!(fixture.discrepancies().await, []);
        for (what, sql) in [
            ("the whole ledger sums to zero", "SELECT CAST(COALESCE(SUM(amount_micro), 0) AS SIGNED) FROM ledger_entries"),
            ("holds all end", "SELECT COUNT(*) FROM ledger_holds WHERE state = 'open'"),
            ("nothing stays held", "SELECT CAST(SUM(held_micro) AS SIGNED) FROM wallets"),
            ("nothing is negative", "SELECT COUNT(*) FROM wallets WHERE available_micro < 0 OR held_micro < 0"),
            (
                "a hold is placed once and ends once",
                "SELECT COUNT(*) FROM (SELECT hold_id FROM ledger_transactions WHERE hold_id IS NOT NULL
                                       GROUP BY hold_id HAVING COUNT(*) <> 2) AS odd",
            ),
            (
                "a key acts at most once",
                "SELECT COUNT(*) FROM (SELECT reference FROM ledger_transactions WHERE reference IS NOT NULL
                                       GROUP BY reference HAVING COUNT(*) > 1) AS odd",
            ),
            (
                "every act has its key",
                "SELECT COUNT(*) FROM ledger_transactions t JOIN wallets w ON w.id = t.wallet_id
                 LEFT JOIN idempotency_keys k
                     ON k.widget_id = w.widget_id AND k.idem_key = CONVERT(t.reference USING ascii) COLLATE ascii_bin
                 WHERE t.reference IS NOT NULL AND k.idem_key IS NULL",
            ),
            (
                "by the entries refunds stay within charges",
                "SELECT COUNT(*) FROM (
                     SELECT c.transaction_id FROM ledger_charges c
                     JOIN ledger_transactions t ON t.reverses_id = c.transaction_id
                     JOIN ledger_entries e ON e.transaction_id = t.id AND e.account LIKE 'spent:%'
                     GROUP BY c.transaction_id, c.charged_micro
                     HAVING -SUM(e.amount_micro) > c.charged_micro) AS odd",
            ),
            (
                "a withdrawal is undone at most once",
                "SELECT COUNT(*) FROM (SELECT reverses_id FROM ledger_transactions WHERE kind = 'restore'
                                       GROUP BY reverses_id HAVING COUNT(*) > 1) AS odd",
            ),
        ] {
            let found: i64 = sqlx::query_scalar(sql).fetch_one(&fixture.pool).await.unwrap();
            assert_eq!(found, 0, "{what}");
        }
        let kinds: Vec<(String, i64)> =
            sqlx::query_as("SELECT kind, COUNT(*) FROM ledger_transactions GROUP BY kind ORDER BY kind")
                .fetch_all(&fixture.pool)
                .await
                .unwrap();
        assert_eq!(kinds.len(), TransactionKind::ALL.len(), "every kind of transaction took part: {kinds:?}");
        let origins: i64 = sqlx::query_scalar("SELECT COUNT(DISTINCT origin) FROM ledger_lots")
            .fetch_one(&fixture.pool)
            .await
            .unwrap();
        assert_eq!(usize::try_from(origins), Ok(Origin::ALL.len()), "lots of every origin took part");
    }
}

/// Submits all commands to a batcher concurrently; returns all outcomes, or that one of them failed.
async fn submit(
    batcher: &WalletBatcher,
    wallet: WalletId,
    instructions: &[LedgerCommand],
) -> StoreResult<Vec<CommandOutcome>> {
    let mut callers = JoinSet::new();
    for (index, instruction) in instructions.iter().cloned().enumerate() {
        let batcher = batcher.clone();
        callers.spawn(async move { (index, batcher.submit(wallet, instruction).await) });
    }
    let mut answers = callers.join_all().await;
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
