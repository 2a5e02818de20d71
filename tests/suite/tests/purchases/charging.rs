//! The client's `Charge` of a saved card, which billing will build on, against the simulated bank.

use std::time::Duration;

use flysk_clients::http::HttpOptions;
use flysk_clients::tbank::{
    ChargeRequest, Config, InitRequest, InitiatorType, Payment, TBank, TBankError, Terminal,
};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::outcome::Outcome;
use flysk_domain::platform::tbank::{ErrorClass, PaymentStatus};
use flysk_simulators::tbank::{self, Ending};
use flysk_simulators::{Act, Control, Running, Script};
use secrecy::ExposeSecret as _;

use super::house::GOOD_CARD;
use super::surroundings::TERMINAL;

const PASSWORD: &str = "TinkoffBankTest";

/// A bank, our client of it, and a card that a customer saved.
struct Desk {
    bank: Running<tbank::TBank>,
    client: TBank,
    rebill_id: String,
}

impl Desk {
    async fn open(charge_enabled: bool) -> Self {
        let terminal = tbank::Terminal {
            key: TERMINAL.to_owned(),
            password: PASSWORD.to_owned(),
            notification_url: None,
            cash_register: false,
            charge_enabled,
        };
        let options = tbank::Options { bind: None, terminals: vec![terminal] };
        let bank = tbank::start(options, Control::default()).await.unwrap();
        let client = TBank::new(Config {
            base_url: format!("{}/v2", bank.url).parse().unwrap(),
            terminal: Terminal { key: TERMINAL.to_owned(), password: PASSWORD.into() },
            http: HttpOptions::with_timeout(Duration::from_millis(500)),
        })
        .unwrap();
        let parent = InitRequest {
            customer_key: Some("cust-42".to_owned()),
            save_card: true,
            initiator: Some(InitiatorType::CustomerSavesCard),
            ..InitRequest::new("parent", Kopecks(100))
        };
        let opened = client.init(&parent).await.unwrap();
        bank.state.pay(&opened.payment_id, GOOD_CARD).unwrap();
        let parent = client.state(&opened.payment_id).await.unwrap();
        let rebill_id = parent.rebill_id.expect("the card is saved").expose_secret().to_owned();
        Self { bank, client, rebill_id }
    }

    /// Opens a payment and has the saved card charged for it, which ends as told.
    async fn charge(&self, order_id: &str, ending: Ending) -> (String, Result<Payment, TBankError>) {
        self.bank.state.script_rebill(self.rebill_id.parse().unwrap(), vec![ending]).unwrap();
        let child = InitRequest {
            initiator: Some(InitiatorType::MerchantRecurring),
            ..InitRequest::new(order_id, Kopecks(49_900))
        };
        let payment_id = self.client.init(&child).await.unwrap().payment_id;
        let charged = self.charge_again(&payment_id).await;
        (payment_id, charged)
    }

    async fn charge_again(&self, payment_id: &str) -> Result<Payment, TBankError> {
        let request =
            ChargeRequest { payment_id: payment_id.to_owned(), rebill_id: self.rebill_id.clone().into() };
        self.client.charge(&request).await
    }
}

#[tokio::test]
async fn a_saved_card_is_charged_once_whatever_is_asked() {
    let desk = Desk::open(true).await;
    let (id, charged) = desk.charge("sub-1", Ending::Paid).await;
    let charged = charged.unwrap();
    assert_eq!((charged.status, charged.amount), (PaymentStatus::Confirmed, Some(Kopecks(49_900))));
    // A second call does not fit the state, which says nothing of the first: the bank is asked.
    let error = desk.charge_again(&id).await.unwrap_err();
    assert_eq!(error.refusal().map(|refusal| refusal.class), Some(ErrorClass::State));
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(desk.client.state(&id).await.unwrap().status, PaymentStatus::Confirmed);
    let order = desk.client.check_order("sub-1").await.unwrap();
    assert_eq!(order.payments.len(), 1);
}

#[tokio::test]
async fn every_class_of_decline_ends_the_attempt_and_tells_its_class() {
    let desk = Desk::open(true).await;
    for (code, class) in [
        (1051, ErrorClass::Funds),
        (1005, ErrorClass::Soft),
        (1041, ErrorClass::Hard),
        (1059, ErrorClass::Stop),
    ] {
        let (id, charged) = desk.charge(&format!("sub-{code}"), Ending::Declined(code)).await;
        let error = charged.unwrap_err();
        let refusal = error.refusal().expect("a refusal");
        assert_eq!((refusal.code.as_str(), refusal.class), (code.to_string().as_str(), class));
        assert_eq!(refusal.payment.as_ref().map(|payment| &payment.status), Some(&PaymentStatus::Rejected));
        assert_eq!(error.outcome(), Outcome::GiveUp, "{code}");
        let state = desk.client.state(&id).await.unwrap();
        assert_eq!(state.status, PaymentStatus::Rejected, "an answer, not an error");
    }
}

#[tokio::test]
async fn a_terminal_that_may_not_charge_is_our_fault_and_certain() {
    let desk = Desk::open(false).await;
    let (id, charged) = desk.charge("sub-1", Ending::Paid).await;
    let error = charged.unwrap_err();
    assert_eq!(error.refusal().map(|refusal| refusal.class), Some(ErrorClass::Config));
    assert_eq!(error.outcome(), Outcome::GiveUp);
    assert_eq!(desk.client.state(&id).await.unwrap().status, PaymentStatus::New, "nothing was taken");
}

/// The bank itself does not know: that is no error, and not paid.
#[tokio::test]
async fn a_charge_in_doubt_is_told_as_it_is() {
    let desk = Desk::open(true).await;
    let (id, charged) = desk.charge("sub-1", Ending::Hangs).await;
    assert_eq!(charged.unwrap().status, PaymentStatus::PayChecking);
    assert_eq!(desk.charge_again(&id).await.unwrap_err().outcome(), Outcome::Unknown);
    desk.bank.state.settle(&id, Ending::Paid).unwrap();
    assert_eq!(desk.client.state(&id).await.unwrap().status, PaymentStatus::Confirmed);
}

/// Whatever happens to the answer, nobody may take it for a no or for leave to call again.
#[tokio::test]
async fn a_lost_answer_is_unknown_and_asking_tells() {
    let desk = Desk::open(true).await;
    let page = |status| Act::Answer { status, headers: Vec::new(), body: "<html>".to_owned() };
    for (number, (act, taken)) in [
        (Act::ServeThenCut, PaymentStatus::Confirmed),
        (Act::ServeThenHang, PaymentStatus::Confirmed),
        (Act::Cut, PaymentStatus::New),
        (Act::Hang, PaymentStatus::New),
        (page(502), PaymentStatus::New),
        (page(403), PaymentStatus::New),
        (page(429), PaymentStatus::New),
        (page(200), PaymentStatus::New),
    ]
    .into_iter()
    .enumerate()
    {
        desk.bank.control.script(Script::next("/v2/Charge", act.clone()));
        let (id, charged) = desk.charge(&format!("sub-{number}"), Ending::Paid).await;
        assert_eq!(charged.unwrap_err().outcome(), Outcome::Unknown, "{act:?}");
        assert_eq!(desk.client.state(&id).await.unwrap().status, taken, "{act:?}");
    }
}
