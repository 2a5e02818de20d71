//! The widget in Chromium, beside a naive variant and a published transcript component. `widget/bench/` measures and prints.

use std::process::Stdio;

use anyhow::{Context as _, ensure};
use xtask::commands::widget;
use xtask::tools::CHROMIUM;
use xtask::workspace;

/// Builds the widget and measures it.
pub(super) async fn run() -> anyhow::Result<String> {
    tokio::task::spawn_blocking(measure).await.context("the bench panicked")?
}

fn measure() -> anyhow::Result<String> {
    widget::build(None)?;
    let mut command = widget::script("bench")?;
    command.env("FLYSENSE_BENCH_FOLDER", workspace::target().join("bench").join("transcripts"));
    if let Some(chromium) = CHROMIUM.find() {
        command.env("FLYSK_CHROMIUM", chromium);
    }
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the bench in the browser failed ({})", output.status);
    String::from_utf8(output.stdout).context("the bench printed no text")
}
