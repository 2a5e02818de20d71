//! The page that stands in for the messenger's app: a person activates FlySense on it with forms alone.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use flysk_config::Env;
use reqwest::StatusCode;
use secrecy::ExposeSecret as _;
use sqlx::MySqlPool;

use crate::harness::{ANNA, TestApp};

/// Sends a form of the person's page.
async fn act(app: &TestApp, page: &str, act: &str, text: &str) -> StatusCode {
    let form = [("act", act), ("text", text)];
    let sent = app.http.post(page).form(&form).send().await.unwrap();
    app.run_until_idle().await;
    sent.status()
}

async fn content(app: &TestApp, page: &str) -> String {
    app.http.get(page).send().await.unwrap().text().await.unwrap()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_person_activates_flysense_on_the_page_of_the_app(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    for messenger in ["telegram", "max"] {
        let link = app.link().await;
        let (url, link) = match messenger {
            "telegram" => (&app.telegram.url, &link.telegram),
            _ => (&app.max.url, &link.max),
        };
        let page = format!("{url}/_sim/people/{ANNA}");
        assert_eq!(act(&app, &page, "link", link).await, StatusCode::OK, "the form leads back to the page");
        assert!(content(&app, &page).await.contains("demo.amocrm.ru"));
        act(&app, &page, "contact", "").await;
        let done = content(&app, &page).await;
        assert!(done.contains("Готово"), "{done}");
        assert_eq!(act(&app, &page, "link", "https://t.me/another_bot?start=x").await, StatusCode::CONFLICT);
    }
    assert_eq!(app.activation().await["install_status"], "active");
    // On another thread: the simulators, which serve the page, run on this one.
    let url = format!("{}/_sim/people/{ANNA}", app.telegram.url);
    tokio::task::spawn_blocking(move || picture(&url)).await.unwrap();
}

/// Saves a picture of the page in the directory `FLYSK_SCREENSHOTS`, if it is set.
fn picture(url: &str) {
    let env = Env::from_process();
    let named = |name: &str| env.secret_named(name).map(|path| PathBuf::from(path.expose_secret()));
    let Some(folder) = named("FLYSK_SCREENSHOTS") else { return };
    let (file, profile) = (folder.join("activation-chat.png"), tempfile::tempdir().unwrap());
    let taken = Command::new(named("FLYSK_CHROMIUM").unwrap_or_else(|| "/usr/bin/chromium".into()))
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--window-size=520,1050",
            "--lang=ru",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--screenshot={}", file.display()))
        .arg(url)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(taken.success() && file.is_file());
}
