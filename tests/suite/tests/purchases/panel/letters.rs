//! Letters in the panel: every kind with sample facts, and what was sent about an install.

use flysk_domain::Clock as _;
use flysk_domain::flysense::activation::notices::NoticeKind;
use flysk_domain::id::MailNoticeId;
use flysk_domain::platform::mail::{MailFacts, MailKind, MailState};
use flysk_domain::platform::subscriptions::moscow_day;
use flysk_store::platform::mail::{self, MailNotice};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_SECURITY_POLICY, HeaderName, X_FRAME_OPTIONS};
use sqlx::MySqlPool;

use super::harness::Panel;
use super::subscriptions::{sells_subscriptions, subscription};

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_letter_is_shown_as_html_without_rights_and_as_text(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let platform = MailKind::ALL.iter().map(|kind| format!("/letters/{kind}"));
    let flysense = NoticeKind::ALL.iter().filter(|kind| kind.goes_by_mail());
    let flysense = flysense.map(|kind| format!("/letters/flysense-{kind}"));
    let list = signed.page("/letters").await;
    for path in platform.chain(flysense) {
        assert!(list.contains(&format!("data-href=\"{path}\"")), "{path}: {list}");
        let page = signed.page(&path).await;
        assert!(page.contains(&format!("src=\"{path}/html\" sandbox")), "{path}: {page}");
        assert!(page.contains("Здравствуйте!") && page.contains("demo.amocrm.ru"), "{path}: {page}");
        let answer = panel.get_as(&signed.cookie, &format!("{path}/html")).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let header = |name: HeaderName| answer.headers()[name].to_str().unwrap().to_owned();
        let (policy, framing) = (header(CONTENT_SECURITY_POLICY), header(X_FRAME_OPTIONS));
        for rule in ["default-src 'none'", "form-action 'none'", "frame-ancestors 'self'", "sandbox"] {
            assert!(policy.contains(rule) && !policy.contains("script-src"), "{path}: {policy}");
        }
        assert_eq!(framing, "SAMEORIGIN", "{path}");
        let html = answer.text().await.unwrap();
        assert!(html.starts_with("<!DOCTYPE html>") && !html.contains("<script"), "{path}: {html}");
    }
    for path in ["/letters/nonsense", "/letters/balance_low", "/letters/nonsense/html"] {
        let answer = panel.get_as(&signed.cookie, path).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn what_was_sent_about_an_install_is_listed_with_its_outcome(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let install = panel.app.install().await.id;
    let path = format!("/installs/{install}/letters");
    assert!(signed.page(&path).await.contains("Писем не было"), "there is no subscription yet");
    sells_subscriptions(&panel).await;
    signed.act(&format!("/installs/{install}/subscription"), &[("reason", "Старая установка")]).await;
    let now = panel.app.clock.now();
    let notice = MailNotice {
        id: MailNoticeId::generate(&panel.app.clock),
        subscription_id: subscription(&panel).await.id,
        install_id: install,
        kind: MailKind::TrialEnding,
        local_day: moscow_day(now),
        facts: MailFacts {
            widget: "FlySense".to_owned(),
            host: "demo.amocrm.ru".to_owned(),
            on: None,
            days_before: None,
            amount: None,
            previous_amount: None,
            renews: false,
            invoice: None,
            uninstalled: false,
        },
        state: MailState::Waiting,
    };
    let mut conn = panel.app.conn().await;
    mail::insert_notice(&mut conn, &notice, now).await.unwrap();
    assert!(signed.page(&path).await.contains("ждёт отправки"));
    let (from, to) = (MailState::Waiting, MailState::BadAddress);
    mail::set_state(&mut conn, notice.id, from, to, now).await.unwrap();
    let page = signed.page(&path).await;
    for part in [MailKind::TrialEnding.label(), "адреса нет", "/letters/trial_ending"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(signed.page(&format!("/installs/{install}")).await.contains(&path));
}
