//! Widgets of an account as its pages know them.

use serde_json::{Value, json};

use super::super::Amocrm;
use super::widget_files::read;
use crate::lock::locked;

/// Language of the pages.
const LANGUAGE: &str = "ru";

/// Widgets whose files are served. A widget without a readable manifest or locale is left out, as amoCRM would refuse it.
pub(super) fn widgets_of(amo: &Amocrm, account_id: u64) -> Vec<Value> {
    let (integrations, installed) = {
        let mut state = locked(&amo.inner.state);
        (state.integrations.clone(), state.content(account_id).installed.clone())
    };
    let mut widgets = Vec::new();
    for (index, integration) in integrations.iter().enumerate() {
        let source = locked(&amo.inner.pages).widgets.get(&integration.code).cloned();
        let Some(source) = source else { continue };
        let json_file = |name: &str| {
            let bytes = read(&source, name)?;
            serde_json::from_slice::<Value>(&bytes).ok()
        };
        let Some((manifest, i18n)) =
            json_file("manifest.json").zip(json_file(&format!("i18n/{LANGUAGE}.json")))
        else {
            tracing::warn!(
                widget = integration.code,
                "the widget has no readable manifest.json or i18n/ru.json"
            );
            continue;
        };
        let settings =
            locked(&amo.inner.pages).settings.get(&(account_id, integration.code.clone())).cloned();
        let is_installed = installed.contains(&integration.client_id);
        widgets.push(json!({
            "id": index + 1,
            "code": integration.code,
            "client_uuid": integration.client_id,
            "path": format!("/widgets/{}", integration.code),
            "version": manifest["widget"]["version"],
            "status": if is_installed { "installed" } else { "install" },
            "active": is_installed,
            "settings": settings.unwrap_or_default(),
            "manifest": manifest,
            "i18n": i18n,
        }));
    }
    widgets
}
