//! `Charge` of a saved card through our client, which recurring billing will use, against the simulated bank.

use std::time::Duration;

use flysk_clients::http::HttpOptions;
use flysk_clients::tbank::{
    ChargeRequest, ClosingReceiptRequest, Config, FfdVersion, InitRequest, InitiatorType, Payment,
    PaymentMethod, PaymentObject, Receipt, ReceiptItem, SavedCardStatus, TBank, TBankError, Taxation,
    Terminal, Vat,
};
use flysk_domain::failure_action::FailureAction;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::tbank::{ErrorClass, PaymentStatus};
use flysk_simulators::tbank::{self, Ending};
use flysk_simulators::{Act, Control, Running, Script};
use secrecy::ExposeSecret as _;

use super::harness::GOOD_CARD;
use super::test_env::TERMINAL;

const PASSWORD: &str = "TinkoffBankTest";

/// A bank, our client for it, and a customer's saved card.
struct Fixture {
    bank: Running<tbank::TBank>,
    client: TBank,
    rebill_id: String,
}

impl Fixture {
    async fn open(charge_enabled: bool) -> Self {
        let terminal = tbank::Terminal {
            key: TERMINAL.to_owned(),
            password: PASSWORD.to_owned(),
            notification_url: None,
            cash_register: false,
            charge_enabled,
            blocked: false,
        };
        let options = tbank::Options { bind: None, terminals: vec![terminal] };
        let bank = tbank::start(options, Control::default()).await.unwrap();
        let client = TBank::new(Config {
            base_url: format!("{}/v2", bank.url).parse().unwrap(),
            terminal: Terminal { key: TERMINAL.to_owned(), password: PASSWORD.into() },
            http: HttpOptions::with_timeout(Duration::from_secs(3)),
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

    /// Opens a payment and charges the saved card, with this result.
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
async fn a_saved_card_is_charged_once_despite_repeated_calls() {
    let fixture = Fixture::open(true).await;
    let (id, charged) = fixture.charge("sub-1", Ending::Paid).await;
    let charged = charged.unwrap();
    assert_eq!((charged.status, charged.amount), (PaymentStatus::Confirmed, Some(Kopecks(49_900))));
    // A second call is rejected by the payment's status, which says nothing about the first: its status must be
    // queried.
    let error = fixture.charge_again(&id).await.unwrap_err();
    assert_eq!(error.refusal().map(|refusal| refusal.class), Some(ErrorClass::State));
    assert_eq!(error.outcome(), FailureAction::Unknown);
    assert_eq!(fixture.client.state(&id).await.unwrap().status, PaymentStatus::Confirmed);
    let order = fixture.client.check_order("sub-1").await.unwrap();
    assert_eq!(order.payments.len(), 1);
}

#[tokio::test]
async fn every_class_of_decline_ends_the_attempt_and_is_reported() {
    let fixture = Fixture::open(true).await;
    for (code, class) in [
        (1051, ErrorClass::Funds),
        (1005, ErrorClass::Soft),
        (1041, ErrorClass::Hard),
        (1059, ErrorClass::Stop),
    ] {
        let (id, charged) = fixture.charge(&format!("sub-{code}"), Ending::Declined(code)).await;
        let error = charged.unwrap_err();
        let refusal = error.refusal().expect("a refusal");
        assert_eq!((refusal.code.as_str(), refusal.class), (code.to_string().as_str(), class));
        assert_eq!(refusal.payment.as_ref().map(|payment| &payment.status), Some(&PaymentStatus::Rejected));
        assert_eq!(error.outcome(), FailureAction::GiveUp, "{code}");
        let state = fixture.client.state(&id).await.unwrap();
        assert_eq!(state.status, PaymentStatus::Rejected, "an answer, not an error");
    }
}

#[tokio::test]
async fn a_terminal_without_charge_is_a_definite_configuration_error() {
    let fixture = Fixture::open(false).await;
    let (id, charged) = fixture.charge("sub-1", Ending::Paid).await;
    let error = charged.unwrap_err();
    assert_eq!(error.refusal().map(|refusal| refusal.class), Some(ErrorClass::Config));
    assert_eq!(error.outcome(), FailureAction::GiveUp);
    assert_eq!(fixture.client.state(&id).await.unwrap().status, PaymentStatus::New, "nothing was taken");
}

/// The outcome is unknown to the bank: this is neither an error nor a paid status.
#[tokio::test]
async fn a_charge_with_unknown_outcome_is_reported_as_pending() {
    let fixture = Fixture::open(true).await;
    let (id, charged) = fixture.charge("sub-1", Ending::Hangs).await;
    assert_eq!(charged.unwrap().status, PaymentStatus::PayChecking);
    assert_eq!(fixture.charge_again(&id).await.unwrap_err().outcome(), FailureAction::Unknown);
    fixture.bank.state.settle(&id, Ending::Paid).unwrap();
    assert_eq!(fixture.client.state(&id).await.unwrap().status, PaymentStatus::Confirmed);
}

/// A lost response must not be treated as a decline, nor as a permission to repeat the call.
#[tokio::test]
async fn a_lost_response_is_unknown_until_the_status_is_queried() {
    let fixture = Fixture::open(true).await;
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
        fixture.bank.control.script(Script::next("/v2/Charge", act.clone()));
        let (id, charged) = fixture.charge(&format!("sub-{number}"), Ending::Paid).await;
        assert_eq!(charged.unwrap_err().outcome(), FailureAction::Unknown, "{act:?}");
        assert_eq!(fixture.client.state(&id).await.unwrap().status, taken, "{act:?}");
    }
}

#[tokio::test]
async fn a_payers_cards_are_listed_and_a_removed_one_cannot_be_charged() {
    let fixture = Fixture::open(true).await;
    let cards = fixture.client.cards("cust-42").await.unwrap();
    let [card] = cards.as_slice() else { panic!("one card: {cards:?}") };
    assert_eq!((card.status, card.pan.as_deref()), (SavedCardStatus::Active, Some("220000******0004")));
    assert_eq!(card.rebill_id.as_ref().unwrap().expose_secret(), fixture.rebill_id);
    for _ in 0..2 {
        fixture.client.remove_card("cust-42", &card.card_id).await.unwrap();
    }
    let removed = fixture.client.cards("cust-42").await.unwrap();
    assert_eq!(removed[0].status, SavedCardStatus::Removed);
    let (_, charged) = fixture.charge("sub-1", Ending::Paid).await;
    assert_eq!(charged.unwrap_err().refusal().unwrap().class, ErrorClass::Soft);
    assert!(fixture.client.cards("a-stranger").await.unwrap().is_empty());
    fixture.client.remove_card("a-stranger", "1").await.unwrap();
}

#[tokio::test]
async fn a_prepayment_gets_its_closing_receipt_once() {
    let fixture = Fixture::open(true).await;
    let receipt = |payment_method| Receipt {
        ffd_version: FfdVersion::V1_05,
        taxation: Taxation::UsnIncome,
        email: Some("buh@example.test".to_owned()),
        phone: None,
        items: vec![ReceiptItem {
            name: "Тариф".to_owned(),
            price: Kopecks(49_900),
            quantity: 1,
            amount: Kopecks(49_900),
            tax: Vat::None,
            payment_method,
            payment_object: PaymentObject::Service,
            measurement_unit: None,
        }],
    };
    let prepaid = InitRequest {
        receipt: Some(receipt(PaymentMethod::FullPrepayment)),
        ..InitRequest::new("prepaid", Kopecks(49_900))
    };
    let payment_id = fixture.client.init(&prepaid).await.unwrap().payment_id;
    let closing = ClosingReceiptRequest {
        payment_id: payment_id.clone(),
        receipt: receipt(PaymentMethod::FullPayment),
    };
    let too_early = fixture.client.send_closing_receipt(&closing).await.unwrap_err();
    assert_eq!(too_early.refusal().unwrap().class, ErrorClass::State);
    fixture.bank.state.pay(&payment_id, GOOD_CARD).unwrap();
    fixture.client.send_closing_receipt(&closing).await.unwrap();
    let again = fixture.client.send_closing_receipt(&closing).await.unwrap_err();
    assert_eq!(again.refusal().unwrap().code, "308");
    assert_eq!(fixture.bank.state.payment(&payment_id).unwrap().closing_receipts.len(), 1);
}
