//! `/ajax/socket`: messages to the open pages of an account, as server-sent events. amoCRM uses a web socket; a widget sees
//! only `listenSocketChannel`.

use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use poem::web::Data;
use poem::{Body, Request, Response, Result, handler};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::super::Amocrm;
use super::super::model::Note;
use super::card::{cards_of, record};
use super::user::visitor;
use crate::lock::locked;

/// Interval of comments that keep the connection alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A message to the pages of an account.
#[derive(Debug, Clone, Serialize)]
pub struct PageMessage {
    /// Account whose pages get it.
    #[serde(skip)]
    pub account_id: u64,
    /// `leads:card:700001`, or `page` for the page itself.
    pub channel: String,
    /// Contents.
    pub data: Value,
}

/// The stream of the account's messages.
#[handler]
pub(super) fn stream(request: &Request, Data(amo): Data<&Amocrm>) -> Result<Response> {
    let (account, _) = visitor(amo, request)?;
    let receiver = locked(&amo.inner.pages).socket.subscribe();
    Ok(Response::builder()
        .content_type("text/event-stream")
        .header("cache-control", "no-store")
        .body(Body::from_bytes_stream(messages(receiver, account.id))))
}

fn messages(
    receiver: Receiver<PageMessage>,
    account_id: u64,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    // The first bytes let the browser open the stream at once.
    let opened = futures::stream::once(async { Ok(Bytes::from_static(b": open\n\n")) });
    let rest = futures::stream::unfold(receiver, move |mut receiver| async move {
        let text = next(&mut receiver, account_id).await?;
        Some((Ok(Bytes::from(text)), receiver))
    });
    futures::StreamExt::chain(opened, rest)
}

/// The next message for the account or a comment; `None` if there will be no more.
async fn next(receiver: &mut Receiver<PageMessage>, account_id: u64) -> Option<String> {
    loop {
        match tokio::time::timeout(KEEP_ALIVE, receiver.recv()).await {
            Err(_) => return Some(": alive\n\n".to_owned()),
            Ok(Ok(message)) if message.account_id == account_id => {
                let json = serde_json::to_string(&message).unwrap_or_default();
                return Some(format!("data: {json}\n\n"));
            }
            Ok(Ok(_) | Err(RecvError::Lagged(_))) => {}
            Ok(Err(RecvError::Closed)) => return None,
        }
    }
}

impl Amocrm {
    /// Tells the open cards of a note that it is new, or that it changed and must be drawn again.
    pub(crate) fn announce(&self, note: &Note, is_new: bool) {
        let options = locked(&self.inner.pages).options(note.account_id);
        let mut state = locked(&self.inner.state);
        let Some(users) = state.account(note.account_id).map(|account| account.users.clone()) else { return };
        let content = state.content(note.account_id);
        let messages: Vec<PageMessage> = cards_of(content, note)
            .into_iter()
            .map(|(entity, id)| PageMessage {
                account_id: note.account_id,
                channel: format!("{}:card:{id}", entity.plural()),
                data: json!({
                    "type": if is_new { "add" } else { "rerender" },
                    "record": record(content, note, &users, &options, Some((entity, id))),
                }),
            })
            .collect();
        drop(state);
        let pages = locked(&self.inner.pages);
        for message in messages {
            // Without open pages there is nobody to tell.
            let _ = pages.socket.send(message);
        }
    }
}
