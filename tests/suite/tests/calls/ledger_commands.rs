//! What operators do with Flycoins on the command line.

use chrono::TimeDelta;
use flysk_domain::{Clock as _, SystemClock};
use flysk_suite::stand::{ACCOUNT, Options, Stand};

/// Prices, a compensation, and the proof: each says what it did, and what is wrong with what it is given.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sets_prices_makes_good_and_proves_the_books() -> anyhow::Result<()> {
    let stand = Stand::start(Options::with_fixtures(0.02)?).await?;
    let worker = |args: &[&str]| stand.command("flysk-worker", args);
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
    stand.install().await?;

    let account = ACCOUNT.to_string();
    let wallet = |name: &'static str, more: &[&'static str]| {
        let args = [&[name, "--widget", "flysense", "--account"][..], &[account.as_str()], more].concat();
        stand.command("flysk-worker", &args)
    };
    let shown = wallet("wallet:show", &[])?;
    assert!(shown.contains("available  100.000000") && shown.contains("Приветственный бонус"), "{shown}");
    let made_good = ["--amount", "2.5", "--reason", "Сбой 24 ноября", "--key", "ticket-812"];
    assert!(wallet("wallet:credit", &made_good)?.contains("Credited ltx_"));
    assert!(wallet("wallet:credit", &made_good)?.contains("Was credited before, as ltx_"));
    let other = ["--amount", "3", "--reason", "Сбой 24 ноября", "--key", "ticket-812"];
    let error = wallet("wallet:credit", &other).unwrap_err().to_string();
    assert!(error.contains("was used for another compensation"), "{error}");
    let negative = ["--amount=-1", "--reason", "x", "--key", "k"];
    assert!(wallet("wallet:credit", &negative).is_err());
    assert!(wallet("wallet:show", &[])?.contains("available  102.500000"));
    let stranger = refused(&["wallet:show", "--widget", "flysense", "--account", "404"]);
    assert!(stranger.contains("has not installed"), "{stranger}");

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
    assert!(refused(&late).contains("cannot begin in the past"));
    assert!(
        refused(&["price:set", "nobody.work", "--per-piece", "1"])
            .contains("no widget has the code `nobody`")
    );
    assert!(refused(&["price:set", "flysense.summary", "--per-piece", "0"]).contains("above zero"));

    let proof = worker(&["ledger:verify"])?;
    assert!(proof.contains("4 entries in 1 wallets") && !proof.contains("DO NOT AGREE"), "{proof}");
    sqlx::query("UPDATE wallets SET available_micro = available_micro + 1").execute(&stand.pool).await?;
    assert!(refused(&["ledger:verify"]).contains("the books do not agree"));
    stand.stop()
}
