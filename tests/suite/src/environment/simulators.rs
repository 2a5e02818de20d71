//! All simulators, in this process, with a shared clock.

use std::path::{Path, PathBuf};

use flysk_simulators::amocrm::{self, Amocrm, Direction, EntityType, NewCall};
use flysk_simulators::speechkit::{Behaviour, Manifest, Quotas, Storage};
use flysk_simulators::{
    Control, Credential, Running, SimClock, max, recordings, s3, smtp, speechkit, t_api, tbank, telegram,
    yandexgpt,
};

use super::{ACCOUNT, ADMIN, LEAD, seed_amocrm};

/// Directory of the recordings of the fixtures, relative to the repository.
pub const RECORDINGS: &str = "tests/fixtures/calls";

/// Secret of the webhooks of the simulated bots.
pub const BOT_WEBHOOK_SECRET: &str = "simulated-secret";
/// Token of the simulated bot in Telegram.
pub(super) const TELEGRAM_TOKEN: &str = "123456:simulated-token";
/// Token of the simulated bot in MAX.
pub(super) const MAX_TOKEN: &str = "simulated-max-token";

/// The simulated outside services.
#[derive(Debug)]
pub struct Simulators {
    /// Accounts, OAuth and the API of amoCRM.
    pub amocrm: Running<Amocrm>,
    /// Recording host of a telephony provider.
    pub recordings: Running<recordings::Recordings>,
    /// Object Storage.
    pub s3: Running<s3::Bucket>,
    /// Recognition service.
    pub speechkit: Running<speechkit::SpeechKit>,
    /// Yandex Cloud's operations.
    pub operations: Running<speechkit::SpeechKit>,
    /// Language model.
    pub yandexgpt: Running<yandexgpt::YandexGpt>,
    /// T-Bank, with one terminal.
    pub tbank: Running<tbank::TBank>,
    /// T-Bank's T-API, with one account.
    pub t_api: Running<t_api::TApi>,
    /// Bot API of Telegram.
    pub telegram: Running<telegram::Telegram>,
    /// Bot API of MAX.
    pub max: Running<max::Max>,
    /// Mail server.
    pub smtp: Running<smtp::Smtp>,
    /// Page of the mail server's letters.
    pub inbox: Running<smtp::Smtp>,
}

impl Simulators {
    /// Starts all simulators; `folder` is the directory that the recording host serves.
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
        let smtp = smtp::start(smtp::Options::default(), control()).await?;
        let simulators = Self {
            amocrm: amocrm::start(None, control()).await?,
            recordings: recordings::start(None, folder, control()).await?,
            operations: speechkit::start_operations(None, &speechkit.state, control()).await?,
            yandexgpt: yandexgpt::start(yandexgpt::Options { bind: None, credentials }, control()).await?,
            tbank: start_tbank(control()).await?,
            t_api: start_t_api(control()).await?,
            telegram: telegram::start(
                telegram::Options {
                    bind: None,
                    token: TELEGRAM_TOKEN.to_owned(),
                    username: "flysense_bot".to_owned(),
                },
                control(),
            )
            .await?,
            max: max::start(
                max::Options { bind: None, token: MAX_TOKEN.to_owned(), username: "id7700_bot".to_owned() },
                control(),
            )
            .await?,
            inbox: smtp::start_inbox(None, &smtp.state, control()).await?,
            smtp,
            speechkit,
            s3,
        };
        seed_amocrm(&simulators.amocrm.state)?;
        Ok(simulators)
    }

    /// URL of a recording by its file name.
    pub fn recording_url(&self, file: &str) -> String {
        format!("{}/{file}", self.recordings.url)
    }

    /// A telephony provider adds a call with this recording to the lead, and amoCRM sends the webhook. Returns
    /// the note's id.
    pub fn call_arrives(&self, link: Option<String>, seconds: u32) -> anyhow::Result<u64> {
        Ok(self.amocrm.state.call(call_of_lead(link, seconds))?)
    }
}

/// A call of the lead with this recording, of which amoCRM sends the webhook.
pub fn call_of_lead(link: Option<String>, seconds: u32) -> NewCall {
    NewCall {
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
    }
}

/// Key of the terminal at T-Bank.
pub(super) const TERMINAL: &str = "TinkoffBankTest";
/// Its password. Not the published one of `.env.example`, which an https deployment refuses.
pub(super) const TERMINAL_PASSWORD: &str = "simulated-terminal-password";

/// Origin of T-Bank's payment form for browsers.
pub(super) const PAYMENT_FORM_ORIGIN: &str = "https://pay.tbank.example.test";

/// Token of the simulated T-API.
pub const T_API_TOKEN: &str = "TBankSandboxToken";
/// Account whose statement the simulated T-API has.
pub const T_API_ACCOUNT: &str = "40702810900000000001";

async fn start_t_api(control: Control) -> anyhow::Result<Running<t_api::TApi>> {
    let options =
        t_api::Options { bind: None, token: T_API_TOKEN.to_owned(), account: T_API_ACCOUNT.to_owned() };
    t_api::start(options, control).await
}

async fn start_tbank(control: Control) -> anyhow::Result<Running<tbank::TBank>> {
    let terminal = tbank::Terminal {
        key: TERMINAL.to_owned(),
        password: TERMINAL_PASSWORD.to_owned(),
        notification_url: None,
        cash_register: true,
        charge_enabled: false,
        blocked: false,
    };
    let bank = tbank::start(tbank::Options { bind: None, terminals: vec![terminal] }, control).await?;
    bank.state.publish_form_at(PAYMENT_FORM_ORIGIN);
    Ok(bank)
}
