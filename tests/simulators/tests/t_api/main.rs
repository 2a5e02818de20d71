//! The simulated T-API, held to the bank's documents by the client of the product.
#![expect(clippy::unwrap_used, reason = "a failing test panics with the reason")]

use chrono::TimeDelta;
use flysk_clients::http::HttpOptions;
use flysk_clients::tbank::t_api::{
    InvoiceStatus, InvoiceToSend, StatementPeriod, TApi as Client, TApiConfig, TApiError,
};
use flysk_domain::Clock as _;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{VatRate, moscow_day};
use flysk_domain::platform::transfers::{InvoiceNumber, Payer};
use flysk_simulators::t_api::{self, Behaviour, TApi, Transfer};
use flysk_simulators::{Control, Running};

const TOKEN: &str = "TBankSandboxToken";
const ACCOUNT: &str = "40702810900000000001";

async fn bank() -> Running<TApi> {
    let options = t_api::Options { bind: None, token: TOKEN.to_owned(), account: ACCOUNT.to_owned() };
    t_api::start(options, Control::default()).await.unwrap()
}

fn client(bank: &Running<TApi>, token: &str) -> Client {
    Client::new(TApiConfig {
        base_url: format!("{}/openapi", bank.url).parse().unwrap(),
        token: token.into(),
        http: HttpOptions::default(),
    })
    .unwrap()
}

fn payer() -> Payer {
    Payer::new("ООО «Ромашка»", "7707083893", Some("770701001")).unwrap()
}

fn invoice<'a>(bank: &Running<TApi>, payer: &'a Payer) -> InvoiceToSend<'a> {
    let today = moscow_day(bank.control.clock().now());
    InvoiceToSend {
        number: InvoiceNumber::of_serial(1).unwrap(),
        issued_on: today,
        due_on: today,
        account: ACCOUNT,
        payer,
        title: "Тариф «Про», 1 мес.",
        amount: Kopecks(499_005),
        vat: VatRate::Vat22,
        email: "buh@example.test",
        purpose: "Оплата по счету № 1000017",
    }
}

#[tokio::test]
async fn an_invoice_is_sent_read_and_paid() {
    let bank = bank().await;
    let (client, payer) = (client(&bank, TOKEN), payer());
    let sent = client.send_invoice(&invoice(&bank, &payer)).await.unwrap();
    let kept = bank.state.invoices();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].kopecks, kept[0].vat.as_str()), (499_005, "22"));
    assert_eq!(client.invoice_status(&sent.invoice_id).await.unwrap(), InvoiceStatus::Submitted);
    bank.state.pay("1000017").unwrap();
    assert_eq!(client.invoice_status(&sent.invoice_id).await.unwrap(), InvoiceStatus::Paid);
    assert!(matches!(client.invoice_status("unknown").await, Err(TApiError::Refused { status: 404, .. })));
}

#[tokio::test]
async fn the_document_is_read_by_get_and_without_the_token() {
    let bank = bank().await;
    let payer = payer();
    client(&bank, TOKEN).send_invoice(&invoice(&bank, &payer)).await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let slug = &bank.state.invoices()[0].slug;
    let url = &format!("{}/invoices/api/v1/public/document/{slug}", bank.url);
    let document = http.get(url).send().await.unwrap();
    assert_eq!(document.headers()["content-type"], "application/pdf");
    assert!(document.text().await.unwrap().starts_with("%PDF-"));
    let link = |text: &str| text.to_owned().into();
    let client = client(&bank, TOKEN);
    assert!(client.fetch_document(&link(url)).await.unwrap().starts_with(b"%PDF-"));
    let gone = client.fetch_document(&link(&format!("{url}x"))).await.unwrap_err();
    assert_eq!(gone.outcome(), FailureAction::GiveUp, "{gone}");
    let elsewhere = client.fetch_document(&link("http://127.0.0.1:1/document")).await.unwrap_err();
    assert!(matches!(elsewhere, TApiError::Unwritable), "{elsewhere}");
    assert_eq!(http.head(url).send().await.unwrap().status(), 405);
    assert_eq!(http.get(url).bearer_auth(TOKEN).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn wrong_tokens_addresses_fields_and_haste_are_refused() {
    let bank = bank().await;
    let payer = payer();
    let refused = client(&bank, "other").send_invoice(&invoice(&bank, &payer)).await.unwrap_err();
    assert!(matches!(refused, TApiError::Refused { status: 401, .. }), "{refused}");
    bank.state.behave(Behaviour { refuses_address: true, ..Behaviour::default() });
    let refused = client(&bank, TOKEN).send_invoice(&invoice(&bank, &payer)).await.unwrap_err();
    assert!(
        matches!(&refused, TApiError::Refused { status: 403, code, .. } if code == "FORBIDDEN"),
        "{refused}"
    );
    bank.state.behave(Behaviour::default());
    let wrong = InvoiceToSend { account: "40702810900000000009", ..invoice(&bank, &payer) };
    let refused = client(&bank, TOKEN).send_invoice(&wrong).await.unwrap_err();
    assert!(matches!(refused, TApiError::Refused { status: 422, .. }), "{refused}");
    let hasty = client(&bank, TOKEN);
    let request = invoice(&bank, &payer);
    let all = futures::future::join_all((0..8).map(|_| hasty.send_invoice(&request))).await;
    let too_many = all.iter().filter(|sent| matches!(sent, Err(TApiError::TooMany { .. }))).count();
    assert!(too_many > 0, "{all:?}");
    let waits = TApiError::TooMany { after: None };
    assert_eq!((waits.outcome(), waits.is_without_effect()), (FailureAction::WAIT, true));
}

#[tokio::test]
async fn a_statement_has_pages_and_only_money_that_was_booked_as_received() {
    let bank = bank().await;
    let now = bank.control.clock().now();
    for kopecks in 1..=5 {
        bank.state.credit(Transfer { kopecks, purpose: "я".repeat(300), ..Transfer::default() });
    }
    bank.state.credit(Transfer { kopecks: 6, outgoing: true, ..Transfer::default() });
    bank.state.credit(Transfer { kopecks: 7, authorised_only: true, ..Transfer::default() });
    bank.state.behave(Behaviour { page_size: 2, repeats_at_page_ends: true, ..Behaviour::default() });
    let client = client(&bank, TOKEN);
    let day = TimeDelta::days(1);
    let period = StatementPeriod { account: ACCOUNT, from: now - day, until: now + day };
    let (mut cursor, mut read, mut ids) = (None, Vec::new(), Vec::new());
    loop {
        let page = client.statement(&period, cursor.as_deref()).await.unwrap();
        read.extend(page.credits.iter().map(|credit| credit.amount.0));
        ids.extend(page.credits.into_iter().map(|credit| credit.operation_id));
        let Some(next) = page.next_cursor else { break };
        cursor = Some(next);
    }
    assert_eq!(read, [1, 2, 2, 3, 4, 4, 5], "operations at the ends of pages are listed twice");
    assert_eq!((&ids[1], &ids[4]), (&ids[2], &ids[5]));
    bank.state.change_ids();
    let page = client.statement(&period, None).await.unwrap();
    assert_eq!(page.credits[0].purpose.chars().count(), 210);
    assert_ne!(page.credits[0].operation_id, ids[0]);
}
