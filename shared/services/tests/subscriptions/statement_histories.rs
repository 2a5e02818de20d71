//! Random histories of a firm's payments: after every step each kopeck is in one place, and nothing is granted twice.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::id::BankOperationId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{Change, PeriodLength, SubscriptionState, VatRate, moscow_day};
use flysk_domain::platform::transfers::{MAX_PURPOSE_CHARS, PaymentOrder};
use flysk_services::subscriptions::expire_overdue_invoices;
use flysk_services::transfers::{
    DecideError, Decision, ReadOperation, TransferContext, dismiss_operation, match_operation_to_invoice,
    move_operation_to_balance, pay_from_balance, record_returned_operation, withdraw_transfer_invoice,
};
use flysk_store::platform::subscriptions::Plan;
use flysk_store::platform::transfers::{TransferInvoice, verify_transfers};
use flysk_store::platform::vendors::{self, VendorTaxes};
use sqlx::MySqlPool;

use super::statement::{
    FIRM, STRANGER, ask, asked, check_books, current, expire, keyring, read, trace, transfer,
};
use super::world::World;

/// Histories, each from another seed, and steps of one.
const SEEDS: u64 = 4;
const STEPS: u32 = 30;

/// Numbers that repeat with their seed (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }
}

/// What a history has seen.
struct History<'a> {
    world: &'a World,
    dice: Dice,
    plan: Plan,
    invoices: Vec<TransferInvoice>,
    listed: Vec<ReadOperation>,
    operations: Vec<BankOperationId>,
}

impl History<'_> {
    /// One step; returns its name.
    async fn step(&mut self) -> &'static str {
        match self.dice.roll(12) {
            0..=3 => self.pay().await,
            4 => self.order().await,
            5 => self.withdraw().await,
            6 => self.wait().await,
            7 => self.change_vat().await,
            8 => self.read_again().await,
            9 => self.cover().await,
            _ => self.decide().await,
        }
    }

    /// A transfer with more or less of what an invoice asks for, from whom it may, under whatever purpose.
    async fn pay(&mut self) -> &'static str {
        let known = self.dice.roll(self.invoices.len());
        let invoice = current(self.world, self.invoices[known].id).await;
        let missing = invoice.missing().0;
        let kopecks = self.dice.pick(&[missing, missing, missing / 2, missing + 1, missing * 3, 1]).max(1);
        let number = invoice.number.to_string();
        let padding: String = "Оплата за услуги ".repeat(20).chars().take(MAX_PURPOSE_CHARS - 3).collect();
        let cut: String = format!("{padding}{number}").chars().take(MAX_PURPOSE_CHARS).collect();
        let purposes = [format!("Счет {number}"), number, "Оплата по договору".to_owned(), cut];
        let purpose = &purposes[self.dice.roll(purposes.len())];
        let payer = self.dice.pick(&[FIRM, FIRM, FIRM, STRANGER, "", "99091"]);
        let document = self.listed.len().to_string();
        let paid = transfer(self.world, &document, (payer, kopecks), purpose);
        self.operations.push(read(self.world, std::slice::from_ref(&paid)).await[0].0);
        self.listed.push(paid);
        "pay"
    }

    /// The customer orders something, if nothing is open, and asks for an invoice.
    async fn order(&mut self) -> &'static str {
        let open = if let Some(open) = self.world.open_invoice().await {
            Some(open)
        } else {
            let current = self.world.row().await.subscription;
            let change = match current.state {
                SubscriptionState::Active => Change::Seats(current.terms.map_or(1, |terms| terms.seats) + 1),
                state if state.can_start() => {
                    Change::Start { plan: self.plan.id, seats: 1, length: PeriodLength::Month }
                }
                _ => return "order nothing",
            };
            // Weeks that went by at once leave the subscription to an operator, who answers no customer here.
            if current.needs_person {
                return "order nothing";
            }
            self.world.apply(&self.world.quote(change).await).await
        };
        if let Some(open) = open {
            self.invoices.push(ask(self.world, &open).await);
        }
        "order"
    }

    async fn withdraw(&mut self) -> &'static str {
        let known = self.dice.roll(self.invoices.len());
        let keyring = keyring();
        let context = TransferContext { keyring: &keyring, clock: &self.world.clock };
        let mut unit = self.world.unit().await;
        withdraw_transfer_invoice(&mut unit, context, self.invoices[known].id).await.unwrap();
        unit.commit().await.unwrap();
        "withdraw"
    }

    /// Days go by, with what the schedule does.
    async fn wait(&mut self) -> &'static str {
        self.world.advance(TimeDelta::days(self.dice.pick(&[1, 5, 14, 40])));
        expire(self.world).await.unwrap();
        expire_overdue_invoices(&self.world.outbox, &trace(), 10).await.unwrap();
        self.world.run_due().await;
        "wait"
    }

    async fn change_vat(&mut self) -> &'static str {
        let mut conn = self.world.outbox.pool().acquire().await.unwrap();
        let vendor = vendors::find_vendor_of_widget(&mut conn, self.world.widget.id).await.unwrap().unwrap();
        let now = self.world.clock.now();
        let vat = self.dice.pick(&[VatRate::None, VatRate::Vat5, VatRate::Vat22]);
        let taxes = VendorTaxes { valid_from: moscow_day(now), taxation: "osn".to_owned(), vat };
        vendors::put_taxes(&mut conn, vendor.id, &taxes, now).await.unwrap();
        "change VAT"
    }

    /// The statement is read once more; the bank has given other ids.
    async fn read_again(&mut self) -> &'static str {
        let renamed: Vec<ReadOperation> = self
            .listed
            .iter()
            .map(|listed| ReadOperation { bank_id: format!("night-{}", listed.bank_id), ..listed.clone() })
            .collect();
        let ids: Vec<BankOperationId> =
            read(self.world, &renamed).await.into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, self.operations, "no operation is new");
        "read again"
    }

    async fn cover(&mut self) -> &'static str {
        let known = self.dice.roll(self.invoices.len());
        let keyring = keyring();
        let context = TransferContext { keyring: &keyring, clock: &self.world.clock };
        let mut unit = self.world.unit().await;
        pay_from_balance(&mut unit, context, self.invoices[known].id).await.unwrap();
        unit.commit().await.unwrap();
        "cover"
    }

    /// A person decides about any operation, whether it waits or not.
    async fn decide(&mut self) -> &'static str {
        if self.operations.is_empty() {
            return "decide nothing";
        }
        let operation = self.operations[self.dice.roll(self.operations.len())];
        let invoice = self.invoices[self.dice.roll(self.invoices.len())].id;
        let keyring = keyring();
        let context = TransferContext { keyring: &keyring, clock: &self.world.clock };
        let decision = Decision { operation, by: "operator:anna", reason: "так решили" };
        let order = PaymentOrder::new("17", moscow_day(self.world.clock.now())).unwrap();
        let mut unit = self.world.unit().await;
        let decided = match self.dice.roll(4) {
            0 => match_operation_to_invoice(&mut unit, context, &decision, invoice).await,
            1 => {
                let to = (self.world.install, FIRM.parse().unwrap());
                move_operation_to_balance(&mut unit, context, &decision, to).await
            }
            2 => dismiss_operation(&mut unit, context, &decision).await,
            _ => record_returned_operation(&mut unit, context, &decision, &order).await,
        };
        match decided {
            Ok(()) => unit.commit().await.unwrap(),
            Err(DecideError::NotQueued | DecideError::NotWaiting) => drop(unit),
            Err(error) => panic!("{error}"),
        }
        "decide"
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_kopeck_of_random_histories_is_in_one_place(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let (_, first) = asked(&world).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    let mut history = History {
        world: &world,
        dice: Dice(1),
        plan,
        invoices: vec![first],
        listed: Vec::new(),
        operations: Vec::new(),
    };
    for seed in 1..=SEEDS {
        history.dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut steps = Vec::new();
        for _ in 0..STEPS {
            steps.push(history.step().await);
            let mut conn = world.outbox.pool().acquire().await.unwrap();
            let violations = verify_transfers(&mut conn, world.clock.now(), 10).await.unwrap();
            assert_eq!(violations, [], "seed {seed}: {steps:?}");
            drop(conn);
            check_books(&world).await;
        }
    }
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let paid: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM transfer_invoices WHERE state = 'paid'")
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    assert!(paid > 0, "nothing was bought in all histories");
    let arrived: Vec<Kopecks> = history.listed.iter().map(|listed| listed.amount).collect();
    let stored: i64 = sqlx::query_scalar("SELECT CAST(SUM(amount_kopecks) AS SIGNED) FROM bank_operations")
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    assert_eq!(Kopecks::total(arrived), Ok(Kopecks(stored)));
}
