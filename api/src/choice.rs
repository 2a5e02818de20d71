//! Closed sets of words in requests and responses: enums of the domain as named enum schemas.

use std::borrow::Cow;

use flysk_domain::TextEnum;
use flysk_domain::flysense::account::HooksState;
use flysk_domain::flysense::activation::binding::BindingState;
use flysk_domain::flysense::activation::link::{EnableFailure, LinkProgress};
use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_domain::flysense::call::{Direction, EntityType};
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::failure_cause::FailureCause;
use flysk_domain::flysense::labels::Label;
use flysk_domain::flysense::payment::PaymentState;
use flysk_domain::flysense::readiness::RecordingWait;
use flysk_domain::flysense::roles::{Role, RoleRule};
use flysk_domain::flysense::sentiment::Sentiment;
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::flysense::summary::{SummaryAbsence, SummarySource};
use flysk_domain::platform::events::{AttemptOutcome, EventKind};
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::ledger::{HoldState, Origin, TransactionKind};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_domain::platform::subscriptions::{
    AccessLevel, AccessReason, ChangeKind, InvoiceKind, InvoiceState, LineKind, NoticeKind, PendingKind,
    Rounding, SubscriptionState,
};
use flysk_domain::platform::transfers::TransferInvoiceState;
use flysk_store::platform::events::EventState;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type};
use serde_json::Value;

/// An enum that the API shows. Its words are never renamed.
pub(crate) trait ClosedSet: TextEnum + Send + Sync {
    /// Name of the schema.
    const NAME: &'static str;
    /// Description of the schema.
    const ABOUT: &'static str;
}

/// A closed set whose variants have a name for users.
pub(crate) trait LabeledSet: ClosedSet {
    /// Name of the schema of a word with its label.
    const LABELED_NAME: &'static str;

    /// Name in Russian.
    fn label(self) -> &'static str;
}

/// Declares closed sets: `Enum = "SchemaName", "Description.";`.
macro_rules! choices {
    ($($set:ty = $name:literal, $about:literal;)+) => {
        $(impl ClosedSet for $set {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;
        })+
    };
}

/// Declares closed sets that responses show with their labels.
macro_rules! labeled_choices {
    ($($set:ty = $name:literal, $about:literal;)+) => {
        choices! { $($set = $name, $about;)+ }
        $(impl LabeledSet for $set {
            const LABELED_NAME: &'static str = concat!("Labeled", $name);

            fn label(self) -> &'static str {
                Self::label(self)
            }
        })+
    };
}

choices! {
    AttemptOutcome = "AttemptOutcome", "Outcome of an attempt. `refused`: the backend answered 410; `interrupted`: the worker stopped, \
        the backend may have received the event.";
    EventState = "EventState", "State of a delivery. `refused`: the backend answered 410; `failed`: the last attempt failed; \
        `unaddressed`: the widget had no event URL.";
    AccessLevel = "AccessLevel", "Level of access. `grace`: the widget works and asks for a payment; `restricted`: it shows its data, but \
        does nothing that costs.";
    AttemptState = "InvoicePaymentState", "State of an attempt to pay an invoice. States may be added.";
    AccessReason = "AccessReason", "Reason of a level of access. Reasons may be added.";
    ChangeKind = "SubscriptionChangeKind", "Kind of a change of a subscription. Kinds may be added.";
    InvoiceKind = "InvoiceKind", "What an invoice pays: a first period, a change within a period, or the next period.";
    InvoiceState = "InvoiceState", "State of an invoice. `void`: withdrawn, not to be paid.";
    LineKind = "InvoiceLineKind", "Subject of a line. `difference`: the rest of the period on other terms; `waiver`: not charged, below \
        the bank's minimum.";
    NoticeKind = "SubscriptionNoticeKind", "Subject of a notice. Subjects may be added.";
    PendingKind = "PendingChangeKind", "Kind of a change that waits for the next period.";
    Rounding = "Rounding", "Rounding of an amount. `half_up`: a share by days, rounded once to the nearest kopeck.";
    SubscriptionState = "SubscriptionState", "State of a subscription. States may be added: decide by the access.";
    BindingState = "BindingState", "State of a binding. `blocked`: the person blocked the bot. States may be added.";
    EnableFailure = "ActivationFailure", "Why FlySense could not be switched on. Reasons may be added.";
    LinkProgress = "ActivationLinkState", "State of an activation link. `opened`: the bot asks for the phone number; `bound`: \
        the number is confirmed. States may be added.";
    Messenger = "Messenger", "A messenger with a bot. Messengers may be added.";
    EntityType = "EntityType", "Type of a card in amoCRM.";
    Direction = "CallDirection", "Direction of a call.";
    EventKind = "EventKind", "Type of an event. Types may be added: ignore unknown ones.";
    FailureCause = "FailureCause", "Exact reason why a recording is unavailable. Causes may be added; see /docs/errors.";
    FailureCode = "FailureCode", "Why a transcription failed. Codes may be added; see /docs/errors.";
    HooksState = "HooksState", "State of amoCRM's webhooks for new calls. `refused`: by the account's plan.";
    HoldState = "HoldState", "State of a hold.";
    InstallStatus = "InstallStatus", "Status of an install. A widget works only while it is `active`.";
    Origin = "CoinOrigin", "Origin of coins.";
    Label = "LabelCode", "Label of a call, from SpeechKit's classifiers. Labels may be added.";
    PaymentState = "TranscriptionPaymentState", "State of a transcription's payment. `unpaid`: no coins held yet; `owed`: the \
        result is ready, the coins are not charged yet; `releasing`: no result, the hold is being released.";
    PurchaseState = "PurchaseState", "State of a purchase. `paid` is final; a `failed` purchase may still become `paid`.";
    Role = "SpeakerRole", "Role of a speaker.";
    SummarySource = "SummarySource", "Origin of a summary.";
    TransactionKind = "TransactionKind", "Kind of a transaction. Kinds may be added.";
    TransferInvoiceState = "TransferInvoiceState", "State of an invoice that is paid by bank transfer. `sending`: it can be paid \
        already; `expired` and `void`: what had arrived is in the firm's balance. States may be added.";
    TranscriptionState = "TranscriptionState", "State of a transcription. States may be added.";
}

labeled_choices! {
    RecordingWait = "RecordingWait", "Why a transcription waits for its recording. `no_link`: the note has no link yet; \
        `not_ready`: the link does not return a recording yet; `still_growing`: the link returns a part of the recording.";
    RoleRule = "RoleRule", "Rule that assigned the roles of the speakers. Rules may be added.";
    Sentiment = "Sentiment", "Sentiment of a call, on the client's side.";
    SummaryAbsence = "SummaryAbsence", "Why there is no summary. Reasons may be added.";
}

/// A word of a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice<T>(pub(crate) T);

impl<T: ClosedSet> Choice<T> {
    /// The variant with this text.
    fn parse(text: &str) -> ParseResult<Self> {
        let found = T::VARIANTS.iter().find(|variant| variant.as_str() == text);
        found.map(|&variant| Self(variant)).ok_or_else(|| {
            let words: Vec<String> =
                T::VARIANTS.iter().map(|variant| format!("`{}`", variant.as_str())).collect();
            ParseError::custom(format!("must be one of {}", words.join(", ")))
        })
    }
}

impl<T: ClosedSet> From<T> for Choice<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: ClosedSet> Type for Choice<T> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Reference(T::NAME.to_owned())
    }

    fn register(registry: &mut Registry) {
        registry.create_schema::<Self, _>(T::NAME.to_owned(), |_| MetaSchema {
            description: Some(T::ABOUT),
            enum_items: T::VARIANTS.iter().map(|variant| variant.as_str().into()).collect(),
            ..MetaSchema::new("string")
        });
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<T: ClosedSet> ToJSON for Choice<T> {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.as_str().into())
    }
}

impl<T: ClosedSet> ParseFromJSON for Choice<T> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        Self::parse(value.as_ref().and_then(Value::as_str).unwrap_or_default())
    }
}

impl<T: ClosedSet> ParseFromParameter for Choice<T> {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        Self::parse(value)
    }
}

/// A word of a closed set with its name in Russian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Labeled<T>(pub(crate) T);

impl<T: LabeledSet> Type for Labeled<T> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        T::LABELED_NAME.into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Reference(T::LABELED_NAME.to_owned())
    }

    fn register(registry: &mut Registry) {
        Choice::<T>::register(registry);
        let described = |description| MetaSchema { description: Some(description), ..MetaSchema::ANY };
        let label = MetaSchema { ty: "string", ..described("Name in Russian, for users.") };
        registry.create_schema::<Self, _>(T::LABELED_NAME.to_owned(), |_| MetaSchema {
            description: Some(T::ABOUT),
            required: vec!["code", "label"],
            properties: vec![
                ("code", Choice::<T>::schema_ref().merge(described("The word."))),
                ("label", MetaSchemaRef::Inline(Box::new(label))),
            ],
            ..MetaSchema::new("object")
        });
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<T: LabeledSet> ToJSON for Labeled<T> {
    fn to_json(&self) -> Option<Value> {
        Some(serde_json::json!({ "code": self.0.as_str(), "label": self.0.label() }))
    }
}

impl<T: LabeledSet> ParseFromJSON for Labeled<T> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let code = value.as_ref().and_then(|value| value.get("code")?.as_str()).unwrap_or_default();
        Choice::<T>::parse(code).map(|choice| Self(choice.0)).map_err(ParseError::propagate)
    }
}
