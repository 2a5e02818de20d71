//! `GET /v1/flysense/transcriptions/{id}/export`: a dialogue as a document.

use chrono::FixedOffset;
use flysk_domain::flysense::analysis::Analysis;
use flysk_domain::flysense::export::{self, Document, Turn};
use flysk_domain::flysense::utterance::Utterance;
use flysk_services::calls::docx::docx;
use flysk_store::flysense::transcriptions::Transcription;
use flysk_store::flysense::transcripts;
use poem::web::Data;
use poem::{Body, IntoResponse, Response};
use poem_openapi::param::{Path, Query};
use poem_openapi::registry::MetaMediaType;
use poem_openapi::{Enum, OpenApi, ResponseContent};

use super::audio_answer::binary;
use super::caller::{FlysenseUser, authorize_caller};
use super::found_call::find;
use super::label_view::shown_labels;
use super::transcriptions::Tag;
use super::view::link_of;
use crate::auth::WidgetCaller;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};

/// Offset of Moscow from UTC, in seconds: times in documents are Moscow's by default.
const MOSCOW_OFFSET_S: i32 = 3 * 3_600;

/// Format of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
enum ExportFormat {
    /// Plain text.
    Txt,
    /// Subtitles.
    Srt,
    /// Office Open XML.
    Docx,
}

impl ExportFormat {
    const fn media_type(self) -> &'static str {
        match self {
            Self::Txt => "text/plain; charset=utf-8",
            Self::Srt => "application/x-subrip; charset=utf-8",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::Txt => "txt",
            Self::Srt => "srt",
            Self::Docx => "docx",
        }
    }
}

/// Bytes of a document.
pub(crate) struct DocumentBody(Vec<u8>);

impl ResponseContent for DocumentBody {
    fn media_types() -> Vec<MetaMediaType> {
        [ExportFormat::Txt, ExportFormat::Srt, ExportFormat::Docx]
            .map(|format| binary(format.media_type()))
            .into()
    }
}

impl IntoResponse for DocumentBody {
    fn into_response(self) -> Response {
        Response::builder().body(Body::from_vec(self.0))
    }
}

answers! {
    /// Responses of `exportTranscription`.
    Exported {
        /// The document.
        200 => Ok(DocumentBody, header "Content-Type" String, header "Content-Disposition" String,
            header "X-Content-Type-Options" String),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// FlySense is not active in the account.
        403 => Forbidden [NotInstalled, InstallInactive],
        /// The account has no such transcription.
        404 => NotFound,
        /// The transcription has no dialogue.
        409 => Conflict,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operation for exports.
pub(crate) struct ExportApi;

#[OpenApi(prefix_path = "/v1/flysense/transcriptions", tag = "Tag::FlySense")]
impl ExportApi {
    /// Download the dialogue as a document, marked as made by a machine.
    #[oai(path = "/:id/export", method = "get", operation_id = "exportTranscription")]
    async fn export(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// Transcription id, `tr_…`.
        id: Path<String>,
        /// Format of the document.
        format: Query<ExportFormat>,
        /// Whether each turn begins with its time; true by default. Subtitles always have times.
        times: Query<Option<bool>>,
    ) -> Exported {
        match export(&deps, &caller, &id.0, format.0, times.0.unwrap_or(true)).await {
            Ok((bytes, name)) => Exported::Ok(
                DocumentBody(bytes),
                format.0.media_type().to_owned(),
                format!("attachment; filename=\"call.{}\"; filename*=UTF-8''{name}", format.0.extension()),
                "nosniff".to_owned(),
            ),
            Err(problem) => problem.into(),
        }
    }
}

async fn export(
    deps: &Deps,
    caller: &WidgetCaller,
    id: &str,
    format: ExportFormat,
    with_times: bool,
) -> Result<(Vec<u8>, String), Problem> {
    let user = authorize_caller(deps, caller).await?;
    let call = find(deps, &user, id).await?;
    let mut conn = deps.conn().await?;
    let transcript = transcripts::find::<Utterance, Analysis>(&mut conn, call.id).await?;
    drop(conn);
    let absent = || Problem::new(ProblemCode::WrongState, "the transcription has no dialogue");
    let (dialogue, analysis) = transcript.ok_or_else(absent)?;
    let document = document(&user, &call, dialogue, &analysis);
    let bytes = match format {
        ExportFormat::Txt => export::txt(&document, with_times).into_bytes(),
        ExportFormat::Srt => export::srt(&document).into_bytes(),
        ExportFormat::Docx => docx(&document, with_times).map_err(|error| {
            tracing::error!(error = %error, "cannot write a DOCX");
            Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
        })?,
    };
    Ok((bytes, file_name(&call, format)))
}

fn document(
    user: &FlysenseUser,
    call: &Transcription,
    dialogue: Vec<Utterance>,
    analysis: &Analysis,
) -> Document {
    let roles = if call.roles_swapped { analysis.roles.clone().swapped() } else { analysis.roles.clone() };
    let labels = shown_labels(call, Some(analysis)).into_iter().filter(|label| !label.is_removed);
    let tags = labels.map(|label| label.label.label().to_owned()).chain(call.tags.0.iter().cloned());
    let zone = FixedOffset::east_opt(MOSCOW_OFFSET_S);
    let turn = |said: Utterance| Turn {
        speaker: roles.of(&said.channel).label().to_owned(),
        start_ms: said.start_ms,
        end_ms: said.end_ms.max(said.start_ms),
        text: said.text,
    };
    Document {
        title: call
            .direction
            .map_or("Звонок".to_owned(), |direction| format!("{} звонок", direction.label())),
        called_at: call.called_at.zip(zone).map(|(time, zone)| time.with_timezone(&zone)),
        duration_ms: call.duration_ms,
        link: link_of(call, &user.account.host),
        summary: call.summary.clone(),
        tags: tags.collect(),
        turns: dialogue.into_iter().map(turn).collect(),
    }
}

/// `Звонок 2026-11-30 13-05.txt`, encoded as RFC 8187 says.
fn file_name(call: &Transcription, format: ExportFormat) -> String {
    let zone = FixedOffset::east_opt(MOSCOW_OFFSET_S);
    let time = call.called_at.unwrap_or(call.created_at);
    let time = zone.map(|zone| time.with_timezone(&zone).format(" %Y-%m-%d %H-%M").to_string());
    let name = format!("Звонок{}.{}", time.unwrap_or_default(), format.extension());
    percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC).to_string()
}
