//! A firm that pays a subscriber's invoices by bank transfer, for tests and the demo.

use anyhow::{Context as _, bail};
use flysk_domain::id::{InvoiceId, UserId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::VatRate;
use flysk_domain::platform::transfers::{Payer, PaymentSubject};
use flysk_sandbox::Options;
use flysk_services::subscriptions::Actor;
use flysk_services::transfers::{
    NewTransferInvoice, RequestOutcome, TransferContext, request_transfer_invoice, set_t_api_access,
};
use flysk_simulators::t_api::{self, Behaviour, TApi, Transfer};
use flysk_simulators::{Control, Running};
use flysk_store::platform::transfers::TransferInvoice;
use flysk_store::platform::vendors;

use crate::environment::{ADMIN, T_API_ACCOUNT, T_API_TOKEN};
use crate::subscriber::Subscriber;

/// INN of the firm.
pub const INN: &str = "7707083893";
const NAME: &str = "ООО «Ромашка»";
const KPP: &str = "770701001";
const EMAIL: &str = "buh@example.test";

/// A simulated T-API without limits: they count in real time, of which an hour of a sandbox takes a moment.
pub async fn start_bank() -> anyhow::Result<Running<TApi>> {
    let options =
        t_api::Options { bind: None, token: T_API_TOKEN.to_owned(), account: T_API_ACCOUNT.to_owned() };
    let bank = t_api::start(options, Control::default()).await?;
    bank.state.behave(Behaviour { limits_requests: false, ..Behaviour::default() });
    Ok(bank)
}

/// Lets the product of a sandbox call this bank.
pub fn point_to(options: &mut Options, bank: &Running<TApi>) {
    options.variables.insert("FLYSK_T_API_URL".to_owned(), format!("{}/openapi", bank.url));
    options.variables.insert("FLYSK_T_API_TIMEOUT_MS".to_owned(), "3000".to_owned());
}

/// Lets the subscriber's seller take transfers.
pub async fn take_transfers(subscriber: &Subscriber) -> anyhow::Result<()> {
    let row = subscriber.row().await?;
    let mut conn = subscriber.sandbox.pool.acquire().await?;
    let vendor = vendors::find_vendor_of_widget(&mut conn, row.widget_id).await?;
    let vendor = vendor.context("the widget has no seller")?;
    let keyring = &subscriber.sandbox.executor.app().keyring;
    let token = T_API_TOKEN.into();
    let access = Some((T_API_ACCOUNT, &token));
    set_t_api_access(&mut conn, keyring, vendor.id, access, subscriber.sandbox.now()).await?;
    Ok(())
}

/// Asks for an invoice to the firm, for an invoice of the subscription. Jobs have not run.
pub async fn ask(subscriber: &Subscriber, invoice: InvoiceId) -> anyhow::Result<TransferInvoice> {
    let payer = Payer::new(NAME, INN, Some(KPP))?;
    let new = NewTransferInvoice {
        subject: PaymentSubject::Invoice(invoice),
        payer: &payer,
        email: &EMAIL.parse()?,
        default_vat: VatRate::None,
        requested_by: Actor::User(UserId(ADMIN)),
    };
    let keyring = &subscriber.sandbox.executor.app().keyring;
    let context = TransferContext { keyring, clock: &subscriber.sandbox.clock };
    let mut unit = subscriber.begin().await?;
    let outcome = request_transfer_invoice(&mut unit, context, new).await?;
    let RequestOutcome::Requested(asked) = outcome else { bail!("no transfer invoice: {outcome:?}") };
    unit.commit().await?;
    Ok(*asked)
}

/// The firm pays from another bank, at the sandbox's time.
pub fn pay(subscriber: &Subscriber, bank: &Running<TApi>, amount: Kopecks, purpose: &str) {
    bank.state.credit(Transfer {
        kopecks: amount.0,
        payer_inn: INN.to_owned(),
        payer_name: NAME.to_owned(),
        purpose: purpose.to_owned(),
        at: Some(subscriber.sandbox.now()),
        ..Transfer::default()
    });
}
