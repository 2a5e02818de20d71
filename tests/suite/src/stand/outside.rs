//! The outside: every simulator, in this process, on one clock.

use std::path::{Path, PathBuf};

use flysk_simulators::amocrm::{self, Amocrm, Direction, EntityType, NewCall};
use flysk_simulators::speechkit::{Behaviour, Manifest, Quotas, Storage};
use flysk_simulators::{Control, Credential, Running, SimClock, recordings, s3, speechkit, yandexgpt};

use super::{ACCOUNT, ADMIN, LEAD, settle_in};

/// The recordings of the fixtures, relative to the repository.
pub const RECORDINGS: &str = "tests/fixtures/calls";

/// Everything that is not ours.
#[derive(Debug)]
pub struct Outside {
    /// amoCRM.
    pub amocrm: Running<Amocrm>,
    /// The telephony's host of recordings.
    pub recordings: Running<recordings::Recordings>,
    /// Object Storage.
    pub s3: Running<s3::Bucket>,
    /// SpeechKit.
    pub speechkit: Running<speechkit::SpeechKit>,
    /// Yandex Cloud's operations.
    pub operations: Running<speechkit::SpeechKit>,
    /// YandexGPT.
    pub yandexgpt: Running<yandexgpt::YandexGpt>,
}

impl Outside {
    /// Starts everybody; `folder` is what the host of recordings serves.
    pub async fn start(folder: PathBuf, manifest: &Path, pace: f64) -> anyhow::Result<Self> {
        let clock = SimClock::default();
        let control = || Control::with_clock(clock.clone());
        let key = |id: &str, role| s3::Key { id: id.into(), secret: format!("{id}-secret"), role };
        let reader = key("sim-reader", s3::Role::Viewer);
        let options = s3::Options {
            bind: None,
            bucket: "flysk-calls".to_owned(),
            keys: vec![key("sim-owner", s3::Role::Editor), reader.clone()],
        };
        let s3 = s3::start(options, control()).await?;
        let credentials = vec![Credential::api_key("sim-api-key".to_owned())];
        let speechkit = speechkit::start(
            speechkit::Options {
                bind: None,
                credentials: credentials.clone(),
                storage: Storage { endpoint: s3.url.parse()?, key: reader },
                manifest: Manifest::load(manifest)?,
                quotas: Quotas::default(),
                behaviour: Behaviour { pace, ..Behaviour::default() },
            },
            control(),
        )
        .await?;
        let outside = Self {
            amocrm: amocrm::start(None, control()).await?,
            recordings: recordings::start(None, folder, control()).await?,
            operations: speechkit::start_operations(None, &speechkit.state, control()).await?,
            yandexgpt: yandexgpt::start(yandexgpt::Options { bind: None, credentials }, control()).await?,
            speechkit,
            s3,
        };
        settle_in(&outside.amocrm.state)?;
        Ok(outside)
    }

    /// The address of a recording by its file name.
    pub fn recording_url(&self, file: &str) -> String {
        format!("{}/{file}", self.recordings.url)
    }

    /// A telephony puts a call with this recording into the lead's feed; amoCRM tells our hook. Returns
    /// the note's id.
    pub fn call_arrives(&self, link: Option<String>, seconds: u32) -> anyhow::Result<u64> {
        Ok(self.amocrm.state.call(NewCall {
            account: ACCOUNT,
            entity_type: EntityType::Leads,
            entity_id: LEAD,
            link,
            link_after_ms: None,
            duration: seconds,
            duration_as_text: false,
            direction: Direction::Inbound,
            phone: "+70000000000".to_owned(),
            uniq: None,
            source: "example_pbx".to_owned(),
            user: Some(ADMIN),
            silently: false,
        })?)
    }
}
