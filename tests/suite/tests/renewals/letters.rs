//! Letters to the payer, handed over to a simulated mail server, and the pages that they lead to.

use flysk_domain::id::TransferInvoiceId;
use flysk_domain::platform::mail::TransferLetter;
use flysk_domain::platform::subscriptions::{Change, PeriodLength, SubscriptionState, VatRate};
use flysk_domain::platform::transfers::{self, PaymentSubject};
use flysk_jobs::platform::mail::SendMailNotice;
use flysk_jobs::platform::transfers::SendTransferLetter;
use flysk_sandbox::Options;
use flysk_services::subscriptions::Actor;
use flysk_services::transfers::{
    NewTransferInvoice, PayByTransfer, RequestOutcome, TransferContext, pay_by_transfer, set_t_api_access,
    withdraw_transfer_invoice,
};
use flysk_simulators::smtp::{self, Fault, Letter, Moment, Smtp};
use flysk_simulators::{Control, Running};
use flysk_suite::environment::connect_as_in_production;
use flysk_suite::subscriber::{SEATS, Subscriber};
use reqwest::StatusCode;
use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use sqlx::MySqlPool;

use super::harness::{EMPTY_LATER, GOOD_CARD, TestSubscriber};

/// A subscriber whose payer gets letters.
struct Payer {
    subscriber: TestSubscriber,
    mail: Running<Smtp>,
    http: reqwest::Client,
}

impl std::ops::Deref for Payer {
    type Target = TestSubscriber;

    fn deref(&self) -> &TestSubscriber {
        &self.subscriber
    }
}

impl Payer {
    /// An account in its trial.
    async fn open(pool: MySqlPool) -> Self {
        let mail = smtp::start(smtp::Options::default(), Control::default()).await.unwrap();
        let pool = connect_as_in_production(&pool, 20).await.unwrap();
        let mut options = Options::new(pool, "2027-01-31T09:00:00Z".parse().unwrap()).unwrap();
        for (name, value) in [
            ("FLYSK_TBANK_REQUESTS_PER_SECOND", "0".to_owned()),
            ("FLYSK_SMTP_URL", format!("{}?tls=none", mail.url)),
            ("FLYSK_SMTP_FROM", "Flysk <notices@flysk.example>".to_owned()),
        ] {
            options.variables.insert(name.to_owned(), value);
        }
        let subscriber = TestSubscriber(Subscriber::open(options).await.unwrap());
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { subscriber, mail, http }
    }

    /// An account that has bought a month with this card, and agreed to renewals.
    async fn subscribed(pool: MySqlPool, card: &str) -> Self {
        let payer = Self::open(pool).await;
        payer.buy(card).await.unwrap();
        payer
    }

    /// An account that has bought a month without saving the card.
    async fn without_card(pool: MySqlPool) -> Self {
        let payer = Self::open(pool).await;
        let change = Change::Start { plan: payer.plan, seats: SEATS, length: PeriodLength::Month };
        let invoice = payer.order(change).await.unwrap().unwrap();
        let attempt = payer.subscriber.0.open_form(invoice.id, false).await.unwrap();
        payer.pay(&attempt, GOOD_CARD);
        payer.run_due().await;
        payer
    }

    fn letters(&self) -> Vec<Letter> {
        self.mail.state.letters()
    }

    fn subjects(&self) -> Vec<String> {
        self.letters().iter().map(Letter::subject).collect()
    }

    /// States of the notices, oldest first.
    async fn states(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT state FROM mail_notices ORDER BY id")
            .fetch_all(&self.sandbox.pool)
            .await
            .unwrap()
    }

    async fn get(&self, url: &str) -> (StatusCode, String) {
        let answer = self.http.get(url).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    async fn post(&self, url: &str, body: &'static str) -> (StatusCode, String) {
        let request =
            self.http.post(url).header("Content-Type", "application/x-www-form-urlencoded").body(body);
        let answer = request.send().await.unwrap();
        let location = answer.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, location.unwrap_or(text))
    }
}

/// The address in a letter's plain text that contains this part.
fn link(letter: &Letter, part: &str) -> String {
    let text = letter.text();
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// The address that mail programs switch letters off at with one click.
fn unsubscribe_link(letter: &Letter) -> String {
    letter.field("List-Unsubscribe").trim_matches(['<', '>']).to_owned()
}

/// 376-FZ: whoever has removed the widget has no other page.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_reminder_of_a_charge_names_the_card_and_unlinks_it(pool: MySqlPool) {
    let payer = Payer::subscribed(pool, GOOD_CARD).await;
    payer.advance_to("2027-02-25", "10:00:01").await;
    let reminder = payer.letters().remove(0);
    assert!(reminder.text().contains("Номер карты заканчивается на 0004."), "{}", reminder.text());
    let url = link(&reminder, "/unlink/");
    let (status, page) = payer.get(&url).await;
    assert!(status == StatusCode::OK && page.contains("Отвязать карту?") && page.contains("*0004"), "{page}");
    assert!(payer.row().await.card_id.is_some(), "opening the link changes nothing");
    for _ in 0..2 {
        let (status, page) = payer.post(&url, "unlink=true").await;
        assert!(status == StatusCode::OK && page.contains("Карта отвязана"), "{page}");
        assert_eq!(payer.row().await.card_id, None);
    }
    assert_eq!(payer.get(&url[..url.len() - 1]).await.0, StatusCode::NOT_FOUND);
    payer.advance_to("2027-04-01", "12:00:00").await;
    assert_eq!(payer.calls("Charge"), 0);
    payer.assert_sound().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_payer_is_reminded_told_of_the_failed_charge_once_and_pays_by_the_link(pool: MySqlPool) {
    let payer = Payer::subscribed(pool, EMPTY_LATER).await;
    payer.advance_to("2027-02-25", "10:00:01").await;
    assert_eq!(payer.subjects(), ["FlySense: спишем оплату 28.02.2027"]);
    let reminder = payer.letters().remove(0);
    assert_eq!(reminder.recipients, ["buh@example.test"]);
    assert!(reminder.text().contains("спишем с привязанной карты 2\u{a0}970\u{a0}₽"), "{}", reminder.text());

    payer.advance_to("2027-02-28", "12:00:00").await;
    assert_eq!(payer.current().await.state, SubscriptionState::PastDue);
    assert_eq!(
        payer.subjects()[1..],
        ["FlySense: оплата не прошла"],
        "one letter says that it failed and is due"
    );
    let failed = payer.letters().remove(1);
    assert!(failed.text().contains("К оплате 2\u{a0}970\u{a0}₽."), "{}", failed.text());
    let url = link(&failed, "/pay/");
    let (status, page) = payer.get(&url).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("2\u{a0}970\u{a0}₽") && page.contains("demo.amocrm.ru"), "{page}");

    let (status, next) = payer.post(&url, "pay=true").await;
    assert_eq!((status, next.ends_with("?go=true")), (StatusCode::SEE_OTHER, true), "{next}");
    let waiting = format!("{url}?go=true");
    let (_, page) = payer.get(&waiting).await;
    assert!(page.contains("http-equiv=\"refresh\""), "the form is not open yet: {page}");
    payer.run_due().await;
    let (status, page) = payer.get(&waiting).await;
    assert!(status == StatusCode::OK && page.contains("Перейти к оплате"), "on to the bank: {page}");
    let invoice = payer.last_invoice().await;
    let attempt = payer.attempts(invoice.id).await.pop().unwrap();
    payer.pay(&attempt, GOOD_CARD);
    payer.run_due().await;
    assert_eq!(payer.current().await.state, SubscriptionState::Active);
    assert!(payer.get(&url).await.1.contains("Счёт оплачен"));
    let forged = url.replace(url.rsplit('/').next().unwrap(), &"0".repeat(64));
    assert_eq!(payer.get(&forged).await.0, StatusCode::NOT_FOUND);
    payer.assert_sound().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn nothing_is_paid_by_a_link_while_the_widget_sells_no_subscriptions(pool: MySqlPool) {
    let payer = Payer::subscribed(pool, EMPTY_LATER).await;
    payer.advance_to("2027-02-28", "12:00:00").await;
    let url = link(&payer.letters().remove(1), "/pay/");
    let stops = "UPDATE widgets SET uses_subscriptions = FALSE";
    sqlx::query(stops).execute(&payer.sandbox.pool).await.unwrap();
    let (status, page) = payer.get(&url).await;
    assert!(status == StatusCode::OK && page.contains("Сейчас платить не нужно"), "{page}");
    assert_eq!(payer.post(&url, "pay=true").await.0, StatusCode::SEE_OTHER);
    let invoice = payer.last_invoice().await;
    assert_eq!(payer.attempts(invoice.id).await.len(), 1, "the charge that failed, and no form");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_unpaid_subscription_is_told_in_the_morning_and_when_it_ends(pool: MySqlPool) {
    let payer = Payer::without_card(pool).await;
    payer.advance_to("2027-02-28", "00:00:01").await;
    assert_eq!(payer.current().await.state, SubscriptionState::PastDue);
    assert_eq!(
        payer.subjects(),
        ["FlySense: подписка закончится 28.02.2027"],
        "nobody is written to at night"
    );
    payer.advance_to("2027-02-28", "09:00:01").await;
    assert_eq!(payer.subjects()[1..], ["FlySense: подписка не оплачена"]);
    payer.advance_to("2027-04-01", "12:00:00").await;
    assert_eq!(payer.current().await.state, SubscriptionState::Expired);
    assert_eq!(payer.subjects()[2..], ["FlySense: подписка закончилась"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn news_that_are_no_longer_true_in_the_morning_are_not_sent(pool: MySqlPool) {
    let payer = Payer::without_card(pool).await;
    payer.advance_to("2027-02-28", "00:00:01").await;
    let open = payer.last_invoice().await;
    let attempt = payer.open_form(open.id).await;
    payer.pay(&attempt, GOOD_CARD);
    payer.run_due().await;
    payer.advance_to("2027-02-28", "12:00:00").await;
    assert_eq!(payer.letters().len(), 1, "the reminder");
    assert_eq!(payer.states().await, ["sent", "outdated"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_kind_that_was_switched_off_is_not_sent_and_the_others_are(pool: MySqlPool) {
    let payer = Payer::subscribed(pool, EMPTY_LATER).await;
    payer.advance_to("2027-02-25", "10:00:01").await;
    let url = unsubscribe_link(&payer.letters()[0]);
    let (_, page) = payer.get(&url).await;
    assert!(page.contains("Письма включены"), "opening the link changes nothing: {page}");
    let (status, page) = payer.post(&url, "List-Unsubscribe=One-Click").await;
    assert!(status == StatusCode::OK && page.contains("Письма отключены"), "{status} {page}");
    payer.advance_to("2027-02-28", "12:00:00").await;
    assert_eq!(payer.letters().len(), 2, "the failed payment is another kind");
    let invoice = payer.last_invoice().await;
    let attempt = payer.open_form(invoice.id).await;
    payer.pay(&attempt, GOOD_CARD);
    payer.advance_to("2027-03-30", "12:00:00").await;
    assert_eq!(payer.letters().len(), 2, "no reminder");
    let (_, page) = payer.post(&url, "on=true").await;
    assert!(page.contains("Письма включены"), "{page}");
    payer.advance_to("2027-04-29", "12:00:00").await;
    assert_eq!(payer.subjects()[2..], ["FlySense: спишем оплату 30.04.2027"]);
    assert_eq!(payer.get(&format!("{url}x")).await.0, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_address_that_does_not_exist_is_not_tried_again_and_another_one_is(pool: MySqlPool) {
    let payer = Payer::subscribed(pool, EMPTY_LATER).await;
    let gone = "550 5.1.1 <buh@example.test>: no such user".to_owned();
    payer.mail.state.fail(Moment::Recipient, Fault::Answer(gone));
    payer.advance_to("2027-02-25", "12:00:00").await;
    assert_eq!(payer.states().await, ["bad_address"]);
    let connections = payer.mail.state.connections();
    payer.advance_to("2027-03-04", "12:00:00").await;
    assert_eq!((payer.mail.state.connections(), payer.states().await.len()), (connections, 1));
    let code: Option<String> = sqlx::query_scalar("SELECT bad_code FROM mail_preferences")
        .fetch_one(&payer.sandbox.pool)
        .await
        .unwrap();
    assert_eq!(code.as_deref(), Some("550 5.1.1"));
    // The payer gives an address with the open invoice, and does not pay.
    let invoice = payer.last_invoice().await;
    payer.open_form(invoice.id).await;
    payer.advance_to("2027-04-10", "12:00:00").await;
    assert!(!payer.letters().is_empty(), "{:?}", payer.states().await);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_letter_in_doubt_is_not_sent_twice_and_a_refused_one_is_sent_later(pool: MySqlPool) {
    let payer = Payer::subscribed(pool, EMPTY_LATER).await;
    payer.mail.state.fail(Moment::Recipient, Fault::Answer("450 4.2.1 greylisted".to_owned()));
    payer.mail.state.fail(Moment::Greeting, Fault::Answer("421 4.3.2 busy".to_owned()));
    payer.advance_to("2027-02-25", "18:00:00").await;
    assert_eq!((payer.letters().len(), payer.states().await), (1, vec!["sent".to_owned()]));
    payer.mail.state.fail(Moment::Content, Fault::KeepAndCut);
    payer.advance_to("2027-02-28", "18:00:00").await;
    assert_eq!((payer.letters().len(), payer.states().await[1].as_str()), (2, "unknown"));

    // A worker that died after it had begun to send leaves the notice in this state.
    sqlx::query("UPDATE mail_notices SET state = 'sending'").execute(&payer.sandbox.pool).await.unwrap();
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT id FROM mail_notices").fetch_all(&payer.sandbox.pool).await.unwrap();
    let mut unit = payer.begin().await;
    for id in &ids {
        unit.enqueue(&SendMailNotice { notice_id: id.parse().unwrap() }).await.unwrap();
    }
    unit.commit().await.unwrap();
    payer.run_due().await;
    assert_eq!((payer.letters().len(), payer.states().await), (2, vec!["unknown".to_owned(); 2]));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn without_a_mail_server_nothing_waits(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    subscriber.advance_to("2027-02-25", "12:00:00").await;
    let states: Vec<String> = sqlx::query_scalar("SELECT state FROM mail_notices")
        .fetch_all(&subscriber.sandbox.pool)
        .await
        .unwrap();
    assert_eq!(states, ["unconfigured"]);
}

impl Payer {
    /// Asks for an invoice that a firm pays by transfer. The bank is not told of it.
    async fn invoice_for_firm(&self) -> TransferInvoiceId {
        let change = Change::Start { plan: self.plan, seats: SEATS, length: PeriodLength::Month };
        let invoice = self.order(change).await.unwrap().unwrap();
        let keyring = &self.sandbox.executor.app().keyring;
        let mut conn = self.sandbox.pool.acquire().await.unwrap();
        let token = "t-api-token".into();
        let access = Some(("40702810900000000001", &token));
        set_t_api_access(&mut conn, keyring, invoice.vendor_id, access, self.sandbox.now()).await.unwrap();
        let payer = transfers::Payer::new("ООО «Ромашка»", "7707083893", Some("770701001")).unwrap();
        let new = NewTransferInvoice {
            subject: PaymentSubject::Invoice(invoice.id),
            payer: &payer,
            email: &"firm@example.test".parse().unwrap(),
            default_vat: VatRate::None,
            requested_by: Actor::System,
        };
        let context = TransferContext { keyring, clock: &self.sandbox.clock };
        let mut unit = self.begin().await;
        let asked = pay_by_transfer(&mut unit, context, new).await.unwrap();
        let PayByTransfer::Answered(RequestOutcome::Requested(written)) = asked else {
            panic!("no invoice: {asked:?}");
        };
        unit.commit().await.unwrap();
        set_t_api_access(&mut conn, keyring, invoice.vendor_id, None, self.sandbox.now()).await.unwrap();
        for statement in [
            "DELETE FROM jobs WHERE kind = 'transfers.send_invoice'",
            "UPDATE transfer_invoices SET sent_at = created_at",
        ] {
            sqlx::query(statement).execute(&self.sandbox.pool).await.unwrap();
        }
        written.id
    }

    fn letters_to_the_firm(&self) -> Vec<Letter> {
        let to_firm = |letter: &Letter| letter.recipients == ["firm@example.test"];
        self.letters().into_iter().filter(to_firm).collect()
    }

    async fn states_of_firm_letters(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT state FROM transfer_letters ORDER BY kind")
            .fetch_all(&self.sandbox.pool)
            .await
            .unwrap()
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_firm_gets_a_letter_about_its_invoice_once(pool: MySqlPool) {
    let payer = Payer::open(pool).await;
    let id = payer.invoice_for_firm().await;
    payer.mail.state.fail(Moment::Recipient, Fault::Answer("450 4.2.1 greylisted".to_owned()));
    payer.run_due().await;
    assert_eq!(payer.states_of_firm_letters().await, ["waiting"], "it is tried again later");
    payer.advance_to("2027-01-31", "18:00:00").await;
    assert_eq!(payer.states_of_firm_letters().await, ["sent"]);
    let letters = payer.letters_to_the_firm();
    assert_eq!(letters.len(), 1);
    let (subject, text) = (letters[0].subject(), letters[0].text());
    assert!(subject.contains("счёт №") && text.contains("Назначение платежа"), "{subject}: {text}");
    assert!(!letters[0].raw.contains("t-api-token"));

    // A worker that died after it had begun to send leaves the letter in this state.
    sqlx::query("UPDATE transfer_letters SET state = 'sending'").execute(&payer.sandbox.pool).await.unwrap();
    let mut unit = payer.begin().await;
    let again = SendTransferLetter { transfer_invoice_id: id, letter: TransferLetter::Issued };
    unit.enqueue(&again).await.unwrap();
    unit.commit().await.unwrap();
    payer.run_due().await;
    assert_eq!(payer.states_of_firm_letters().await, ["unknown"]);
    assert_eq!(payer.letters_to_the_firm().len(), 1, "it would be read twice");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_letter_about_an_invoice_that_was_cancelled_is_not_sent(pool: MySqlPool) {
    let payer = Payer::open(pool).await;
    let id = payer.invoice_for_firm().await;
    let context =
        TransferContext { keyring: &payer.sandbox.executor.app().keyring, clock: &payer.sandbox.clock };
    let mut unit = payer.begin().await;
    assert!(withdraw_transfer_invoice(&mut unit, context, id).await.unwrap());
    unit.commit().await.unwrap();
    payer.run_due().await;
    assert_eq!(payer.states_of_firm_letters().await, ["outdated"]);
    assert!(payer.letters_to_the_firm().is_empty());
}
