//! The account's pages in a browser, with FlySense's widget.

use std::path::{Path, PathBuf};

use flysk_simulators::amocrm::{Entity, EntityType};
use serde_json::{Value, json};

use super::{
    ACCOUNT, ADMIN, CLIENT_ID, Environment, HOST, LEAD, PUBLIC_ORIGIN, SIMULATED_T_API_TOKEN, T_API_ACCOUNT,
    USER,
};

/// Contact of the lead.
pub const CONTACT: u64 = 800_001;
/// Company of the lead.
pub const COMPANY: u64 = 900_001;

/// Code of the widget.
const WIDGET: &str = "flysense";

/// Directory of the built widget, relative to the repository.
const BUILT_WIDGET: &str = "widget/dist";

/// The built widget of this repository; `None` if it is not built.
pub fn built_widget() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(BUILT_WIDGET);
    folder.join("manifest.json").is_file().then_some(folder)
}

impl Environment {
    /// Adds the cards, and serves the widget from a directory or a `widget.zip`.
    pub fn open_pages(&self, widget: Option<PathBuf>) -> anyhow::Result<()> {
        let amocrm = &self.simulators.amocrm.state;
        let card = |entity_type, id, phones: &[&str], of: &[u64]| Entity {
            entity_type,
            id,
            phones: phones.iter().map(|&phone| phone.to_owned()).collect(),
            of: of.to_vec(),
            closed: false,
            responsible_user_id: ADMIN,
        };
        amocrm.add_entity(ACCOUNT, card(EntityType::Contacts, CONTACT, &["+79161234567"], &[]))?;
        amocrm.add_entity(ACCOUNT, card(EntityType::Companies, COMPANY, &["+74957654321"], &[]))?;
        amocrm.add_entity(ACCOUNT, card(EntityType::Leads, LEAD, &[], &[CONTACT, COMPANY]))?;
        if let Some(widget) = widget {
            amocrm.serve_widget(WIDGET, widget);
        }
        Ok(())
    }

    /// Lets the vendor take transfers of firms to the simulated T-Bank.
    pub fn take_transfers(&self) -> anyhow::Result<()> {
        let args =
            ["vendor:t-api", "default", "--account", T_API_ACCOUNT, "--token-env", SIMULATED_T_API_TOKEN];
        self.command("flysk-worker", &args)?;
        Ok(())
    }

    /// Address of a page of the account for a browser on this machine.
    pub fn page_url(&self, path: &str) -> String {
        format!("{}{path}", self.local_origin(HOST))
    }

    /// The origin that stands for `https://<host>` in a browser on this machine.
    fn local_origin(&self, host: &str) -> String {
        format!("http://{host}.localhost:{}", self.simulators.amocrm.addr.port())
    }

    /// Addresses and credentials for a program that tests the widget, as JSON.
    pub fn announcement(&self) -> Value {
        let public_host = PUBLIC_ORIGIN.trim_start_matches("https://");
        json!({
            "api_url": self.api_url,
            "page_api_url": self.local_origin(public_host),
            "card_url": self.page_url(&format!("/leads/detail/{LEAD}")),
            "contact_url": self.page_url(&format!("/contacts/detail/{CONTACT}")),
            "company_url": self.page_url(&format!("/companies/detail/{COMPANY}")),
            "settings_url": self.page_url("/settings/widgets"),
            "balance_url": self.page_url(&format!("/settings/widgets/{WIDGET}")),
            "sim_url": format!("{}/_sim", self.simulators.amocrm.url),
            "recordings_url": self.simulators.recordings.url,
            "tbank_sim_url": format!("{}/_sim", self.simulators.tbank.url),
            "speechkit_sim_url": format!("{}/_sim", self.simulators.speechkit.url),
            "account_id": ACCOUNT,
            "admin_id": ADMIN,
            "user_id": USER,
            "lead_id": LEAD,
            "contact_id": CONTACT,
            "company_id": COMPANY,
            "client_id": CLIENT_ID,
            "project_token": self.project_token,
            "worker": self.binaries().join("flysk-worker"),
            "worker_environment": self.variables(),
        })
    }
}
