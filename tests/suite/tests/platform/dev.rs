//! `cargo xtask dev --backend URL`: a vendor's widget beside the simulators.

use std::time::Duration;

use flysk_simulators::{Control, vendor};
use flysk_suite::demo::vendor as dev;
use flysk_suite::environment::{ACCOUNT, Environment, Options};
use reqwest::StatusCode;
use serde_json::Value;
use url::Url;

#[tokio::test(flavor = "multi_thread")]
async fn a_widget_is_registered_and_installed_for_a_local_backend() -> anyhow::Result<()> {
    let backend = vendor::start(None, None, Control::default()).await?;
    let url: Url = format!("{}/events", backend.url).parse()?;
    let mut options = Options::with_fixtures(0.0)?;
    options.more.insert("FLYSK_OUTBOUND_ALLOW".to_owned(), dev::address_of(&url)?);
    let panel_port = options.choose_panel_port()?;
    let mut env = Environment::start(options).await?;
    let credentials = dev::set_up(&mut env, &url, None).await?;
    let delivered = "SELECT COUNT(*) FROM lifecycle_events e JOIN widgets w ON w.id = e.widget_id
        WHERE w.code = 'my-widget' AND e.state = 'delivered'";
    env.wait_for(delivered, 2).await?;
    let told: Vec<Value> = backend.state.received().iter().map(|event| event.body["type"].clone()).collect();
    assert_eq!(told, ["install", "activate"]);
    let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
    let balance = http.get(format!("{}/v1/backend/flycoins/balance?account_id={ACCOUNT}", env.api_url));
    let balance = balance.header("X-Project-Token", &credentials.project_token).send().await?;
    assert_eq!(balance.status(), StatusCode::OK);
    assert_eq!(balance.json::<Value>().await?["available_micro"], 100_000_000, "the welcome bonus");
    let simulators = &env.simulators;
    for url in [&simulators.amocrm.url, &simulators.tbank.url, &simulators.speechkit.url, &simulators.s3.url]
    {
        let page = http.get(format!("{url}/_sim/")).send().await?.error_for_status()?.text().await?;
        assert!(page.contains("/_sim/scripts"), "the page says what the simulator can do: {page}");
    }
    let panel = env.start_panel(panel_port).await?;
    let invited =
        env.command("flysk-worker", &["vendor:invite", "default", "vendor@example.com", "--print-link"])?;
    let link = invited.lines().last().unwrap_or_default();
    assert!(link.starts_with(&format!("{}/portal/invitation?", panel.url)), "{invited}");
    let page = http.get(link).send().await?.error_for_status()?.text().await?;
    assert!(page.contains("vendor@example.com"), "{page}");
    // The next start finds the credentials in the file, and keeps them.
    let file = env.scratch().join("dev.env");
    dev::write_environment(&env, &file, Some(&credentials))?;
    let text = std::fs::read_to_string(&file)?;
    assert!(
        text.contains("export DATABASE_URL='mysql://") && text.contains("export FLYSK_TBANK_URL='"),
        "{text}"
    );
    let former = dev::read_credentials(&file);
    assert_eq!(former.as_ref(), Some(&credentials));
    assert_eq!(dev::set_up(&mut env, &url, former).await?, credentials);
    env.stop()
}
