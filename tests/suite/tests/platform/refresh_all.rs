//! `flysk-worker token:refresh-all`, as an operator runs it.

use flysk_suite::stand::{Options, Stand};

/// The words behind a number that an operator reads.
fn says(output: &str, words: &str) -> bool {
    output.lines().any(|line| line.contains(words))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_renews_all_pairs_and_is_told_what_came_of_it() -> anyhow::Result<()> {
    let stand = Stand::start(Options::with_fixtures(0.0)?).await?;
    stand.install().await?;
    let run = |args: &[&str]| stand.command("flysk-worker", &[&["token:refresh-all"], args].concat());
    let asked = || stand.outside.amocrm.control.calls_to("POST", "/oauth2/access_token").len();
    let before = asked();
    assert!(says(&run(&["--dry-run"])?, "1 pairs would be renewed; 0 wait for a reconnect"));
    assert!(run(&["--widget", "nobody"]).is_err(), "a widget that is not there is not all of them");
    assert_eq!(asked(), before, "looking costs nothing");

    let told = run(&["--widget", "flysense"])?;
    assert!(says(&told, "1 enqueued, 0 wait already"), "{told}");
    assert!(
        says(&told, "Done: 1 renewed, 0 refused (reconnect), 0 needed nothing, 0 failed, 0 to go"),
        "{told}"
    );
    assert_eq!(asked(), before + 1);

    // A run that is resumed goes on where it was, which was the end.
    let name = told.split_whitespace().find(|word| word.starts_with("refresh-")).unwrap();
    let resumed = run(&["--resume", name])?;
    assert!(says(&resumed, "0 enqueued") && says(&resumed, "Done: 1 renewed"), "{resumed}");
    assert_eq!(asked(), before + 1);
    stand.stop()
}
