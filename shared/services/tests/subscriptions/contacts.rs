//! The address of the receipt, which a payer may correct while a form is open, and how long it is kept.

use flysk_crypto::{Keyring, aad};
use flysk_domain::id::InvoiceId;
use flysk_domain::platform::invoice_payments::PaymentStep;
use flysk_domain::platform::purchases::Email;
use flysk_domain::platform::subscriptions::{Change, PeriodLength};
use flysk_services::invoice_payments::{FormOutcome, PayRequest, RequestRefundError, pay_invoice};
use flysk_services::subscriptions::set_contact;
use flysk_store::platform::erasure;
use flysk_store::platform::invoice_payments;
use flysk_store::platform::subscriptions::{self, Invoice};
use secrecy::ExposeSecret as _;
use sqlx::MySqlPool;

use super::world::{KEYRING, USER, World};

const MISTYPED: &str = "buh@exmaple.test";
const CORRECTED: &str = "buh@example.test";

impl World {
    pub(super) async fn pay_as(&self, invoice: &Invoice, address: &str) -> FormOutcome {
        let keyring = Keyring::parse(KEYRING).unwrap();
        let email: Email = address.parse().unwrap();
        let sealed = keyring.seal_email(address, &aad::invoice_contact(invoice.id)).unwrap();
        let request = PayRequest {
            user: USER,
            email: &email,
            contact: &sealed,
            keyring: &keyring,
            terminal_key: "1700000000000DEMO",
            consent: None,
        };
        let mut unit = self.unit().await;
        let outcome = pay_invoice(&mut unit, &self.clock, invoice, request).await.unwrap();
        unit.commit().await.unwrap();
        outcome
    }

    /// The payer of an invoice has given an address for its receipts.
    pub(super) async fn give_address(&self, invoice: InvoiceId) {
        let keyring = Keyring::parse(KEYRING).unwrap();
        let contact = keyring.seal_email(CORRECTED, &aad::invoice_contact(invoice)).unwrap();
        let mut unit = self.unit().await;
        set_contact(&mut unit, &self.clock, invoice, &contact).await.unwrap();
        unit.commit().await.unwrap();
    }

    /// The address that the invoice's receipts go to.
    async fn address_of(&self, invoice: InvoiceId) -> String {
        let mut conn = self.outbox.pool().acquire().await.unwrap();
        let invoice = subscriptions::find_invoice(&mut conn, invoice).await.unwrap().unwrap();
        let sealed = invoice.contact_sealed.unwrap();
        let keyring = Keyring::parse(KEYRING).unwrap();
        keyring.open(&sealed, &aad::invoice_contact(invoice.id)).unwrap().expose_secret().to_owned()
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_corrected_address_replaces_the_open_form_after_the_bank_has_cancelled_it(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    let start = Change::Start { plan: plan.id, seats: 1, length: PeriodLength::Month };
    let invoice = world.apply(&world.quote(start).await).await.unwrap();
    let FormOutcome::Opening(former) = world.pay_as(&invoice, MISTYPED).await else {
        panic!("the first form opens");
    };
    assert_eq!(world.pay_as(&invoice, MISTYPED).await, FormOutcome::Open(former), "the address is the same");
    assert_eq!(world.pay_as(&invoice, CORRECTED).await, FormOutcome::Busy(former));
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let withdrawn = invoice_payments::find_attempt(&mut conn, former).await.unwrap().unwrap();
    assert!(withdrawn.is_withdrawn, "its receipt would go to the mistyped address");
    assert_eq!(
        world.pay_as(&invoice, CORRECTED).await,
        FormOutcome::Busy(former),
        "one live form an invoice"
    );
    assert_eq!(world.told(former, "CANCELED", None).await, PaymentStep::Fail);

    let FormOutcome::Opening(other) = world.pay_as(&invoice, CORRECTED).await else {
        panic!("the bank has cancelled the former form");
    };
    assert_ne!(other, former);
    assert_eq!(world.address_of(invoice.id).await, CORRECTED);
    assert_eq!(world.pay_as(&invoice, CORRECTED).await, FormOutcome::Open(other));
    assert_eq!(world.told(other, "CONFIRMED", None).await, PaymentStep::Settle);
    assert_eq!(world.payment_violations().await, [""; 0]);
}

/// A charge of a card asks for no address: its receipts go to the one of the last form.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_address_stays_as_long_as_the_receipts_of_a_charge_need_it(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let renewal = world.due_charge().await;
    let first = world.invoices().await.pop().unwrap();
    world.give_address(first.id).await;
    let charge = world.begin_charge(renewal.id).await.unwrap();
    assert_eq!(world.told(charge.id, "CONFIRMED", None).await, PaymentStep::Settle);
    let subscription = world.row().await.id;
    let erase_after = async |invoice: InvoiceId, receipt: &'static str| {
        let mut conn = world.outbox.pool().acquire().await.unwrap();
        let updated = sqlx::query("UPDATE invoice_receipts SET state = ? WHERE invoice_id = ?")
            .bind(receipt)
            .bind(invoice.to_string())
            .execute(&mut *conn)
            .await;
        assert_eq!(updated.unwrap().rows_affected(), 1);
        erasure::erase_invoice_contacts(&mut conn, subscription, 10).await.unwrap()
    };
    assert_eq!(erase_after(first.id, "sent").await, 0, "that of the charge is to come");
    assert_eq!(erase_after(renewal.id, "unclear").await, 0, "a person may have it sent again");
    assert_eq!(erase_after(renewal.id, "sent").await, 1);

    let part = world.refund(renewal.id, Some(1_000)).await;
    assert!(matches!(part, Err(RequestRefundError::AddressErased)), "{part:?}");
    assert_eq!(world.refund(renewal.id, None).await.unwrap().amount, renewal.total, "it has no receipt");
}
