//! Calls from end to end: our real processes, the outside simulated over real HTTP.

mod crashes;
mod doors;
mod links;
mod providers;
mod recordings;

use flysk_suite::stand::{Options, Stand};

/// The product with FlySense installed; recognition is quick.
async fn stand() -> anyhow::Result<Stand> {
    let stand = Stand::start(Options::with_fixtures(0.02)?).await?;
    stand.install().await?;
    Ok(stand)
}
