//! The command `flysk-worker token:refresh-all`.

use flysk_suite::environment::{Environment, Options};

/// Whether the output contains the words, whatever numbers precede them.
fn says(output: &str, words: &str) -> bool {
    output.lines().any(|line| line.contains(words))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_renews_all_pairs_and_sees_the_results() -> anyhow::Result<()> {
    let env = Environment::start(Options::with_fixtures(0.0)?).await?;
    env.install().await?;
    let run = |args: &[&str]| env.command("flysk-worker", &[&["token:refresh-all"], args].concat());
    let asked = || env.simulators.amocrm.control.calls_to("POST", "/oauth2/access_token").len();
    let before = asked();
    assert!(says(&run(&["--dry-run"])?, "1 pairs would be renewed; 0 wait for a reconnect"));
    assert!(run(&["--widget", "nobody"]).is_err(), "a widget that is not there is not all of them");
    assert_eq!(asked(), before, "looking costs nothing");

    let told = run(&["--widget", "flysense"])?;
    assert!(says(&told, "1 enqueued, 0 already waiting"), "{told}");
    assert!(
        says(&told, "Done: 1 renewed, 0 refused (reconnect), 0 needed no renewal, 0 failed, 0 left"),
        "{told}"
    );
    assert_eq!(asked(), before + 1);

    // A resumed run continues where it stopped, which was at the end.
    let name = told.split_whitespace().find(|word| word.starts_with("refresh-")).unwrap();
    let resumed = run(&["--resume", name])?;
    assert!(says(&resumed, "0 enqueued") && says(&resumed, "Done: 1 renewed"), "{resumed}");
    assert_eq!(asked(), before + 1);
    env.stop()
}
