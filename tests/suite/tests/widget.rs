//! FlySense's widget: its own tests, and the built archive in Chromium against the real product.

use flysk_suite::environment::{Environment, Options, built_widget};
use xtask::commands::widget;

/// Recording of the tests: a browser plays it, and the simulated recogniser knows its dialogue.
const RECORDING: &str = "sales-stereo-44k.mp3";

/// Recognition time relative to the usual one: long enough to see the progress.
const PACE: f64 = 0.1;

/// Checks client, types and parts, then builds the archive and checks it.
fn prepare() -> anyhow::Result<()> {
    widget::test()?;
    widget::check(None, false, None)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_passes_its_check_and_works_in_chromium() {
    tokio::task::spawn_blocking(prepare).await.unwrap().unwrap();
    let env = Environment::start(Options::with_fixtures(PACE).unwrap()).await.unwrap();
    env.open_pages(built_widget()).unwrap();
    env.take_transfers().unwrap();
    env.install().await.unwrap();
    let environment = env.announcement().to_string();
    let tested =
        tokio::task::spawn_blocking(move || widget::test_in_browser(&environment, RECORDING)).await.unwrap();
    if let Err(error) = tested {
        panic!("{error:#}\n{}", env.logs());
    }
    env.stop().unwrap();
}
