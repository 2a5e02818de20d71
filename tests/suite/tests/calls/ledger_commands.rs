//! Commands of operators about Flycoins.

use std::sync::Arc;

use chrono::TimeDelta;
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, SystemClock};
use flysk_jobs::platform::flycoins::VerifyLedger;
use flysk_queue::Outbox;
use flysk_suite::environment::{ACCOUNT, Environment, Options};
use flysk_suite::ports::quiet_port;
use serde_json::{Value, json};

/// A request of FlySense's backend about the account's Flycoins.
async fn backend(env: &Environment, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
    let url = format!("{}/v1/backend/flycoins{path}", env.api_url);
    let http = reqwest::Client::builder().build()?;
    let request = match &body {
        Some(body) => http.post(url).json(body),
        None => http.get(url),
    };
    let answer = request.header("X-Project-Token", &env.project_token).send().await?;
    Ok(answer.error_for_status()?.json().await?)
}

/// Bonus, compensation and verification: each prints its effect, or the error in its arguments.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_compensates_and_verifies_the_ledger() -> anyhow::Result<()> {
    let env = Environment::start(Options::with_fixtures(0.02)?).await?;
    let worker = |args: &[&str]| env.command("flysk-worker", args);
    let refused = |args: &[&str]| worker(args).unwrap_err().to_string();
    let file = tempfile::NamedTempFile::new()?;
    let path = file.path().to_str().unwrap();
    std::fs::write(path, r#"{"flycoins": {"bonus": 100}}"#)?;
    let update = ["widget:update", "flysense", "--uses-flycoins", "true", "--billing", path];
    assert!(refused(&update).contains("unknown field `bonus`, expected"));
    std::fs::write(
        path,
        r#"{"flycoins": {"welcome_bonus": {"amount_micro": 100000000, "lives_days": 30}}}"#,
    )?;
    worker(&update)?;
    env.install().await?;

    let account = ACCOUNT.to_string();
    let wallet = |name: &'static str, more: &[&'static str]| {
        let args = [&[name, "--widget", "flysense", "--account"][..], &[account.as_str()], more].concat();
        env.command("flysk-worker", &args)
    };
    let shown = wallet("wallet:show", &[])?;
    assert!(shown.contains("available  100.000000") && shown.contains("Приветственный бонус"), "{shown}");
    let made_good = ["--amount", "2.5", "--reason", "Сбой 24 ноября", "--key", "ticket-812"];
    assert!(wallet("wallet:credit", &made_good)?.contains("Credited ltx_"));
    assert!(wallet("wallet:credit", &made_good)?.contains("Already credited as ltx_"));
    let other = ["--amount", "3", "--reason", "Сбой 24 ноября", "--key", "ticket-812"];
    let error = wallet("wallet:credit", &other).unwrap_err().to_string();
    assert!(error.contains("was used for another compensation"), "{error}");
    let negative = ["--amount=-1", "--reason", "x", "--key", "k"];
    assert!(wallet("wallet:credit", &negative).unwrap_err().to_string().contains("amount must be above 0"));
    assert!(wallet("wallet:show", &[])?.contains("available  102.500000"));
    let balance = backend(&env, &format!("/balance?account_id={account}"), None).await?;
    assert_eq!(balance["available_micro"], 102_500_000);
    let stranger = refused(&["wallet:show", "--widget", "flysense", "--account", "404"]);
    assert!(stranger.contains("has not installed"), "{stranger}");

    let proof = worker(&["ledger:verify"])?;
    assert!(proof.contains("4 entries in 1 wallets") && !proof.contains("MISMATCHES"), "{proof}");
    let whole = worker(&["ledger:verify", "--all"])?;
    assert!(
        whole.contains("4 entries in 1 wallets, the whole ledger") && !whole.contains("MISMATCHES"),
        "{whole}"
    );
    assert!(worker(&["ledger:verify", "--renew"])?.contains("4 entries"));
    let damaged = damage(&env, 1).await?;
    let told = refused(&["ledger:verify"]);
    assert!(
        told.contains("exit status: 1") && told.contains("balances do not match the ledger entries"),
        "{told}"
    );
    let sentence =
        format!("wallet available: {damaged} has 102500001 micro-Flycoins, its entries sum to 102500000");
    assert!(told.contains(&sentence) && told.contains("1 MISMATCHES"), "{told}");
    env.stop()
}

/// A price applies from its start time, to estimates as well; an invalid one is rejected with a reason.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sets_prices_with_a_start_time() -> anyhow::Result<()> {
    let env = Environment::start(Options::with_fixtures(0.0)?).await?;
    env.install().await?;
    let worker = |args: &[&str]| env.command("flysk-worker", args);
    let refused = |args: &[&str]| worker(args).unwrap_err().to_string();
    let set = ["price:set", "flysense.recognition", "--per-minute", "3", "--at-least", "15"];
    let far = refused(&[&set[..], &["--valid-from", "2099-01-01T00:00:00Z"]].concat());
    assert!(far.contains("within five years"), "{far}");
    let next_month = (SystemClock.now() + TimeDelta::days(30)).to_rfc3339();
    let set = worker(&[&set[..], &["--valid-from", &next_month]].concat())?;
    assert!(set.contains("flysense.recognition v2: 3.000000 Flycoins a minute"), "{set}");
    let listed = worker(&["price:list", "--service", "flysense.recognition"])?;
    let states: Vec<bool> =
        ["v1    in force", "v2    to come"].map(|state| listed.contains(state)).into_iter().collect();
    assert_eq!(states, [true, true], "{listed}");
    let late = ["price:set", "flysense.summary", "--per-piece", "1", "--valid-from", "2020-01-01T00:00:00Z"];
    assert!(refused(&late).contains("cannot start in the past"));
    assert!(refused(&["price:set", "nobody.work", "--per-piece", "1"]).contains("widget `nobody` not found"));
    assert!(refused(&["price:set", "flysense.summary", "--per-piece", "0"]).contains("must be positive"));
    for (args, sentence) in [
        (&[][..], "--per-minute <FLYCOINS>|--per-piece <FLYCOINS>"),
        (&["--per-minute", "2", "--per-piece", "1"], "cannot be used with"),
        (&["--per-piece", "1", "--at-least", "15"], "cannot be used with"),
        (&["--per-minute", "2,5"], "`2,5` is not an amount: write it like 12 or 2.5"),
        (&["--per-piece", "1", "--valid-from", "2099-01-01"], "such as 2027-01-01T00:00:00Z"),
    ] {
        let told = refused(&[&["price:set", "flysense.summary"], args].concat());
        assert!(told.contains("exit status: 2") && told.contains(sentence), "{told}");
    }

    // A price that applies at once is used by the next estimate.
    worker(&["price:set", "flysense.summary", "--per-piece", "1.25"])?;
    let lines = json!([{ "service": "flysense.summary", "quantity": 2 }]);
    let estimate = json!({ "account_id": ACCOUNT, "lines": lines });
    let estimate = backend(&env, "/estimate", Some(estimate)).await?;
    assert_eq!((&estimate["total_micro"], &estimate["lines"][0]["version"]), (&json!(2_500_000), &json!(2)));
    assert_eq!(worker(&["price:list", "--service", "flysense.unknown"])?, "No prices.\n");
    env.stop()
}

/// Changes the balance of the only wallet directly; returns its id.
async fn damage(env: &Environment, by: i64) -> anyhow::Result<String> {
    sqlx::query("UPDATE wallets SET available_micro = available_micro + ?")
        .bind(by)
        .execute(&env.pool)
        .await?;
    Ok(sqlx::query_scalar("SELECT id FROM wallets").fetch_one(&env.pool).await?)
}

/// The gauge of what the nightly verification found; its value follows.
const GAUGE: &str = "flysk_ledger_discrepancies{scope=\"new\"} ";

/// Nightly verification raises an alert while the ledger is inconsistent: a log line that names the wallet, and a
/// gauge. Both end with the repair.
#[tokio::test(flavor = "multi_thread")]
async fn nightly_verification_raises_an_alert_that_names_the_wallet() -> anyhow::Result<()> {
    let mut env = Environment::start(Options::with_fixtures(0.0)?).await?;
    env.install().await?;
    env.kill(1)?;
    let port = quiet_port()?;
    env.set("FLYSK_METRICS_LISTEN", &format!("127.0.0.1:{port}"));
    env.spawn("flysk-worker", &["run", "billing"], "nightly")?;
    let http = reqwest::Client::builder().build()?;
    let outbox = Outbox::new(env.pool.clone(), None, Arc::new(SystemClock));
    let verify = async |nights: i64| {
        let trace = Trace { correlation_id: format!("night-{nights}"), traceparent: None };
        let mut unit = outbox.begin(trace).await?;
        unit.enqueue(&VerifyLedger {}).await?;
        unit.commit().await?;
        let done = "SELECT COUNT(*) FROM jobs WHERE kind = 'flycoins.verify_ledger' AND state = 'done'";
        env.wait_for(done, nights).await?;
        let metrics = http.get(format!("http://127.0.0.1:{port}/metrics")).send().await?.text().await?;
        let gauge = metrics.lines().find(|line| line.starts_with(GAUGE));
        let lines = env.log_lines()?;
        let lines: Vec<Value> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let alarms: Vec<Value> = lines.into_iter().filter(|line| line["alert"] == "ledger").collect();
        anyhow::Ok((gauge.unwrap_or_default().to_owned(), alarms))
    };
    assert_eq!(verify(1).await?, (GAUGE.to_owned() + "0", vec![]));
    let wallet = damage(&env, 5).await?;
    let (gauge, alarms) = verify(2).await?;
    assert_eq!((gauge, alarms.len()), (format!("{GAUGE}1"), 1), "{alarms:?}");
    let alarm = &alarms[0];
    assert_eq!(
        (&alarm["level"], &alarm["message"]),
        (&json!("ERROR"), &json!("balances do not match the ledger entries"))
    );
    assert_eq!((&alarm["rule"], &alarm["row_id"]), (&json!("wallet available"), &json!(wallet)));
    let off = alarm["stored_micro"].as_i64().unwrap() - alarm["proven_micro"].as_i64().unwrap();
    assert_eq!(off, 5, "{alarm}");
    damage(&env, -5).await?;
    let (gauge, alarms) = verify(3).await?;
    assert_eq!((gauge, alarms.len()), (format!("{GAUGE}0"), 1), "no new one");
    env.stop()
}
