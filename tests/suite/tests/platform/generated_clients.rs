//! Clients that common generators make from the OpenAPI document, against the API. `cargo xtask clients` and CI generate,
//! compile and run them; their programs are in `tests/clients`.

use std::path::PathBuf;

use flysk_config::Env;
use flysk_suite::environment::ACCOUNT;
use secrecy::ExposeSecret as _;
use sqlx::MySqlPool;

use super::charging::WalletClient;

/// One client for each generator: openapi-python-client, openapi-typescript with openapi-fetch, OpenAPI Generator.
const CLIENTS: [&str; 3] = ["python", "typescript", "java"];

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
#[ignore = "needs the clients that `cargo xtask clients` generates"]
async fn generated_clients_charge_refund_and_read_an_error(pool: MySqlPool) {
    let folder = Env::from_process().secret_named("FLYSK_GENERATED_CLIENTS");
    let folder = folder.expect("FLYSK_GENERATED_CLIENTS names the directory of the clients");
    let folder = PathBuf::from(folder.expose_secret());
    let client = WalletClient::open(pool).await;
    let before = client.balance().await;
    for name in CLIENTS {
        let output = tokio::process::Command::new("sh")
            .arg(folder.join(name).join("run"))
            .env("FLYSK_URL", &client.app.api_url)
            .env("PROJECT_TOKEN", &client.app.project_token)
            .env("ACCOUNT_ID", ACCOUNT.to_string())
            .output()
            .await
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            told.trim(),
            "charged 2500000, refunded 2500000, refused 402 insufficient_balance",
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(client.balance().await, before, "{name}");
    }
    client.close().await;
}
