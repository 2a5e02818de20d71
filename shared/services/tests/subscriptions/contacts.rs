//! The address of the receipt, which a payer may correct while a form is open.

use flysk_crypto::{Keyring, aad};
use flysk_domain::id::InvoiceId;
use flysk_domain::platform::invoice_payments::PaymentStep;
use flysk_domain::platform::purchases::Email;
use flysk_domain::platform::subscriptions::{Change, PeriodLength};
use flysk_services::invoice_payments::FormOutcome;
use flysk_services::subscriptions::{PayRequest, pay_invoice};
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

    /// The address that the invoice's receipts go to.
    async fn address_of(&self, invoice: InvoiceId) -> String {
        let mut conn = self.outbox.pool().acquire().await.unwrap();
        let invoice = subscriptions::find_invoice(&mut conn, invoice).await.unwrap().unwrap();
        let sealed = invoice.contact_sealed.unwrap();
        let keyring = Keyring::parse(KEYRING).unwrap();
        keyring.open(&sealed, &aad::invoice_contact(invoice.id)).unwrap().expose_secret().to_owned()
    }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
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
