//! Answers of the operations on activation.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::activation::binding::BindingState;
use flysk_domain::flysense::activation::link::{EnableFailure, LinkProgress};
use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_services::activation::CreatedLink;
use flysk_store::flysense::activation::bindings::BindingRow;
use flysk_store::flysense::activation::bots::BotRow;
use flysk_store::flysense::activation::links::LinkRow;
use poem_openapi::Object;
use poem_openapi::types::Example;
use qrcode::QrCode;
use qrcode::render::svg;
use secrecy::ExposeSecret;

use crate::choice::Choice;
use crate::time::Time;

/// Smallest width and height of a QR code, pixels.
const MIN_QR_PIXELS: u32 = 220;

/// A new activation link.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct CreatedActivationLink {
    /// Id of the link.
    id: String,
    /// State of the link.
    state: Choice<LinkProgress>,
    /// Expiry of the link.
    expires_at: Time,
    /// Short code, for people whose messenger loses the payload of the link.
    code: String,
    /// Expiry of the short code.
    code_expires_at: Time,
    /// Ways to the bots, one for each messenger that can be used.
    messengers: Vec<ActivationMessenger>,
}

/// The way to the bot of one messenger.
#[derive(Debug, Object)]
pub(crate) struct ActivationMessenger {
    /// The messenger.
    messenger: Choice<Messenger>,
    /// Name of the messenger, for users.
    name: String,
    /// Deep link that opens the bot. Secret: the first person who opens it is asked for the phone number.
    url: String,
    /// Text to send to the bot if the link does not work.
    command: String,
    /// The deep link as a QR code: an SVG image.
    qr_svg: String,
}

impl CreatedActivationLink {
    /// The answer for a new link and the bots that can be used.
    pub(super) fn new(link: &CreatedLink, bots: &[BotRow]) -> Self {
        let way = |bot: &BotRow| {
            let url = bot.messenger.deep_link(&bot.username, link.token.expose_secret());
            ActivationMessenger {
                messenger: bot.messenger.into(),
                name: bot.messenger.label().to_owned(),
                command: match bot.messenger {
                    Messenger::Telegram => format!("/start {}", link.code.as_str()),
                    Messenger::Max => link.code.as_str().to_owned(),
                },
                qr_svg: qr_svg(&url),
                url,
            }
        };
        Self {
            id: link.id.to_string(),
            state: LinkProgress::Waiting.into(),
            expires_at: link.expires_at.into(),
            code: link.code.grouped(),
            code_expires_at: link.code_expires_at.into(),
            messengers: bots.iter().map(way).collect(),
        }
    }
}

impl Example for CreatedActivationLink {
    fn example() -> Self {
        Self {
            id: "lnk_01KC2QHF6N5V4W3X2Y1Z0A9B8C".to_owned(),
            state: LinkProgress::Waiting.into(),
            expires_at: Time::example(),
            code: "7K3M-9QXD".to_owned(),
            code_expires_at: Time::example(),
            messengers: vec![ActivationMessenger {
                messenger: Messenger::Telegram.into(),
                name: "Telegram".to_owned(),
                url: "https://t.me/flysense_bot?start=k3Jd0_x-".to_owned(),
                command: "/start 7K3M9QXD".to_owned(),
                qr_svg: "<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>".to_owned(),
            }],
        }
    }
}

/// A QR code as an SVG element, without the XML declaration, which HTML does not allow. Empty if the text is too long.
fn qr_svg(text: &str) -> String {
    let Ok(code) = QrCode::new(text) else { return String::new() };
    let image = code.render::<svg::Color<'_>>().min_dimensions(MIN_QR_PIXELS, MIN_QR_PIXELS).build();
    image.find("<svg").map_or(image.clone(), |start| image[start..].to_owned())
}

/// State of FlySense's activation in the account.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Activation {
    /// Status of the install, as in the handshake. If it is `active`, the activation is done.
    install_status: Choice<InstallStatus>,
    /// Messengers that can be used for activation now.
    messengers: Vec<Choice<Messenger>>,
    /// The caller's newest link; null if there is none.
    link: Option<ActivationLink>,
    /// People who are bound to the account, oldest first. Empty for users who are not administrators.
    bindings: Vec<ActivationBinding>,
}

/// A link of the caller.
#[derive(Debug, Object)]
pub(crate) struct ActivationLink {
    /// Id of the link.
    id: String,
    /// State of the link.
    state: Choice<LinkProgress>,
    /// Why the activation failed; null in other states.
    failure: Option<Choice<EnableFailure>>,
    /// Expiry of the link.
    expires_at: Time,
    /// Expiry of the short code.
    code_expires_at: Time,
    /// Messenger in which the link was opened; null before.
    messenger: Option<Choice<Messenger>>,
    /// Name of the person who confirmed the phone number; null before.
    person: Option<String>,
    /// The confirmed phone number with its middle hidden; null before.
    phone_masked: Option<String>,
}

/// A person who is bound to the account.
#[derive(Debug, Object)]
pub(crate) struct ActivationBinding {
    /// Id of the binding.
    id: String,
    /// The messenger.
    messenger: Choice<Messenger>,
    /// Name of the person in the messenger.
    person: String,
    /// The phone number with its middle hidden.
    phone_masked: String,
    /// User of amoCRM who created the link.
    user_id: u64,
    /// When the person confirmed the number.
    bound_at: Time,
    /// State of the binding.
    state: Choice<BindingState>,
}

/// Parts of an [`Activation`].
pub(super) struct ActivationParts {
    pub(super) install_status: InstallStatus,
    pub(super) bots: Vec<BotRow>,
    pub(super) link: Option<LinkRow>,
    pub(super) bindings: Vec<BindingRow>,
    pub(super) is_admin: bool,
    pub(super) now: DateTime<Utc>,
}

impl From<ActivationParts> for Activation {
    fn from(parts: ActivationParts) -> Self {
        let link = parts.link.map(|link| {
            let person = parts.bindings.iter().find(|binding| Some(binding.id) == link.binding_id);
            ActivationLink {
                id: link.id.to_string(),
                state: link.state.progress(link.expires_at, parts.now).into(),
                failure: link.failure.map(Choice),
                expires_at: link.expires_at.into(),
                code_expires_at: link.code_expires_at.into(),
                messenger: link.opened_by().map(|who| Choice(who.messenger)),
                person: person.map(|binding| binding.person.clone()),
                phone_masked: person.map(|binding| binding.phone_masked.clone()),
            }
        });
        let bindings = if parts.is_admin { parts.bindings } else { Vec::new() };
        Self {
            install_status: parts.install_status.into(),
            messengers: parts.bots.iter().map(|bot| Choice(bot.messenger)).collect(),
            link,
            bindings: bindings.into_iter().map(ActivationBinding::from).collect(),
        }
    }
}

impl From<BindingRow> for ActivationBinding {
    fn from(binding: BindingRow) -> Self {
        Self {
            id: binding.id.to_string(),
            messenger: binding.messenger.into(),
            person: binding.person,
            phone_masked: binding.phone_masked,
            user_id: binding.user_id.0,
            bound_at: binding.consented_at.into(),
            state: binding.state.into(),
        }
    }
}

impl Example for Activation {
    fn example() -> Self {
        let person = || "Анна".to_owned();
        Self {
            install_status: InstallStatus::Active.into(),
            messengers: vec![Messenger::Telegram.into(), Messenger::Max.into()],
            link: Some(ActivationLink {
                id: "lnk_01KC2QHF6N5V4W3X2Y1Z0A9B8C".to_owned(),
                state: LinkProgress::Bound.into(),
                failure: None,
                expires_at: Time::example(),
                code_expires_at: Time::example(),
                messenger: Some(Messenger::Telegram.into()),
                person: Some(person()),
                phone_masked: Some("+7 *** ***-45-67".to_owned()),
            }),
            bindings: vec![ActivationBinding {
                id: "bnd_01KC2QJF6N5V4W3X2Y1Z0A9B8C".to_owned(),
                messenger: Messenger::Telegram.into(),
                person: person(),
                phone_masked: "+7 *** ***-45-67".to_owned(),
                user_id: 501,
                bound_at: Time::example(),
                state: BindingState::Active.into(),
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qr_code_is_an_element_that_a_page_may_contain() {
        let image = qr_svg("https://t.me/flysense_bot?start=k3Jd0_x-k3Jd0_x-k3Jd0_x-k3Jd0_x-k3Jd0_x-abc");
        assert!(image.starts_with("<svg") && image.trim_end().ends_with("</svg>"), "{image}");
    }
}
